"""Alerting rules, as far as they guard a promise: what they watch, and when they can fire at the earliest."""

from __future__ import annotations

import re
from collections.abc import Iterator

from secondsite.discover.draft import Draft
from secondsite.discover.resources import ResourceInventory, YamlNode, embedded
from secondsite.model.alert import Alert
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


_RULE_KINDS = ("PrometheusRule", "VMRule", "Rules", "ClusterRules", "GlobalRules")


def alerts_of(inventory: ResourceInventory) -> tuple[list[Alert], Draft]:
    """The draft's marks are keyed from the System on."""
    alerts: list[Alert] = []
    together = Draft()
    names: dict[str, int] = {}
    for groups in _groups(inventory):
        for group in groups.items:
            for rule in group["rules"].items:
                if rule["alert"].text:
                    draft = _alert(rule, names)
                    alerts.append(Alert(**draft.values))
                    together.nest(f"alerts.{draft.values['name']}", draft)
    return alerts, together


def _groups(inventory: ResourceInventory) -> Iterator[YamlNode]:
    """Of the operators' objects (Prometheus, VictoriaMetrics, Google), and of rule files in ConfigMaps."""
    for rule_set in inventory.of_kind(*_RULE_KINDS):
        yield rule_set.spec["groups"]
    for config_map in inventory.of_kind("ConfigMap"):
        for at in config_map.top["data"].entries.values():
            if "alert:" in at.text and "groups:" in at.text and "expr:" in at.text:
                yield from (YamlNode(document)["groups"] for document in embedded(at))


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
        if hold.text == "0":
            draft.read("hold_s", Seconds(0), hold)
        else:
            draft.take("hold_s", "seconds", hold)
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
