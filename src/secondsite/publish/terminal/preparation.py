"""What `operate check` found, for people: what is wrong first, then what stays by hand."""

from __future__ import annotations

from secondsite.model.wording import counted
from secondsite.operate.check import Answer, PlaceFinding, Preparation, StepLeft
from secondsite.publish.terminal.console import folded

_INDENT = " " * 8
_ORDER = (Answer.NO, Answer.UNKNOWN, Answer.YES)


def preparation_text(preparation: Preparation) -> str:
    findings = sorted(preparation.findings, key=lambda one: _ORDER.index(one.answer))
    lines = [
        f"{preparation.strategy}, {preparation.environment}",
        "",
        *(line for one in findings for line in _lines(one)),
    ]
    if preparation.by_hand:
        lines += ["", f"by hand: {counted(len(preparation.by_hand), 'steps')}"]
        lines += [_by_hand(one) for one in preparation.by_hand]
    return "\n".join([*lines, "", _WORDS[preparation.answer]])


_WORDS = {
    Answer.YES: "every place answers and grants what a failover needs",
    Answer.NO: "a failover could not run now: fix what is marked no",
    Answer.UNKNOWN: "something did not answer, so it is unknown whether a failover could run",
}


def _lines(one: PlaceFinding) -> list[str]:
    lines = [folded(f"{one.answer:<8}{one.about}: {one.what}", _INDENT)]
    return [*lines, folded(f"{_INDENT}{one.remedy}", _INDENT)] if one.remedy and one.answer is not Answer.YES else lines


def _by_hand(one: StepLeft) -> str:
    procedure = one.procedure.partition(" ")[0]
    return folded(f"{_INDENT}{procedure}: {one.step}: {one.title} ({one.why})", f"{_INDENT}  ")
