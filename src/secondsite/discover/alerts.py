"""Alerting rules, as far as they guard a promise: what they watch, and when they can fire at the earliest."""

from __future__ import annotations

import re

from secondsite.discover.draft import Draft, under
from secondsite.discover.resources import ResourceInventory, YamlNode
from secondsite.model.alert import Alert
from secondsite.model.mark import Mark
from secondsite.model.units import Seconds

_BACKUP = re.compile(r"back_?-?up|velero|snapshot", re.IGNORECASE)
_LAG = re.compile(r"mirror|replication_lag|(jetstream|stream)_\w*lag|source_lag", re.IGNORECASE)
_UP = re.compile(r"\bup\b|\babsent|probe_success|_available\b|status_ready|5\.\.|_up\b", re.IGNORECASE)
_DOWN_NAME = re.compile(r"down|unavailable|unreachable|notready|outage|breaker", re.IGNORECASE)
_IN_SECONDS = re.compile(r"time\(\)|_seconds|_age\b|_time\b|timestamp", re.IGNORECASE)
_COMPARISON = re.compile(
    r"(?:>=?|<=?)\s*(?:bool\s+)?([\d.()*+/\s-]+?)\s*(?:\band\b.*|\bor\b.*|\bunless\b.*)?$", re.DOTALL
)
_TAIL = 200  # characters of an expression in which its threshold is looked for
_PRODUCT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*((?:[*/]\s*\d+(?:\.\d+)?\s*)*)")


def alerts_of(inventory: ResourceInventory) -> tuple[list[Alert], dict[str, Mark]]:
    """Marks are keyed from the System on."""
    found: list[Alert] = []
    marks: dict[str, Mark] = {}
    names: dict[str, int] = {}
    for rule_set in inventory.of_kind("PrometheusRule"):
        for group in rule_set.spec["groups"].items:
            for rule in group["rules"].items:
                if rule["alert"].text:
                    draft = _alert(rule, names)
                    found.append(Alert(**draft.values))
                    marks |= under(f"alerts.{draft.values['name']}", draft.marks)
    return found, marks


def _alert(rule: YamlNode, names: dict[str, int]) -> Draft:
    """Alerts of one name are common (a warning, a page): the later ones are numbered."""
    label, expression = rule["alert"].text, " ".join(rule["expr"].text.split())
    names[label] = names.get(label, 0) + 1
    draft = Draft()
    draft.values["name"] = label if names[label] == 1 else f"{label}-{names[label]}"
    draft.mark("", rule["alert"])
    draft.read("expression", expression, rule["expr"])
    guards = _guards(label, expression)
    draft.read("guards", guards, rule["expr"])
    draft.read("threshold_s", _threshold(guards, expression), rule["expr"])
    if rule["for"]:
        hold = rule["for"]
        draft.read("hold_s", Seconds(0) if hold.text == "0" else hold.seconds, hold)
    return draft


def _guards(name: str, expression: str) -> str:
    if _BACKUP.search(name) or _BACKUP.search(expression):
        return "backup-age"
    if _LAG.search(name) or _LAG.search(expression):
        return "mirror-lag"
    if _UP.search(expression) or _DOWN_NAME.search(name):
        return "availability"
    return "other"


def _threshold(guards: str, expression: str) -> Seconds | None:
    """In seconds; None where the comparison is not one of time."""
    if guards == "availability":
        return Seconds(0)
    if guards == "other" or not _IN_SECONDS.search(expression):
        return None
    match = _COMPARISON.search(expression[-_TAIL:])
    return _evaluate(match[1]) if match else None


def _evaluate(text: str) -> Seconds | None:
    """A number, or a product or quotient of numbers such as ``25 * 3600``."""
    match = _PRODUCT.fullmatch(text.strip().removeprefix("(").removesuffix(")"))
    if not match:
        return None
    value = float(match[1])
    for operator, number in re.findall(r"([*/])\s*(\d+(?:\.\d+)?)", match[2]):
        if operator == "/" and not float(number):
            return None
        value = value * float(number) if operator == "*" else value / float(number)
    return Seconds(value)
