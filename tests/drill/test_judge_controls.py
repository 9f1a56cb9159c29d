"""Known-bad controls for the judge: honest evidence, spoiled in every way that was thought of, is never met.

Each line of the tables is one way. Whoever spoils evidence is taken to write a new chain, too.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from attrs import asdict, evolve
from bulk_ledger import write_bulk
from drilled import API, FAULT_NS, MANIFEST, NATS, Scenario, campaign, leave
from numpy.typing import NDArray

from secondsite.catalogue.bundle import load_catalogue
from secondsite.discover.system_file.reading import load_system
from secondsite.drill.evidence.chain import write_chain
from secondsite.drill.evidence.folder import read_evidence
from secondsite.drill.ledger.envelope import packed
from secondsite.drill.ledger.finals import FinalRead, SavedCopy, processing
from secondsite.drill.ledger.ledger import SCHEMA, read_ledger_header
from secondsite.drill.ledger.record import ANY_KEY, RECORD, Purpose, RecordKind, Records
from secondsite.drill.load.tally import Summary
from secondsite.drill.verdict.effects import EFFECTS
from secondsite.drill.verdict.judge import judge
from secondsite.drill.verdict.measurements import find_runs, measurement
from secondsite.drill.verdict.verification import EvidenceVerification, todays, verify
from secondsite.model.contract import Subject, Verdict
from secondsite.model.fault import Fault
from secondsite.model.system import System
from secondsite.model.units import Seconds

Spoil = Callable[[Path], None]
BREACHED, UNPROVEN, MET = Verdict.BREACHED, Verdict.UNPROVEN, Verdict.MET
NOW = datetime(2026, 11, 23, tzinfo=UTC)
EXAMPLE = Path("examples/kgents/secondsite.yaml")


def _copy(change: Callable[[FinalRead], FinalRead]) -> Spoil:
    def spoil(folder: Path) -> None:
        path = folder / "finals" / "events.copy"
        change(SavedCopy(path).load()).save(path)

    return spoil


def _rows(change: Callable[[NDArray[np.void]], NDArray[np.void]]) -> Spoil:
    return _copy(lambda copy: evolve(copy, rows=_numbered(change(copy.rows.copy()))))


def _numbered(rows: NDArray[np.void]) -> NDArray[np.void]:
    rows["stream_sequence"] = np.arange(len(rows)) + 1
    return rows


def _set(name: str, value: int, place: slice = slice(40, 41)) -> Spoil:
    def change(copy: FinalRead) -> FinalRead:
        rows = copy.rows.copy()
        rows[name][place] = value
        return evolve(copy, rows=rows)

    return _copy(change)


def _swapped(rows: NDArray[np.void]) -> NDArray[np.void]:
    return rows[[*range(50), 51, 50, *range(52, len(rows))]]


def _behind(places: slice, *, marked: bool = True, swapped: bool = False) -> Spoil:
    """The messages at these places stand at the end, with the mark of a salvage or without it."""

    def change(copy: FinalRead) -> FinalRead:
        rows = _swapped(copy.rows.copy()) if swapped else copy.rows.copy()
        moved = np.arange(len(rows))[places]
        rows = _numbered(np.concatenate([np.delete(rows, moved), rows[moved]]))
        salvaged = rows["stream_sequence"][len(rows) - len(moved) :].tolist() if marked else ()
        return evolve(copy, rows=rows, salvaged=tuple(salvaged))

    return _copy(change)


def _cut_short(copy: FinalRead) -> FinalRead:
    return evolve(copy, complete=False, rows=copy.rows[:-9])


def _phantoms(rows: NDArray[np.void]) -> NDArray[np.void]:
    strange = np.repeat(rows[-1:], 300)
    strange["identity"] = (np.arange(300, dtype=np.uint64) + np.uint64(7)) << np.uint64(40)
    return np.concatenate([rows, strange])


def _consumer(share: float, *, drained: bool) -> Spoil:
    def spoil(folder: Path) -> None:
        run = _run(folder)
        rows = SavedCopy(folder / "finals" / "events.copy").load().rows
        kept = rows[: round(len(rows) * share)]
        seen = [(f"{run}.{int(row['identity']) >> 32}.{int(row['identity']) & 0xFFFFFFFF}", 1) for row in kept]
        processing(run, "metering", "EVENTS", drained, seen).save(folder / "finals" / "m.processing")

    return spoil


def _run(folder: Path) -> str:
    return f"r{read_evidence(folder).manifest.id[:8]}"


def _summary(**change: float) -> Spoil:
    def spoil(folder: Path) -> None:
        facts = {"withheld": 0, "late_ms": 1.0} | change
        whole = Summary(
            client=0,
            seconds=60.0,
            arrivals=600,
            acknowledged=500,
            outcomes={},
            most_in_flight=9,
            unfinished=0,
            latency_ms={},
            stopped="",
            **facts,  # type: ignore[arg-type] # by name
        )
        whole.save(folder / "ledger" / "client-0.summary.json")

    return spoil


def _observe(**data: object) -> Spoil:
    def spoil(folder: Path) -> None:
        line = {"monotonic_ns": FAULT_NS, "wall_ns": 0, "event": "observation", "what": "a fence holds", **data}
        with (folder / "timeline.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")

    return spoil


def _ledger(change: Callable[[Records], Records]) -> Spoil:
    """What the clients wrote down of the load of this run."""

    def spoil(folder: Path) -> None:
        path = folder / "ledger" / "0.ledger"
        header = read_ledger_header(path)
        begin = len(packed({"schema": SCHEMA, **asdict(header)}))
        write_bulk(path, header, change(np.frombuffer(path.read_bytes()[begin:], RECORD).copy()))

    return spoil


def _torn(folder: Path) -> None:
    """The stream is an object store, and one object's chunks are not what its description says."""
    for path in (folder / "ledger").glob("*.ledger"):
        header = read_ledger_header(path)
        begin = len(packed({"schema": SCHEMA, **asdict(header)}))
        stores = tuple(evolve(stream, objects=True) for stream in header.streams)
        write_bulk(path, evolve(header, streams=stores), np.frombuffer(path.read_bytes()[begin:], RECORD).copy())
    _set("payload", 7)(folder)


def _two_logs(records: Records) -> Records:
    """After the fault every other acknowledgement comes from a region that counts on its own."""
    acknowledged = np.flatnonzero((records["kind"] == RecordKind.OUTCOME) & (records["monotonic_ns"] > FAULT_NS))
    records["stream_sequence"][acknowledged[::2]] += 5_000
    return records


def _purged(records: Records) -> Records:
    """An operator removed what lies below sequence 50, and it is there."""
    purge = np.zeros(2, RECORD)
    purge["kind"] = RecordKind.PURGE, RecordKind.PURGED
    purge["monotonic_ns"] = FAULT_NS - 20_000_000, FAULT_NS - 10_000_000
    purge["key"], purge["stream_sequence"] = ANY_KEY, 50
    return np.concatenate([records, purge])


def _wrong(records: Records) -> Records:
    intents = np.flatnonzero(records["kind"] == RecordKind.INTENT)
    records["status"][intents[40:45]] = Purpose.WRONG
    return records


def _no_copy(folder: Path) -> None:
    (folder / "finals" / "events.copy").unlink()


def _no_fault(folder: Path) -> None:
    lines = (folder / "timeline.jsonl").read_text().splitlines(keepends=True)
    (folder / "timeline.jsonl").write_text("".join(line for line in lines if '"fault"' not in line))


SPOILED: tuple[tuple[str, Spoil, Verdict, Verdict], ...] = (
    ("every message dropped", _rows(lambda rows: rows[:0]), BREACHED, BREACHED),
    ("the newest half dropped", _rows(lambda rows: rows[: len(rows) // 2]), BREACHED, MET),
    ("all that the load wrote dropped", _rows(lambda rows: rows[:20]), BREACHED, UNPROVEN),
    ("the oldest dropped", _rows(lambda rows: rows[20:]), BREACHED, BREACHED),
    ("every message twice", _rows(lambda rows: np.concatenate([rows, rows])), BREACHED, BREACHED),
    ("one message twice", _rows(lambda rows: np.concatenate([rows, rows[50:51]])), BREACHED, BREACHED),
    ("the whole order reversed", _rows(lambda rows: rows[::-1].copy()), BREACHED, BREACHED),
    ("two messages changed places", _rows(_swapped), BREACHED, BREACHED),
    ("five messages moved to the end", _behind(slice(100, 105), marked=False), BREACHED, BREACHED),
    ("five salvaged, and two others changed places", _behind(slice(100, 105), swapped=True), BREACHED, BREACHED),
    ("called salvaged, and written by the new side", _behind(slice(-9, -4)), BREACHED, BREACHED),
    ("a payload changed", _set("payload", 7), BREACHED, BREACHED),
    ("a payload cut", _set("payload_bytes", 99), BREACHED, BREACHED),
    ("a subject moved", _set("subject", 7), BREACHED, BREACHED),
    ("a key moved", _set("key", 7), BREACHED, BREACHED),
    ("300 phantoms", _rows(_phantoms), BREACHED, BREACHED),
    ("all sequences equal", _set("stream_sequence", 5, slice(None)), UNPROVEN, UNPROVEN),
    ("a copy that was not compared", _copy(lambda copy: evolve(copy, compared=False)), UNPROVEN, UNPROVEN),
    ("a copy not read to its end", _copy(_cut_short), UNPROVEN, UNPROVEN),
    ("a copy removed", _no_copy, UNPROVEN, UNPROVEN),
    ("a consumer that skipped most", _consumer(0.1, drained=True), MET, BREACHED),
    ("a consumer that never caught up", _consumer(0.9, drained=False), MET, UNPROVEN),
    ("a tenth of the load withheld", _summary(withheld=60), UNPROVEN, UNPROVEN),
    ("a little more than may be withheld", _summary(withheld=31), UNPROVEN, UNPROVEN),
    ("a load that stood still", _summary(late_ms=4000.0), UNPROVEN, UNPROVEN),
    ("a load a little too late", _summary(late_ms=1100.0), UNPROVEN, UNPROVEN),
    ("an observation that does not hold", _observe(holds=False, unproven=False), BREACHED, BREACHED),
    ("an observation that nobody could make", _observe(holds=None, unproven=True), UNPROVEN, UNPROVEN),
    ("an object is torn", _torn, BREACHED, BREACHED),
    ("two regions acknowledged at once", _ledger(_two_logs), BREACHED, BREACHED),
    ("what an operator removed is back", _ledger(_purged), BREACHED, BREACHED),
    ("no fault", _no_fault, UNPROVEN, UNPROVEN),
)  # fmt: skip


@pytest.mark.parametrize(("what", "spoil", "api", "nats"), SPOILED, ids=[each[0] for each in SPOILED])
def test_spoiled_evidence_is_never_met(what: str, spoil: Spoil, api: Verdict, nats: Verdict, tmp_path: Path) -> None:
    strict = evolve(API, rpo_s=Seconds(15)), NATS
    folder = leave(tmp_path, Scenario())
    assert judge(read_evidence(folder), strict).worst is MET
    spoil(folder)
    found = {each.contract.subject: each for each in judge(read_evidence(folder), strict).verdicts}
    assert (found[Subject.API].verdict, found[Subject.NATS].verdict) == (api, nats), found[Subject.API].why
    assert all(each.why for each in found.values() if each.verdict is not MET)


def test_wrong_writes_that_are_still_there_breach_what_a_bad_write_may_cost(tmp_path: Path) -> None:
    promised = evolve(API, fault=Fault.BAD_WRITE)
    folder = leave(tmp_path, Scenario(manifest=evolve(MANIFEST, fault=Fault.BAD_WRITE)))
    assert judge(read_evidence(folder), [promised]).worst is MET
    _ledger(_wrong)(folder)
    (found,) = judge(read_evidence(folder), [promised]).verdicts
    assert (found.verdict, found.why) == (BREACHED, "5 bad writes are still there")


def test_each_effect_has_evidence_that_is_spoiled_by_it(tmp_path: Path) -> None:
    """No line of the table of effects stands there without a control."""
    seen = {"wrong-present"}  # above: it bears on another fault
    whys = []
    for number, (_, spoil, *_) in enumerate(SPOILED):
        folder = leave(tmp_path / str(number), Scenario())
        spoil(folder)
        judgement = judge(read_evidence(folder), [API, NATS])
        seen |= {name for name, count in judgement.ledger.items() if count}
        whys += [each.why for each in judgement.verdicts]
    told = {
        each.finding for each in EFFECTS if any(each.phrase in why or (each.one and each.one in why) for why in whys)
    }
    observed = {"not-shown", "not-seen", "two-writers"}  # these have words of their own
    missing = {each.finding for each in EFFECTS if each.verdict in (BREACHED, UNPROVEN)} - seen - told - observed
    assert not missing
    for words in ("does not hold: a fence holds", "unproven: a fence holds", "two copies of EVENTS accepted writes"):
        assert any(words in why for why in whys), words


@pytest.mark.parametrize(
    "harmless",
    [
        _consumer(1.0, drained=True),
        _summary(),
        _summary(withheld=30, late_ms=900.0),
        _observe(holds=True, unproven=False),
    ],
)
def test_what_is_as_it_should_be_changes_nothing(harmless: Spoil, tmp_path: Path) -> None:
    folder = leave(tmp_path, Scenario())
    harmless(folder)
    assert judge(read_evidence(folder), [API, NATS]).worst is MET


def test_what_was_salvaged_stands_later_and_is_told(tmp_path: Path) -> None:
    """It was acknowledged by the region that was lost, and is there again: neither lost nor out of order silently."""
    folder = leave(tmp_path, Scenario())
    _behind(slice(100, 105))(folder)
    write_chain(folder)
    judgement = judge(read_evidence(folder), [API, NATS])
    count = "5 salvaged messages come after later acknowledged ones"
    assert [(each.verdict, each.why) for each in judgement.verdicts] == [(MET, count)] * 2
    assert (judgement.ledger["out-of-place"], judgement.ledger["acknowledged-lost"]) == (5, 0)
    (found,) = find_runs(tmp_path, [API]).runs
    assert count in measurement(API, [(found, found.ran[0])]).why


# --- series


@pytest.fixture(scope="module")
def system() -> System:
    return evolve(load_system(EXAMPLE), contracts=(evolve(API, confidence=0.8),))


@pytest.fixture(scope="module")
def series(system: System, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight good runs of one campaign: what a confidence of 0.8 needs."""
    root = tmp_path_factory.mktemp("series")
    manifest = evolve(MANIFEST, contracts=(), fingerprint=todays(system, load_catalogue())(MANIFEST))
    record = campaign(root, manifest, 8)
    for number in range(1, 9):
        leave(root, Scenario(until_s=20.0, manifest=evolve(manifest, run=number)), record=record)
    return root


def _runs(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir())


def _keep_one(root: Path) -> Path:
    """Alone, with the record that says so."""
    first, *others = _runs(root)
    for path in others:
        shutil.rmtree(path)
    for path in root.glob("*.campaign"):
        path.unlink()
    return first


def _copied(root: Path) -> None:
    first = _keep_one(root)
    for number in range(7):
        shutil.copytree(first, root / f"{first.name}.{number}")


def _linked(root: Path) -> None:
    first = _keep_one(root)
    for number in range(7):
        (root / f"{first.name}.{number}").symlink_to(first)


def _renamed(root: Path) -> None:
    """Each copy under an id of its own."""
    _copied(root)
    for number, folder in enumerate(_runs(root)):
        _manifest(folder, id=f"{number:032x}", run=number)


def _manifest(folder: Path, **change: object) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    write_chain(folder)


def _one_removed(root: Path) -> None:
    shutil.rmtree(_runs(root)[3])


def _one_dies(root: Path) -> None:
    (_runs(root)[3] / "chain.json").unlink()


def _no_record(root: Path) -> None:
    for path in root.glob("*.campaign"):
        path.unlink()


def _record_edited(root: Path) -> None:
    (path,) = root.glob("*.campaign")
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]))
    shutil.rmtree(_runs(root)[-1])
    path.write_text(path.read_text().replace('"planned": 8', '"planned": 7'))


def _dangling(root: Path) -> None:
    (root / "gone").symlink_to(root / "nowhere")


def _future(root: Path) -> None:
    for folder in _runs(root):
        _manifest(folder, started_at="2099-01-01T00:00:00+00:00")


def _all_future(root: Path) -> None:
    """Dated ahead in its timeline, too."""
    for folder in _runs(root):
        path = folder / "timeline.jsonl"
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        path.write_text("".join(json.dumps(line | {"wall_ns": 4_070_908_800 * 10**9}) + "\n" for line in lines))
    _future(root)


def _rewritten(root: Path) -> None:
    """A run that was spoiled and healed is not the one that its campaign knows."""
    _manifest(_runs(root)[2], host={"cores": "64"})


def test_a_consumer_that_skipped_most_in_one_run_breaches_the_whole_campaign(system: System, tmp_path: Path) -> None:
    """476 of 483, in one of eight runs that lost nothing."""
    promised = evolve(system, contracts=(evolve(NATS, confidence=0.8),))
    fingerprint = todays(promised, load_catalogue())(MANIFEST)
    record = campaign(tmp_path, MANIFEST, 8)
    for number in range(1, 9):
        ran = evolve(MANIFEST, contracts=(), fingerprint=fingerprint, run=number)
        consumed = _consumer(7 / 483 if number == 5 else 1.0, drained=True)
        leave(tmp_path, Scenario(until_s=20.0, manifest=ran), record=record, change=consumed)
    record.close()
    (row,) = _verified(promised, tmp_path).rows
    assert row.verdict is BREACHED
    assert re.fullmatch(r"in 1 of 8 runs: [0-9,]+ messages were skipped by a consumer", row.why), row.why


SERIES: tuple[tuple[str, Spoil, bool], ...] = (
    ("one run copied eight times", _copied, False),
    ("one run linked eight times", _linked, False),
    ("one run copied eight times, with ids of their own", _renamed, True),
    ("a run removed", _one_removed, False),
    ("a run that died", _one_dies, False),
    ("not a campaign record", _no_record, False),
    ("a record without its bad run", _record_edited, True),
    ("a link that leads nowhere", _dangling, True),
    ("a date in 2099", _future, True),
    ("a date in 2099, and a timeline of that day", _all_future, False),
    ("a run rewritten", _rewritten, False),
)


def _verified(system: System, root: Path) -> EvidenceVerification:
    return verify(system, load_catalogue(), (root,), NOW)


def test_an_honest_series_is_met(system: System, series: Path) -> None:
    found = _verified(system, series)
    assert [(row.verdict, row.why) for row in found.rows] == [(MET, "held in 8 of 8 runs")]
    assert found.exit_code == 0


@pytest.mark.parametrize(("what", "spoil", "problem"), SERIES, ids=[each[0] for each in SERIES])
def test_a_spoiled_series_is_never_met(
    what: str, spoil: Spoil, problem: bool, system: System, series: Path, tmp_path: Path
) -> None:
    root = shutil.copytree(series, tmp_path / "runs")
    spoil(root)
    found = _verified(system, root)
    assert bool(found.problems) is problem, found.problems
    assert found.exit_code != 0
    if not problem:
        assert [row.verdict for row in found.rows] == [UNPROVEN]
