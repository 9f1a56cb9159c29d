"""From a drill's raw files to a verdict for each contract of its fault: ledgers, final reads and timeline alone.

Whoever judges the same files finds the same. A contract is met only by what was run, read in full and within its
limits; a check that crashes, a copy that was not read to its end or a drill that stopped looking too soon proves
nothing. What was promised to the API's clients includes what a buffer took; to NATS only what a stream stored.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np
from attrs import evolve, frozen

from secondsite.drill.check.checker import Crashed, check, checked
from secondsite.drill.check.findings import Fate, Findings
from secondsite.drill.check.rpo import LossWindow, Rpo, loss_window, rpo, rpo_by_stream
from secondsite.drill.check.rto import Rto, reached, rto
from secondsite.drill.check.served import first_stored_ns
from secondsite.drill.check.writers import writer_changes
from secondsite.drill.evidence.events import EventName, Milestone, StepRun, milestones, step_runs, stopped
from secondsite.drill.evidence.folder import REJOINED, SALVAGE, VERDICTS, Evidence, EvidenceWriter, read_evidence
from secondsite.drill.evidence.manifest import FAILBACK, DrillManifest
from secondsite.drill.evidence.observation import lost_caches, not_rehearsed, observations
from secondsite.drill.ledger.finals import Finals, SavedCopy, read_finals
from secondsite.drill.ledger.history import History, read_history
from secondsite.drill.ledger.ledger import service_streams, store_stream, streams_about
from secondsite.drill.ledger.record import Status
from secondsite.drill.load.tally import read_summary
from secondsite.drill.verdict.effects import EFFECTS, MOST_LATE_S, MOST_WITHHELD, Effect
from secondsite.drill.verdict.judgement import RunJudgement, RunVerdict, verdicts_json, worst
from secondsite.drill.verdict.monitoring import judged_by_monitoring
from secondsite.drill.verdict.projection import projected, projected_loss_s, run_loss_s
from secondsite.drill.verdict.steps import rehearsed_s
from secondsite.model.contract import Contract, Subject, Verdict
from secondsite.model.fault import Fault
from secondsite.model.measurement import RTO_PARTS, DataLoss
from secondsite.model.strategy import Link, Strategy
from secondsite.model.wording import counted

UNREAD = "unread"


@frozen(eq=False)
class _Facts:
    """What was worked out once for all contracts."""

    evidence: Evidence
    history: History
    findings: Findings
    rto: Rto
    marks: Mapping[Milestone, int]
    steps: Mapping[str, StepRun]
    stopped: str
    writer_changes: Mapping[str, int]

    @property
    def fault_ns(self) -> int:
        return self.marks[Milestone.FAULT]

    @property
    def faults_ns(self) -> tuple[int, ...]:
        """The first, and each that came after it."""
        return self.fault_ns, *(one.monotonic_ns for one in self.evidence.events if one.name == EventName.LOST_AGAIN)

    @property
    def watched_s(self) -> float:
        """For how long after the fault clients went on trying."""
        return max(0.0, (int(self.history.intent_ns.max(initial=self.fault_ns)) - self.fault_ns) / 1e9)


@frozen
class _Clock:
    """``parts`` are None where it never ended; ``why`` then says what did not happen.

    ``stopped``: something refused, so that waiting longer would not have helped.
    """

    parts: Mapping[str, float] | None
    why: str = ""
    stopped: bool = False


@frozen
class _Finding:
    verdict: Verdict
    why: str = ""


def judge(evidence: Evidence, contracts: Sequence[Contract] | None = None) -> RunJudgement:
    """Judged against ``contracts``, those of the manifest where none are given; reads the files of the folder."""
    manifest = evidence.manifest
    chosen = [
        contract
        for contract in (manifest.contracts if contracts is None else contracts)
        if contract.fault is manifest.fault and (contract.rto_s is not None or contract.rpo_s is not None)
    ]
    observed = observations(evidence.events)
    facts = checked(lambda: _facts(evidence))
    if isinstance(facts, Crashed):
        verdicts = tuple(RunVerdict(contract, Verdict.UNPROVEN, facts.why) for contract in chosen)
        return RunJudgement(verdicts, crashed=facts.why, subjects=manifest.subjects, observations=observed)
    runs = tuple(facts.steps.values())
    service = _only(facts, service_streams(facts.history.streams))
    verdicts = tuple(_judged(contract, facts) for contract in chosen)
    return RunJudgement(
        verdicts=verdicts,
        rto=facts.rto,
        ledger=facts.findings.counts(),
        steps_s=rehearsed_s(manifest, facts.rto, runs),
        writer_changes=facts.writer_changes,
        subjects=manifest.subjects,
        parts=tuple(each.contract for each in verdicts if _decides(each, manifest)),
        observations=observed,
        loss=rpo(service.history, service.findings, *facts.faults_ns),
        loss_by_stream=rpo_by_stream(facts.history, facts.findings, *facts.faults_ns),
        stopped=facts.stopped,
        salvageable=_on_old_disks(facts, SALVAGE),
        commits_salvageable=_on_old_disks(facts, SALVAGE, of_stores=True) if manifest.stores else None,
        after_rejoin=_on_old_disks(facts, REJOINED),
        skipped=not_rehearsed(evidence.events),
        refusals=_refusals(evidence),
        caches=lost_caches(evidence.events),
    )


def _decides(verdict: RunVerdict, manifest: DrillManifest) -> bool:
    """Of a subject that ran in part: what is about that part, and what that part alone has broken."""
    broken = verdict.verdict is Verdict.BREACHED and not manifest.not_run(verdict.contract)
    return manifest.in_part(verdict.contract) or broken


def _refusals(evidence: Evidence) -> Mapping[str, int]:
    by_name: Counter[str] = Counter()
    for path in evidence.summaries:
        by_name.update(read_summary(path).refusals)
    return dict(by_name.most_common())


def _on_old_disks(facts: _Facts, name: str, *, of_stores: bool = False) -> int | None:
    """How many of the lost messages, or commits, they hold; None where nobody looked, or not at all of them."""
    folder = facts.evidence.folder / name
    if not folder.is_dir():
        return None
    copies = [saved.load() for saved in read_finals(folder).copies if isinstance(saved, SavedCopy)]
    if not all(copy.complete for copy in copies):
        return None
    asked = [number for number, each in enumerate(facts.history.streams) if each.store is of_stores]
    lost = (facts.findings.marks.fate == Fate.ACKNOWLEDGED_LOST) & np.isin(facts.history.stream, asked)
    there = check(facts.history, Finals(copies)).marks.fate == Fate.ACKNOWLEDGED_PRESENT
    return int((lost & there).sum())


def seal(writer: EvidenceWriter) -> RunJudgement:
    """The last act of a drill: judge what it left, keep the verdicts, close the chain."""
    judgement = judge(read_evidence(writer.folder))
    writer.write_json(VERDICTS, verdicts_json(judgement))
    writer.close()
    return judgement


def _facts(evidence: Evidence) -> _Facts:
    manifest, events = evidence.manifest, evidence.events
    history = read_history(evidence.ledgers)
    marks = milestones(events, manifest)
    clock = rto(marks, history, manifest.new_side)
    left = ~reached(history.endpoint, manifest.new_side)
    findings = check(history, read_finals(evidence.finals), left)
    steps = {run.id: run for run in step_runs(events)}
    changes = writer_changes(history)
    return _Facts(evidence, history, findings, clock, marks, steps, stopped(events), changes)


def _judged(contract: Contract, facts: _Facts) -> RunVerdict:
    checks = checked(lambda: _judged_by(contract, facts))
    return RunVerdict(contract, Verdict.UNPROVEN, checks.why) if isinstance(checks, Crashed) else checks


def _judged_by(contract: Contract, facts: _Facts) -> RunVerdict:
    manifest = facts.evidence.manifest
    if why := manifest.not_run(contract):
        return RunVerdict(contract, Verdict.UNPROVEN, why)
    if contract.subject is Subject.OBSERVABILITY:
        return judged_by_monitoring(contract, facts.evidence.events, facts.marks, manifest)
    names = streams_about(contract, facts.history.streams)
    if not names:
        why = f"the drill {manifest.drill} wrote nothing to {contract.part or contract.subject}"
        return RunVerdict(contract, Verdict.UNPROVEN, why)
    facts = _only(facts, names)
    if contract.subject is Subject.STATE:
        facts = evolve(facts, rto=rto(facts.marks, facts.history, manifest.new_side))
    clock = _clock(contract.subject, facts)
    parts = clock.parts
    if parts is not None and manifest.projected:
        parts = _at_own_intervals(parts, manifest)
    loss, window = _loss(contract, facts)
    findings = [*_on_time(contract, evolve(clock, parts=parts), facts), *_kept_of_each(contract, facts)]
    findings += [*_by_effects(contract, facts), *_beside(contract, manifest, window.least)]
    return RunVerdict(
        contract=contract,
        verdict=worst(finding.verdict for finding in findings),
        why="; ".join(finding.why for finding in findings if finding.why),
        rto_s=parts,
        measured_s=None if clock.parts is None else clock.parts["total"],
        loss=DataLoss(loss.messages, loss.bytes, loss.seconds, at_least=window.most is None),
        lost_window_s=window.least,
        lost_at_most_s=window.most,
        reach_s=window.reach,
    )


def _beside(contract: Contract, manifest: DrillManifest, lost_s: float) -> Iterator[_Finding]:
    """Of what did not run, nothing is known; what ran in its place is told."""
    if contract.subject is Subject.STATE and not contract.part and manifest.other_stores:
        yield _Finding(Verdict.UNPROVEN, f"{', '.join(manifest.other_stores)} did not run here")
    yield _Finding(Verdict.MET, manifest.notes_on(contract, lost_s))


def _only(facts: _Facts, names: Collection[str]) -> _Facts:
    """What is known of some streams: writes and findings; the clients' clock of the run stays what it is."""
    numbers = [number for number, each in enumerate(facts.history.streams) if each.name in names]
    if len(numbers) == len(facts.history.streams):
        return facts
    return evolve(
        facts,
        history=facts.history.only(*numbers),
        findings=facts.findings.only(names, np.isin(facts.history.stream, numbers)),
        writer_changes={name: changes for name, changes in facts.writer_changes.items() if name in names},
    )


def _at_own_intervals(parts: Mapping[str, float], manifest: DrillManifest) -> Mapping[str, float]:
    return projected(parts, manifest.timing, manifest.production, from_detection=manifest.moves_by_checks)


def _on_time(contract: Contract, clock: _Clock, facts: _Facts) -> Iterator[_Finding]:
    limit_s = contract.rto_s
    if limit_s is None:
        return
    if clock.parts is not None:
        total_s = clock.parts["total"]
        late = total_s > limit_s
        yield _Finding(*(Verdict.BREACHED, f"back after {total_s:.1f} s") if late else (Verdict.MET,))
        missing = facts.evidence.manifest.unrehearsed.get(contract.subject)
        if missing and not late and total_s + missing.seconds > limit_s:
            yield _Finding(Verdict.UNPROVEN, missing.beyond(limit_s - total_s))
    elif clock.stopped or facts.watched_s > limit_s:
        yield _Finding(Verdict.BREACHED, clock.why)
    else:
        watched = f"clients tried for {facts.watched_s:.0f} s after the fault, the limit is {limit_s:g} s"
        yield _Finding(Verdict.UNPROVEN, f"{clock.why}: {watched}")


def _kept_of_each(contract: Contract, facts: _Facts) -> Iterator[_Finding]:
    apart = facts.evidence.manifest.judged_apart(contract)
    for store in apart:
        part, of_store = evolve(contract, part=store), _only(facts, (store_stream(store),))
        yield from _kept(part, *_loss(part, of_store), of_store)
    if not apart:
        yield from _kept(contract, *_loss(contract, facts), facts)


def _kept(contract: Contract, loss: Rpo, window: LossWindow, facts: _Facts) -> Iterator[_Finding]:
    """A loss that the run could not have seen is neither there nor absent."""
    limit_s, manifest = contract.rpo_s, facts.evidence.manifest
    if limit_s is None:
        return
    lost = f"{counted(loss.messages, 'acknowledged writes')} of {window.least:.1f} s"
    lost += " is lost" if loss.messages == 1 else " are lost"
    needed_s = run_loss_s(limit_s, *manifest.timings(contract)) if manifest.projected else float(limit_s)
    if window.least > limit_s:
        yield _Finding(Verdict.BREACHED, lost)
    elif not loss.proven:
        unread = "; ".join(each for stream in facts.findings.streams.values() for each in stream.unread)
        yield _Finding(Verdict.UNPROVEN, f"the loss is unknown: {unread}")
    elif window.most is None:
        yield _Finding(
            Verdict.UNPROVEN, f"{lost}, the oldest of a stream among them: earlier losses could not be observed"
        )
    elif window.most > limit_s:
        yield _Finding(
            Verdict.UNPROVEN, f"{lost}, and the next older write is of {window.most:.1f} s: the limit lies between"
        )
    elif window.reach < needed_s:
        what = (
            f"no write to {window.short} was older than {window.reach:.1f} s: no loss could have broken {limit_s:g} s"
        )
        yield _Finding(Verdict.UNPROVEN, f"{what}; drill with --reach {math.ceil(needed_s)}s")
    else:
        yield _Finding(Verdict.MET)


def _by_effects(contract: Contract, facts: _Facts) -> Iterator[_Finding]:
    """What the table of `effects` says of everything that was counted, and a verdict of its own where nothing was."""
    yield _Finding(Verdict.MET)
    counts = _counted(facts)
    for effect in EFFECTS:
        if (
            effect.verdict is not None
            and effect.finding != UNREAD
            and counts.get(effect.finding)
            and effect.on(contract)
        ):
            yield _Finding(effect.verdict, _words(effect, counts[effect.finding], facts))


def _counted(facts: _Facts) -> Mapping[str, float]:
    observed = observations(facts.evidence.events)
    summaries = [read_summary(path) for path in facts.evidence.summaries]
    arrivals = sum(each.arrivals for each in summaries)
    withheld = sum(each.withheld for each in summaries) / arrivals if arrivals else 0.0
    late_s = max((each.late_ms / 1000 for each in summaries), default=0.0)
    return {
        **facts.findings.counts(),
        "not-shown": sum(each.holds is False for each in observed),
        "not-seen": sum(each.unproven for each in observed),
        "two-writers": len(_two_writers(facts)),
        "uncompared": sum(len(stream.uncompared) for stream in facts.findings.streams.values()),
        "withheld": math.ceil(100 * withheld) if withheld > MOST_WITHHELD else 0,
        "late": round(late_s, 1) if late_s > MOST_LATE_S else 0,
    }


def _words(effect: Effect, count: float, facts: _Facts) -> str:
    """An observation has its own words."""
    observed = observations(facts.evidence.events)
    if effect.finding == "not-shown":
        return "does not hold: " + "; ".join(each.what for each in observed if each.holds is False)
    if effect.finding == "not-seen":
        return "unproven: " + "; ".join(each.what for each in observed if each.unproven)
    if effect.finding == "two-writers":
        changed = (
            f"two copies of {name} accepted writes: its log changed {n} times" for name, n in _two_writers(facts)
        )
        return "; ".join(changed)
    return f"1 {effect.one}" if count == 1 and effect.one else f"{count:,} {effect.phrase}"


def _two_writers(facts: _Facts) -> list[tuple[str, int]]:
    """A failover that lost something begins each log anew, once; sourced streams have a log in every region."""
    manifest = facts.evidence.manifest
    if Strategy.parse(manifest.strategy).link is Link.SOURCED:
        return []
    failovers = max(1, sum(name != FAILBACK for name in manifest.carried_out))
    return [(name, changes) for name, changes in facts.writer_changes.items() if changes > failovers]


def _clock(subject: Subject, facts: _Facts) -> _Clock:
    """NATS is back when its streams are writable; the API, and all that has no milestone, when its clients are."""
    step = facts.evidence.manifest.milestones.get(subject, "")
    if subject is Subject.NATS and step:
        return _nats_clock(step, facts)
    if facts.rto.total is None:
        return _Clock(None, facts.stopped or facts.rto.unbounded, bool(facts.stopped))
    return _Clock({name: value or 0.0 for name, value in facts.rto.parts().items()})


def _nats_clock(step: str, facts: _Facts) -> _Clock:
    """Until its milestone's end, or until every stream had taken a client's write, whichever came first.

    Without such a write no step's word is enough; with it, none is needed.
    """
    first_ns = first_stored_ns(facts.history, facts.fault_ns, facts.evidence.manifest.new_side)
    silent = [name for name, at_ns in first_ns.items() if at_ns is None]
    if silent:
        what = f"the new primary stored no write to {', '.join(silent)}"
        return _Clock(None, facts.stopped or what, bool(facts.stopped))
    run = facts.steps.get(step)
    alive_ns = max((at_ns for at_ns in first_ns.values() if at_ns is not None), default=facts.fault_ns)
    end_ns = max(facts.fault_ns, min(run.end_ns, alive_ns) if run else alive_ns)
    detected = min(facts.marks.get(Milestone.DETECTED, facts.fault_ns), end_ns)
    decided = min(max(facts.marks.get(Milestone.DECIDED, detected), detected), end_ns)
    lengths = dict.fromkeys(RTO_PARTS, 0.0) | {
        "detect": (detected - facts.fault_ns) / 1e9,
        "decide": (decided - detected) / 1e9,
        "execute": (end_ns - decided) / 1e9,
    }
    return _Clock(lengths | {"total": sum(lengths.values())})


def _loss(contract: Contract, facts: _Facts) -> tuple[Rpo, LossWindow]:
    """The loss as this contract counts it, and the window of lost writes, at the strategy's own intervals.

    Where the fault is a deletion, what the operator removed is what is lost. A write that was acknowledged after the
    fault and is gone makes the window longer: no age at the fault tells that.
    """
    history, fate, manifest = facts.history, facts.findings.marks.fate.copy(), facts.evidence.manifest
    if contract.fault is Fault.DELETION:
        fate[fate == Fate.ERASED] = Fate.ACKNOWLEDGED_LOST
    if contract.subject is Subject.NATS:
        fate[(fate == Fate.ACKNOWLEDGED_LOST) & (history.status == Status.BUFFERED)] = Fate.INDETERMINATE_ABSENT
    counted = evolve(facts.findings, marks=evolve(facts.findings.marks, fate=fate))
    window = loss_window(history, fate, *facts.faults_ns)
    if manifest.projected:
        ran, own = manifest.timings(contract)
        most = None if window.most is None else projected_loss_s(window.most, ran, own)
        window = evolve(window, least=projected_loss_s(window.least, ran, own), most=most)
    return rpo(history, counted, *facts.faults_ns), window
