"""Evidence of drills that never ran: a load with a region loss, made through the very writers that a drill uses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
from attrs import evolve, field, frozen
from bulk_ledger import write_bulk

from secondsite.drill.evidence.campaign import CampaignRecord
from secondsite.drill.evidence.events import EventName
from secondsite.drill.evidence.fingerprint import Fingerprint
from secondsite.drill.evidence.folder import EvidenceWriter
from secondsite.drill.evidence.manifest import DrillManifest, StepFacts, Timing
from secondsite.drill.evidence.register import CampaignSeries
from secondsite.drill.ledger.finals import COPY_ROW, FinalRead
from secondsite.drill.ledger.ledger import LedgerHeader, LedgerStream
from secondsite.drill.ledger.record import RECORD, RecordKind, Records, Status, endpoint, identity
from secondsite.model.contract import Contract, Subject
from secondsite.model.fault import Fault
from secondsite.model.procedure import Verb
from secondsite.model.units import Seconds

SECOND_NS = 1_000_000_000
FAULT_NS = 10_000 * SECOND_NS
WALL_NS = 1_800_000_000 * SECOND_NS
AGED = 20
OLD, NEW = "127.1.0.81", "127.2.0.81"
QUICK = Timing(check_interval_s=1, check_threshold=3, decide_s=1, ttl_s=2)
PRODUCTION = Timing(check_interval_s=10, check_threshold=3, decide_s=30, ttl_s=60)
API = Contract(Subject.API, Fault.REGION, Seconds(300), Seconds(60))
NATS = Contract(Subject.NATS, Fault.REGION, Seconds(900), Seconds(300))
STATE = Contract(Subject.STATE, Fault.REGION, Seconds(1800), Seconds(3600))
STEPS = (
    StepFacts("detect", Verb.DETECT, "health-check detection"),
    StepFacts("decide", Verb.DECIDE, "decide.automatic"),
    StepFacts("fence", Verb.FENCE, "fence"),
    StepFacts("promote-streams", Verb.PROMOTE_STREAMS, "promote.leafnode"),
    StepFacts("change-traffic", Verb.CHANGE_TRAFFIC, "change.dns"),
    StepFacts("converge", Verb.CONVERGE, "DNS convergence"),
)


@frozen
class Scenario:
    """Seconds are from the fault on. ``lost`` are numbers of writes that no copy holds, ``back_s`` None for never.

    Writes come ten a second from 20 s before the fault to ``until_s`` after it; those between the fault and
    ``back_s`` are not acknowledged. ``aged_s``: so long before the fault some were written by another client, None for
    none; ``aged_lost``: they are gone, too. ``second``: a stream that every other write goes to, none where empty.
    """

    lost: frozenset[int] = frozenset()
    back_s: float | None = 12.0
    until_s: float = 40.0
    ends_s: tuple[float, ...] = (3.0, 4.0, 5.0, 6.0, 7.0, 11.0)
    failed: tuple[str, str] | None = None
    complete: bool = True
    buffered: frozenset[int] = frozenset()
    payload_bytes: int = 100
    phantom: bool = False
    aged_s: float | None = 310.0
    aged_lost: bool = False
    second: str = ""
    manifest: DrillManifest = field()

    @manifest.default
    def _manifest(self) -> DrillManifest:
        return MANIFEST


MANIFEST = DrillManifest(
    drill="region-loss",
    strategy="warm-standby/leafnode-mirror",
    fault=Fault.REGION,
    profile="production",
    seed=7,
    run=1,
    started_at="2026-11-20T10:00:00+00:00",
    fingerprint=Fingerprint("s", "warm-standby/leafnode-mirror", "2.12.3", "p"),
    timing=PRODUCTION,
    production=PRODUCTION,
    subjects=(Subject.API, Subject.NATS),
    contracts=(API, NATS, STATE),
    new_side=("127.2.0.0/24",),
    steps=STEPS,
    milestones={Subject.API: "converge", Subject.NATS: "promote-streams"},
    versions={"nats-server": "2.12.3", "secondsite": "0.1.0"},
    host={"cores": "2"},
)


def quick(manifest: DrillManifest = MANIFEST) -> DrillManifest:
    return evolve(manifest, profile="quick", timing=QUICK)


def times(scenario: Scenario) -> Sequence[float]:
    """When each write was intended; the one at number 200 comes at the fault."""
    return [number / 10 - 20 + 0.05 for number in range(round((20 + scenario.until_s) * 10))]


def leave(
    root: Path,
    scenario: Scenario = Scenario(),
    secrets: Sequence[str] = (),
    *,
    record: CampaignRecord | None = None,
    change: Callable[[Path], None] = lambda _: None,
) -> Path:
    """A closed folder of evidence below ``root``, of ``record`` or of a campaign of its own.

    ``change``: what went otherwise in this run, before its folder is closed.
    """
    manifest = scenario.manifest
    alone = record is None
    record = record or campaign(root, manifest)
    run = record.begun(manifest.run)
    named = evolve(manifest, id=manifest.id or run, campaign=record.id)
    with EvidenceWriter.create(root, named, secrets) as writer:
        fill(writer, evolve(scenario, manifest=named))
        change(writer.folder)
        record.ended(run, writer.close())
    if alone:
        record.close()
    return writer.folder


def campaign(root: Path, manifest: DrillManifest, planned: int = 1) -> CampaignRecord:
    subjects = tuple(str(subject) for subject in manifest.subjects)
    series = CampaignSeries(manifest.design, manifest.drill, manifest.profile, str(manifest.fault), subjects)
    return CampaignRecord.open(root, series, planned)


def fill(writer: EvidenceWriter, scenario: Scenario) -> None:
    """All raw data, and no chain."""
    name, streams = (
        f"r{writer.manifest.id[:8]}",
        tuple(
            LedgerStream(stream, stream.lower(), store=stream.startswith("state/"))
            for stream in ("EVENTS", scenario.second)
            if stream
        ),
    )
    write_bulk(writer.ledgers / "0.ledger", LedgerHeader(name, 0, streams), _records(scenario))
    kept = [
        number for number in range(len(times(scenario))) if number not in scenario.lost and _acked(scenario, number)
    ]
    aged = [] if scenario.aged_s is None else list(range(AGED))
    if aged:
        write_bulk(writer.ledgers / "1.ledger", LedgerHeader(name, 1, streams), _aged(scenario))
    found = [(number, identity(1, number)) for number in aged if not scenario.aged_lost]
    found += [(number, identity(0, number)) for number in kept]
    for position, stream in enumerate(streams):
        mine = [one for number, one in found if number % len(streams) == position]
        _copy(scenario, stream.name, mine, phantom=scenario.phantom and not position).save(
            writer.finals / f"{stream.name.lower().replace('/', '-')}.copy"
        )
    wall_ns = round(datetime.fromisoformat(scenario.manifest.started_at).timestamp()) * SECOND_NS
    writer.event("fault", FAULT_NS, wall_ns)
    begin_s = 0.0
    for step, end_s in zip(STEPS, scenario.ends_s, strict=False):
        _step(writer, step.id, begin_s, end_s, wall_ns)
        begin_s = end_s
    if scenario.failed:
        step_id, why = scenario.failed
        writer.event(EventName.STEP_BEGIN, _ns(begin_s), wall_ns, step=step_id)
        writer.event(EventName.STEP_END, _ns(begin_s + 1), wall_ns, step=step_id, state="failed", why=why)
    writer.add_config("nats-1.conf", "server_name: nats-1\n")


def _copy(scenario: Scenario, stream: str, kept: Sequence[int], *, phantom: bool) -> FinalRead:
    rows = np.zeros(len(kept) + phantom, COPY_ROW)
    rows["identity"][: len(kept)] = kept
    rows["identity"][len(kept) :] = identity(9, 9)
    rows["stream_sequence"] = np.arange(1, len(rows) + 1)
    rows["payload_bytes"] = scenario.payload_bytes
    why = "" if scenario.complete else "the read broke off"
    return FinalRead(stream, "us-west-2", scenario.complete, rows, (), why)


def _step(writer: EvidenceWriter, step_id: str, begin_s: float, end_s: float, wall_ns: int) -> None:
    writer.event(EventName.STEP_BEGIN, _ns(begin_s), wall_ns, step=step_id)
    writer.event(EventName.STEP_END, _ns(end_s), wall_ns, step=step_id, state="done")


def _ns(after_s: float) -> int:
    return FAULT_NS + round(after_s * SECOND_NS)


def _acked(scenario: Scenario, number: int) -> bool:
    at_s = times(scenario)[number]
    return at_s < 0 or (scenario.back_s is not None and at_s >= scenario.back_s)


def _aged(scenario: Scenario) -> Records:
    """All acknowledged, ten a second."""
    assert scenario.aged_s is not None
    rows = []
    for number in range(AGED):
        at_s = number / 10 - scenario.aged_s
        rows.append((RecordKind.INTENT, number, _ns(at_s), 0, 0))
        rows.append((RecordKind.OUTCOME, number, _ns(at_s + 0.01), Status.STORED, endpoint(OLD)))
    return _made(scenario, rows, 0)


def _records(scenario: Scenario) -> Records:
    rows = []
    for number, at_s in enumerate(times(scenario)):
        rows.append((RecordKind.INTENT, number, _ns(at_s), 0, 0))
        status = Status.BUFFERED if number in scenario.buffered else Status.STORED
        if _acked(scenario, number):
            rows.append((RecordKind.OUTCOME, number, _ns(at_s + 0.01), status, endpoint(OLD if at_s < 0 else NEW)))
        else:
            rows.append((RecordKind.OUTCOME, number, _ns(at_s + 0.01), Status.UNKNOWN, 0))
    return _made(scenario, rows, 0 if scenario.aged_s is None else AGED)


def _made(scenario: Scenario, rows: Sequence[tuple[int, ...]], before: int) -> Records:
    records = np.zeros(len(rows), RECORD)
    for name, column in zip(
        ("kind", "sequence", "monotonic_ns", "status", "endpoint"), zip(*rows, strict=True), strict=True
    ):
        records[name] = column
    records["wall_ns"] = records["monotonic_ns"] - FAULT_NS + WALL_NS
    records["payload_bytes"] = np.where(records["kind"] == RecordKind.INTENT, scenario.payload_bytes, 0)
    if scenario.second:
        records["stream"] = records["sequence"] % 2
    stored = (records["kind"] == RecordKind.OUTCOME) & (records["status"] == Status.STORED)
    records["stream_sequence"] = np.where(stored, records["sequence"] + 1 + before, 0)
    return records
