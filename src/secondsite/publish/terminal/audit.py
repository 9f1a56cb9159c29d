"""Hazards for people: the worst first, each with where, why and what to do.

Lines are broken here and not by the terminal, so that the same text goes to a screen, a pipe and a file.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from rich.text import Text

from secondsite.audit.examples import Example
from secondsite.audit.rule import Rule
from secondsite.model.hazard import Hazard, Severity
from secondsite.publish.terminal.console import WIDEST

COLOURS = {Severity.FATAL: "bold red", Severity.HIGH: "red", Severity.MEDIUM: "yellow", Severity.LOW: "cyan"}


def render(hazards: Sequence[Hazard], rules: Iterable[Rule], width: int = WIDEST) -> Text:
    """The hazards by severity, and a line that counts them."""
    whys = {rule.id: rule.why for rule in rules}
    return Text("\n").join([*_lines(hazards, whys, width), summary(hazards)])


def render_brief(hazards: Sequence[Hazard], width: int = WIDEST) -> Text:
    """Where and what, a line or two for each that is not waived, and a line that counts them."""
    blocks: list[Text] = []
    for severity in Severity:
        mine = [hazard for hazard in hazards if hazard.severity is severity and not hazard.waived]
        if mine:
            blocks.append(Text(f"{severity.upper()} ({len(mine)})", style=COLOURS[severity]))
        blocks += [_wrapped("", f"{hazard.place}  {hazard.message}", width, indent=2, hang=2) for hazard in mine]
    return Text("\n").join([*blocks, summary(hazards)])


def _lines(hazards: Sequence[Hazard], whys: dict[str, str], width: int) -> Iterator[Text]:
    for severity in Severity:
        mine = [hazard for hazard in hazards if hazard.severity is severity]
        if mine:
            yield Text(f"{severity.upper()} ({len(mine)})", style=COLOURS[severity])
        for hazard in mine:
            yield _wrapped("", f"{hazard.rule}  {hazard.place}", width, indent=2, lead=len(hazard.rule))
            for label, text in (
                ("", hazard.message),
                ("why", whys.get(hazard.rule, "")),
                ("endangers", hazard.contract),
                ("remedy", hazard.remedy),
                ("source", hazard.source),
                ("waived", hazard.waived),
            ):
                if text:
                    yield _wrapped(label, text, width)
            yield Text()


def _wrapped(label: str, text: str, width: int, *, indent: int = 4, hang: int = 0, lead: int = 0) -> Text:
    """Broken to the width, indented, ``hang`` more from the second line; label dim, first ``lead`` characters bold."""
    first, more = " " * indent, " " * (indent + hang)
    line = f"{label}: {text}" if label else text
    broken = textwrap.fill(line, width, initial_indent=first, subsequent_indent=more, break_on_hyphens=False)
    shown = Text(broken)
    shown.stylize("dim", indent, indent + len(label) + bool(label))
    shown.stylize("bold", indent, indent + lead)
    return shown


def summary(hazards: Sequence[Hazard]) -> Text:
    """``31 hazards: 0 fatal, 16 high, 9 medium, 6 low; 2 waived``."""
    open_hazards = [hazard for hazard in hazards if not hazard.waived]
    counts = Counter(hazard.severity for hazard in open_hazards)
    by_severity = ", ".join(f"{counts[severity]} {severity}" for severity in Severity)
    waived = len(hazards) - len(open_hazards)
    number = f"{len(open_hazards)} hazard{'' if len(open_hazards) == 1 else 's'}"
    return Text(f"{number}: {by_severity}" + (f"; {waived} waived" if waived else ""), style="bold")


def render_rules(rules: Iterable[Rule], width: int = WIDEST) -> Text:
    """Every rule: what it means, where it comes from and what to do."""
    return Text("\n\n").join([_record(rule, width) for rule in rules])


def render_rule(rule: Rule, example: Example | None, width: int = WIDEST) -> Text:
    """One rule, and what it finds and does not find."""
    waive = f"waivers: [{{rule: {rule.id}, reason: …, at: …}}]"
    parts = [_record(rule, width), _wrapped("waive", f"{waive} in secondsite.yaml", width)]
    if example:
        for label, text in (("bad", example.bad), ("good", example.good)):
            parts += [Text(), Text(f"    {label}:", style="dim"), Text(textwrap.indent(text, " " * 6))]
    return Text("\n").join(parts)


def _record(rule: Rule, width: int) -> Text:
    return Text("\n").join(
        [
            Text.assemble((rule.id, "bold"), "  ", (str(rule.severity), COLOURS[rule.severity])),
            _wrapped("", f"{rule.title}. {rule.why}", width),
            _wrapped("remedy", rule.remedy, width),
            _wrapped("source", rule.source, width),
        ]
    )
