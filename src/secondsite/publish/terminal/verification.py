"""A verification for a person at a terminal: a line for each contract, and below it why."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from secondsite.drill.verdict.verification import ContractVerdict, EvidenceVerification
from secondsite.model.contract import Verdict
from secondsite.model.measurement import Measurement
from secondsite.model.wording import duration
from secondsite.publish.content.verification import limits, measured

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]+")
STYLES = {Verdict.BREACHED: "red", Verdict.UNPROVEN: "yellow", Verdict.MET: "green"}


def render_text(verification: EvidenceVerification, console: Console) -> None:
    for block in _blocks(verification, console.width):
        console.print(block)


def _blocks(verification: EvidenceVerification, width: int) -> Iterator[RenderableType]:
    if not verification.rows and not verification.problems:
        yield Text("secondsite.yaml has no contracts, so none is judged: add them under `contracts`")
    for row in verification.rows:
        yield _row(row, width)
    for problem in verification.problems:
        yield Text(str(problem), style="red")
    for path in verification.unfinished:
        yield Text(f"{path}: the drill did not finish, so it is not evidence", style="dim")
    if len(verification.strategies) > 1:
        named = ", ".join(verification.strategies)
        yield Text(f"evidence of several strategies ({named}): choose yours with --strategy", style="dim")
    if verification.rows:
        counts = {verdict: sum(row.verdict is verdict for row in verification.rows) for verdict in Verdict}
        yield Text("\n" + ", ".join(f"{count} {verdict}" for verdict, count in counts.items()), style="bold")
    if verification.unsigned:
        warning = (
            "unsigned: whoever can write the evidence can also write its records (use drill --sign and verify --key)"
        )
        yield Text(warning, style="dim")
    for register in verification.registers:
        count = len(register.campaigns)
        campaigns = f"register of {count} campaign{'s' if count != 1 else ''}"
        yield Text(
            f"{campaigns}: store its head to detect missing entries: verify --head {register.head[:16]}", style="dim"
        )
    if designs := verification.met_of_designs:
        yield Text(f"{designs} met by a design, in the lab; this says nothing about what is deployed", style="dim")


def _row(row: ContractVerdict, width: int) -> Table:
    table = Table(box=None, show_header=False, width=width, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column(width=9)
    table.add_column(width=width - 11, overflow="fold")
    table.add_row(Text(row.verdict, style=STYLES[row.verdict]), Text(f"{row.contract.name}  {limits(row.contract)}"))
    if row.measurement:
        table.add_row("", Text(f"measured {measured(row)}"))
        table.add_row("", Text(_whence(row.measurement, row.age_s or 0.0), style="dim"))
    if row.why:
        table.add_row("", Text(_CONTROL.sub(" ", row.why), style="dim"))
    for one in row.apart:
        if one.verdict is Verdict.MET:
            table.add_row("", Text(f"{one.limit} alone: {one.verdict}, {_CONTROL.sub(' ', one.why)}", style="dim"))
    return table


def _whence(one: Measurement, age_s: float) -> str:
    runs = f"{one.runs} run{'s' if one.runs != 1 else ''}"
    origin = f"{one.drill} of {one.strategy}, {one.profile}, {runs}, {duration(abs(age_s))} old, seed {one.seed}"
    return f"{one.scope}: {origin}"
