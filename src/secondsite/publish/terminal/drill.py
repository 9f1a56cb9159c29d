"""What drills found, for people: each outcome in one sentence, then the figures side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial

from rich.console import Console
from rich.table import Table
from rich.text import Text

from secondsite.drill.controls import Checked
from secondsite.drill.run import RunResult
from secondsite.drill.verdict.judgement import RunVerdict
from secondsite.model.contract import Verdict
from secondsite.model.measurement import RTO_PARTS, Measurement
from secondsite.model.strategy import Link
from secondsite.model.wording import counted, short_duration
from secondsite.publish.content.measured_words import rto_words

SIDE_BY_SIDE = 3
STYLES: Mapping[str, str] = {Verdict.MET: "green", Verdict.BREACHED: "bold red", Verdict.UNPROVEN: "yellow"}
_PART_NAMES = dict(zip(RTO_PARTS, ("detect", "decide", "execute", "converge", "first write", "sustained"), strict=True))

Row = tuple[str, Callable[[RunResult], str | Text]]


_MOST_REFUSALS = 3


def render_drills(results: Sequence[RunResult], console: Console, measurements: Sequence[Measurement] = ()) -> None:
    """In the order in which they ran: few in a sentence each and side by side, many in one table, a line each."""
    many = len(results) > SIDE_BY_SIDE
    if not many:
        console.print(_headlines(results))
        console.print()
    console.print(_one_a_line(results) if many else _side_by_side(results))
    for result in results:
        lead = "" if len(results) == 1 else f"{result.drill.id}: " if many else f"{result.short_name}: "
        for text in (*_shown(result), *(() if many else _caveats(result))):
            console.print(Text(lead).append(text), soft_wrap=False)
    if many:
        for caveat in dict.fromkeys(text.plain for result in results for text in _caveats(result)):
            console.print(Text(caveat), soft_wrap=False)
    for measurement in measurements:
        console.print(_series(measurement))
    for place in dict.fromkeys(r.evidence.parent if many else r.evidence for r in results):
        console.print(Text(f"evidence: {place}", style="dim"), soft_wrap=True)  # a path is copied whole


def _headlines(results: Sequence[RunResult]) -> Table:
    """Verdict, drill, strategy, server; how long it took and what is gone."""
    table = Table.grid(padding=(0, 1))
    for result in results:
        headline = Text(f"{result.name}\n", style="bold").append(outcome(result), style="not bold")
        table.add_row(Text(held(result.verdict).upper(), style=STYLES[result.verdict]), headline)
    return table


def held(verdict: Verdict) -> str:
    """One run proves no contract: what is met in it was held this time."""
    return "held" if verdict is Verdict.MET else str(verdict)


def outcome(result: RunResult) -> str:
    """In one sentence."""
    if result.back_s is None:
        back = f"{'streams' if result.of_streams else 'service'} did not come back"
    else:
        back = f"{'streams store again' if result.of_streams else 'back'} after {short_duration(result.back_s)}"
    return f"{back}; {_lost(result)}"


def _lost(result: RunResult) -> str:
    loss = result.loss
    acknowledged = sum(result.judgement.ledger[name] for name in ("acknowledged-present", "acknowledged-lost"))
    if not loss.proven:
        return f"the loss is unknown: at least {loss.messages:,} of {counted(acknowledged, 'acknowledged writes')}"
    if not loss.messages:
        return f"none of {acknowledged:,} acknowledged writes lost"
    lost = f"{loss.messages:,} of {acknowledged:,} acknowledged writes lost"
    at_least = any(v.loss and v.loss.at_least for v in result.judged)
    lost += f" ({_size(loss.bytes)}, {'at least ' if at_least else ''}{short_duration(loss.seconds)})"
    if result.judgement.salvageable == loss.messages:
        lost += ", all still on the old region's disks"
    elif result.judgement.salvageable is not None:
        lost += f", {result.judgement.salvageable:,} of them still on the old region's disks"
    if result.judgement.after_rejoin is not None:
        lost += f", {result.judgement.after_rejoin:,} once it rejoined"
    return lost


def _side_by_side(results: Sequence[RunResult]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("")
    for result in results:
        table.add_column(result.short_name, justify="right", overflow="fold")
    for label, cells in _rows(results):
        table.add_row(label, *(cells(result) for result in results))
    return table


def _rows(results: Sequence[RunResult]) -> Iterator[Row]:
    yield "nats-server", lambda r: r.version
    for part, name in _PART_NAMES.items():
        yield f"  {name}", partial(_part, part=part)
    yield "RTO, measured", _total
    yield "checks and whole TTL", lambda r: short_duration(r.setup.profile.floor_s) if r.drill.moves else "-"
    for contract in dict.fromkeys(v.contract for r in results for v in r.judged):
        limit = ", ".join(
            f"{name} {short_duration(value)}"
            for name, value in (("RTO", contract.rto_s), ("RPO", contract.rpo_s))
            if value is not None
        )
        yield f"{contract.name} within {limit}", partial(_contract, name=contract.name)
    yield "lost: messages", lambda r: f"{r.loss.messages:,}"
    yield "lost: bytes", lambda r: _size(r.loss.bytes)
    yield "lost: age of the oldest", lambda r: short_duration(r.loss.seconds)
    for name in dict.fromkeys(name for r in results for name in r.loss_of_stores):
        yield f"lost: commits of {name}", partial(_commits, name=name)
    for name in dict.fromkeys(name for r in results for name in r.judgement.caches):
        yield f"lost: keys of the cache {name}", partial(_cached, name=name)
    yield (
        "on the old region's disks",
        lambda r: _known(r.judgement.salvageable),
    )
    if any(r.loss_of_stores for r in results):
        yield "lost commits on the old primary's disks", lambda r: _known(r.judgement.commits_salvageable)
    if any(r.judgement.after_rejoin is not None for r in results):
        yield (
            "the same, once it rejoined",
            lambda r: _known(r.judgement.after_rejoin),
        )
    for label, key in (("duplicates", "duplicate"), ("out of order", "reordered"), ("resurrected", "resurrected")):
        yield label, partial(_count, key=key)
    yield "processed twice, skipped", _consumers
    for label, keys in (("jobs done twice, never", ("jobs-twice", "jobs-never")), ("objects torn", ("torn",))):
        if any(r.judgement.ledger.get(key) for r in results for key in (*keys, "processed")[: len(keys) + 1]):
            yield label, partial(_counts, keys=keys)


def _commits(result: RunResult, name: str) -> str:
    lost = result.loss_of_stores.get(name)
    return "-" if lost is None else f"{lost.messages:,} ({_size(lost.bytes)}, {short_duration(lost.seconds)})"


def _cached(result: RunResult, name: str) -> str:
    """Its keys, and when nearly all of them were there again."""
    lost = result.judgement.caches.get(name)
    if lost is None:
        return "-"
    again = f"{lost['again']:,} again"
    again += "" if lost["seconds"] is None else f" in {short_duration(lost['seconds'])}"
    return f"{lost['keys']:,} ({again})"


def _known(count: int | None) -> str:
    return "-" if count is None else f"{count:,}"


def _count(result: RunResult, key: str) -> str:
    return f"{result.judgement.ledger[key]:,}"


def _counts(result: RunResult, keys: tuple[str, ...]) -> str:
    return ", ".join(f"{result.judgement.ledger.get(key, 0):,}" for key in keys)


def _part(result: RunResult, part: str) -> str:
    value = result.recovery.parts()[part]
    return "never" if value is None else short_duration(value)


def _total(result: RunResult) -> Text:
    total = result.recovery.total
    return Text("unbounded", style="bold red") if total is None else Text(short_duration(total), style="bold")


def _contract(result: RunResult, name: str) -> Text:
    verdict = next((v for v in result.judged if v.contract.name == name), None)
    if verdict is None:
        return Text("-")
    return Text(f"{_contract_figure(verdict)}{held(verdict.verdict)}", style=STYLES[verdict.verdict])


def _contract_figure(verdict: RunVerdict) -> str:
    return f"{short_duration(verdict.rto_s['total'])}: " if verdict.rto_s else ""


def _consumers(result: RunResult) -> str:
    counts = result.judgement.ledger
    skipped = "unknown" if counts.get("undrained") else f"{counts.get('skipped', 0):,}"
    return f"{counts.get('processed-twice', 0):,}, {skipped}"


def _one_a_line(results: Sequence[RunResult]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("drill", no_wrap=True)
    table.add_column("strategy, nats-server", overflow="fold")
    for name in ("RTO", "lost", "oldest"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for result in results:
        table.add_row(
            result.drill.id,
            f"{result.setup.strategy.id}, {result.version}",
            _total(result),
            f"{result.loss.messages:,}",
            short_duration(result.loss.seconds),
            Text(held(result.verdict), style=STYLES[result.verdict]),
        )
    return table


def _shown(result: RunResult) -> Iterator[Text]:
    """What this run showed, and why its contracts are not met."""
    if result.judgement.stopped:
        yield Text(f"stopped: {result.judgement.stopped}", style="red")
    for observation in result.observations:
        sign = {True: "shown", False: "DOES NOT HOLD", None: "unproven" if observation.unproven else "seen"}[
            observation.holds
        ]
        yield Text(f"{sign}: {observation.what}", style="bold red" if observation.holds is False else "")
    if refusals := list(result.judgement.refusals.items())[:_MOST_REFUSALS]:
        words = "; ".join(f"{count:,} × {why}" for why, count in refusals)
        yield Text(f"writes refused: {words}")
    reasons = dict.fromkeys((v.verdict, v.why) for v in result.judged if v.why not in ("", result.judgement.stopped))
    for verdict, why in reasons:
        names = ", ".join(v.contract.name for v in result.judged if (v.verdict, v.why) == (verdict, why))
        yield Text(f"{names} {verdict}: {why}", style=STYLES[verdict])
    for v in result.in_part:
        back = "never back" if v.measured_s is None else f"back after {short_duration(v.measured_s)}"
        yield Text(f"{v.contract.name} {v.verdict}, {back}: {v.why}")


def _caveats(result: RunResult) -> Iterator[Text]:
    """What its figures do not hold."""
    if result.drill.moves and not result.setup.system.contracts:
        yield Text(
            "secondsite.yaml has no contracts, so no RTO or RPO is judged; what was lost and how long it took is above"
        )
    if result.people:
        yield Text(f"decisions take time in production, but took none here: {', '.join(result.people)}")
    if result.judgement.skipped:
        yield Text(f"not rehearsed, as the lab does not include it: {', '.join(result.judgement.skipped)}")
    if result.setup.strategy.link is Link.BACKUP and result.projected:
        every = short_duration(result.setup.profile.backup_s)
        yield Text(f"backups were taken every {every} here: what is lost is projected to their own interval")
    if result.judgement.verdicts and any(v.rto_s for v in result.judged) and result.projected:
        yield Text("contracts are judged at the strategy's own intervals, to which quick runs are projected")


def catalogue_table(entries: Iterable[tuple[str, str]]) -> Table:
    """What there is: (id, what it is)."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, title in entries:
        table.add_row(name, title)
    return table


def render_controls(checked: Sequence[Checked], console: Console) -> None:
    """Red is what a control has to be."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("control", "", "why"):
        table.add_column(name, overflow="fold")
    for each in checked:
        colour = Text("red", style="green") if each.red else Text("GREEN", style="bold red")
        table.add_row(each.control.id, colour, each.red or "it did not fail, so this drill cannot be trusted")
    console.print(table)


def _series(measurement: Measurement) -> Text:
    bound = "" if measurement.upper_rto_s is None else f", {rto_words(measurement, short_duration)} at its confidence"
    contract = f"{measurement.about}/{measurement.fault}"
    line = f"{contract}: {measurement.verdict} {measurement.scope} ({measurement.why}{bound})"
    return Text(line, style=STYLES[measurement.verdict])


def _size(count: int) -> str:
    for size, unit in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} B"
