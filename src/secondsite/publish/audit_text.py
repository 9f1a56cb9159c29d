"""Hazards for people: the worst first, each with where, why and what to do, within 100 columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from secondsite.audit.rule import Rule
from secondsite.model.hazard import Hazard, Severity

WIDTH = 100
COLOURS = {Severity.FATAL: "bold red", Severity.HIGH: "red", Severity.MEDIUM: "yellow", Severity.LOW: "cyan"}


def console() -> Console:
    """Of the terminal's width, at most 100 columns; plain where it is no terminal or NO_COLOR is set."""
    plain = Console(highlight=False, soft_wrap=False)
    return Console(highlight=False, width=min(WIDTH, plain.width) if plain.is_terminal else WIDTH)


def render(hazards: Sequence[Hazard], rules: Iterable[Rule]) -> RenderableType:
    """The hazards by severity, and a line that counts them."""
    known = {rule.id: rule for rule in rules}
    return Group(*(_of_severity(severity, hazards, known) for severity in Severity), summary(hazards))


def _of_severity(severity: Severity, hazards: Sequence[Hazard], known: Mapping[str, Rule]) -> RenderableType:
    mine = [hazard for hazard in hazards if hazard.severity is severity]
    if not mine:
        return Group()
    title = Text(f"{severity.upper()} ({len(mine)})", style=COLOURS[severity])
    return Group(title, *(_hazard(hazard, known.get(hazard.rule)) for hazard in mine))


def _hazard(hazard: Hazard, rule: Rule | None) -> RenderableType:
    head = Text.assemble((hazard.rule, "bold"), "  ", (str(hazard.place), "dim"))
    told = [
        ("", hazard.message),
        ("why", rule.why if rule else ""),
        ("endangers", hazard.contract),
        ("remedy", hazard.remedy),
        ("source", hazard.source),
        ("waived", hazard.waived),
    ]
    lines = [Padding(_line(label, text), (0, 0, 0, 2)) for label, text in told if text]
    return Padding(Group(head, *lines), (0, 0, 1, 2))


def _line(label: str, text: str) -> Text:
    return Text.assemble((f"{label}: ", "dim"), text) if label else Text(text)


def summary(hazards: Sequence[Hazard]) -> Text:
    """``31 hazards: 0 fatal, 16 high, 9 medium, 6 low; 2 waived``."""
    open_hazards = [hazard for hazard in hazards if not hazard.waived]
    counts = Counter(hazard.severity for hazard in open_hazards)
    by_severity = ", ".join(f"{counts[severity]} {severity}" for severity in Severity)
    waived = len(hazards) - len(open_hazards)
    number = f"{len(open_hazards)} hazard{'' if len(open_hazards) == 1 else 's'}"
    return Text(f"{number}: {by_severity}" + (f"; {waived} waived" if waived else ""), style="bold")


def render_rules(rules: Iterable[Rule]) -> RenderableType:
    """Every rule: what it means, where it comes from and what to do."""
    return Group(*(_rule(rule) for rule in rules))


def _rule(rule: Rule) -> RenderableType:
    head = Text.assemble((rule.id, "bold"), "  ", (str(rule.severity), COLOURS[rule.severity]), f"  {rule.title}")
    lines = [_line("", rule.why), _line("remedy", rule.remedy), _line("source", rule.source)]
    return Padding(Group(head, *(Padding(line, (0, 0, 0, 2)) for line in lines)), (0, 0, 1, 0))
