"""Every contract of the system against all evidence there is: met, breached or unproven, today.

Evidence counts while it is fresh and of what runs today. The worst of a contract's drills decides; of quick and
production runs of one drill, whichever decides. What no drill tried is unproven, whatever was estimated.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import groupby
from pathlib import Path

from attrs import evolve, frozen

from secondsite.catalogue.bundle import Catalogue
from secondsite.drill.evidence.fingerprint import Fingerprint, fingerprint
from secondsite.drill.evidence.folder import VERDICTS, check_chain
from secondsite.drill.evidence.manifest import FAILBACK, DrillManifest
from secondsite.drill.evidence.register import Register, cut_off
from secondsite.drill.evidence.signature import check_signatures
from secondsite.drill.evidence.sound import Absent
from secondsite.drill.verdict.confidence import runs_needed
from secondsite.drill.verdict.judgement import OLDER, UNCHANGED, verdicts_json, worst
from secondsite.drill.verdict.measurements import EvidenceSet, Run, find_runs, measured
from secondsite.model.contract import Contract, Standing, Subject, Verdict
from secondsite.model.errors import EXIT_DOES_NOT_HOLD, EXIT_HOLDS, EXIT_UNPROVEN, InputError, Problem
from secondsite.model.fault import Fault
from secondsite.model.measurement import Measurement
from secondsite.model.place import Place
from secondsite.model.service import Role
from secondsite.model.store import Loss
from secondsite.model.strategy import Strategy
from secondsite.model.system import System
from secondsite.model.wording import counted, percent
from secondsite.strategies.compose import failback, lay_out, procedures
from secondsite.strategies.design import Kit

_AHEAD_S = 86400.0
"""A clock may have been set back, or the day be another where it was drilled."""
SHELF_LIFE_S: Mapping[str, float] = {"quick": 35 * 86400.0, "production": 100 * 86400.0}

Today = Callable[[DrillManifest], Fingerprint]


@frozen
class LimitVerdict:
    """One limit by itself, in the same runs: ``limit`` is RTO or RPO."""

    limit: str
    verdict: Verdict
    why: str


@frozen
class ContractVerdict:
    """One contract in one drill of one strategy; without a drill, both are empty. ``age_s`` is of the oldest run.

    ``apart``: of a contract that is not met, each of its two limits, as if it alone were promised.
    """

    contract: Contract
    verdict: Verdict
    why: str
    strategy: str = ""
    drill: str = ""
    measurement: Measurement | None = None
    age_s: float | None = None
    apart: tuple[LimitVerdict, ...] = ()


@frozen
class EvidenceVerification:
    """``problems``: evidence that was changed or cannot be read. ``unfinished``: drills that left none.
    ``unsigned``: records of campaigns for which nobody vouches. ``registers``: of all campaigns opened there."""

    rows: tuple[ContractVerdict, ...]
    problems: tuple[Problem, ...] = ()
    unfinished: tuple[Path, ...] = ()
    unsigned: tuple[Path, ...] = ()
    registers: tuple[Register, ...] = ()

    def of(self, contract: Contract) -> Verdict:
        return worst(row.verdict for row in self.rows if row.contract == contract)

    @property
    def strategies(self) -> tuple[str, ...]:
        """Those that decide something; faults within the region are everybody's."""
        named = {row.strategy for row in self.rows if row.strategy and not row.contract.fault.inside_region}
        return tuple(sorted(named))

    @property
    def met_of_designs(self) -> int:
        """How many rows are met, and not of what is deployed."""
        met = [row.measurement for row in self.rows if row.verdict is Verdict.MET and row.measurement]
        return sum(one.of is Standing.DESIGN for one in met)

    @property
    def exit_code(self) -> int:
        if self.problems or any(row.verdict is Verdict.BREACHED for row in self.rows):
            return EXIT_DOES_NOT_HOLD
        return EXIT_UNPROVEN if any(row.verdict is Verdict.UNPROVEN for row in self.rows) else EXIT_HOLDS


def verify(
    system: System,
    catalogue: Catalogue,
    roots: Sequence[Path],
    now: datetime,
    strategies: Sequence[str] = (),
    keys: Sequence[str] = (),
    heads: Sequence[str] = (),
) -> EvidenceVerification:
    """All contracts that promise something, in the order of the file; evidence of ``strategies`` only, where named.

    ``keys``: public ones, of which one has to have signed each campaign; none for no such demand. ``heads`` of
    registers, as they were kept elsewhere: what was opened before them has to be there still.
    """
    contracts = [one for one in system.contracts if one.rto_s is not None or one.rpo_s is not None]
    asked = [*contracts, *_by_store(contracts, system)]
    asked += [half for contract in asked for half in _halves(contract).values()]
    evidence = [find_runs(root, asked) for root in roots]
    runs = [run for each in evidence for run in each.runs if _wanted(run.evidence.manifest, strategies)]
    absent = [one for each in evidence for one in each.absent if not strategies or one.of.strategy in strategies]
    today = todays(system, catalogue)
    rows = tuple(
        row
        for contract in contracts
        for each in (contract, *_parts_that_ran(contract, contracts, runs))
        for row in (_unknown(each, system) or _rows(each, runs, absent, today, now))
    )
    signed = check_signatures([campaign for each in evidence for campaign in each.campaigns], keys)
    problems, unfinished = _beside(evidence)
    registers = tuple(register for each in evidence for register in each.registers)
    short = [_cut_off(roots, head) for head in cut_off(registers, heads)]
    return EvidenceVerification(rows, (*problems, *signed.problems, *short), unfinished, signed.unsigned, registers)


def _halves(contract: Contract) -> dict[str, Contract]:
    """Where both limits are promised, each alone."""
    if contract.rto_s is None or contract.rpo_s is None:
        return {}
    return {"RTO": evolve(contract, rpo_s=None), "RPO": evolve(contract, rto_s=None)}


def _by_store(contracts: Sequence[Contract], system: System) -> list[Contract]:
    """A contract on the whole state, as one on each store with data."""
    whole = [one for one in contracts if one.subject is Subject.STATE and not one.part]
    return [evolve(one, part=store.name) for one in whole for store in system.stores if store.loss is Loss.DATA]


def _parts_that_ran(contract: Contract, known: Sequence[Contract], runs: Sequence[Run]) -> list[Contract]:
    """Where drills ran some of the stores and not all: each by itself, so that what is proven can be seen."""
    if contract.subject is not Subject.STATE or contract.part:
        return []
    manifests = [run.evidence.manifest for run in runs if run.evidence.manifest.fault is contract.fault]
    names = [name for each in manifests if each.other_stores for name in (*each.stores, *each.other_stores)]
    return [one for name in dict.fromkeys(names) if (one := evolve(contract, part=name)) not in known]


def _cut_off(roots: Sequence[Path], head: str) -> Problem:
    what = f"no register goes back to {head}: earlier entries were removed"
    return Problem(Place(", ".join(map(str, roots))), what, "restore the folder from a copy, or drill again")


_REMEDIES = {
    Subject.NATS: "declare it in secondsite.yaml, or read it with init --nats URL",
    Subject.API: "write `role: api` at the service that answers requests in secondsite.yaml",
    Subject.STATE: "declare it under `stores` in secondsite.yaml",
}


def _unknown(contract: Contract, system: System) -> list[ContractVerdict]:
    """What the system is not known to have was not drilled either, whatever a drill says."""
    lacks = {
        Subject.NATS: "" if any(cluster.streams for cluster in system.nats) else "stream",
        Subject.API: "" if system.with_role(Role.API) else "API",
        Subject.STATE: "" if any(store.loss is Loss.DATA for store in system.stores) else "store with data",
    }
    if missing := lacks.get(contract.subject) or system.unknown_part(contract):
        remedy = _REMEDIES[contract.subject]
        return [ContractVerdict(contract, Verdict.UNPROVEN, f"no {missing} of the system is known: {remedy}")]
    return []


def recompute(folders: Sequence[Path], now: datetime) -> EvidenceVerification:
    """Single folders, each against the contracts that it was drilled for: from its raw files alone.

    What does not follow from them is a problem, as is a folder without its chain.
    """
    evidence = [find_runs(folder, every=True) for folder in folders]
    rows = [row for each in evidence for run in each.runs for row in _alone(run, now)]
    problems, unfinished = _beside(evidence)
    problems += tuple(problem for path in unfinished for problem in check_chain(path))
    problems += tuple(problem for each in evidence for run in each.runs for problem in _unlike(run))
    return EvidenceVerification(tuple(rows), problems)


def _alone(run: Run, now: datetime) -> Iterator[ContractVerdict]:
    """One run as it was. It may break a contract, and proves none: that takes a series, and a system of today."""
    known = dict(measured([run]))
    manifest, age_s = run.evidence.manifest, _age_s(run, now)
    for v in run.judgement.verdicts:
        verdict, why = v.verdict, v.why
        if verdict is Verdict.MET:
            beside = f"; {v.why}" if v.why else ""
            verdict, why = Verdict.UNPROVEN, f"held in this run; {_series_needed(v.contract)}{beside}"
        yield ContractVerdict(v.contract, verdict, why, manifest.design, manifest.drill, known.get(v.contract), age_s)


def _series_needed(contract: Contract) -> str:
    sure = percent(contract.confidence)
    return f"a campaign of {runs_needed(contract.confidence)} is needed to be {sure} sure of {sure}"


def _unlike(run: Run) -> Iterator[Problem]:
    """The verdicts that the drill kept, where the raw files say otherwise; an older version kept less."""
    path = run.evidence.folder / VERDICTS
    if not path.is_file():
        return
    kept, computed = json.loads(path.read_bytes()), json.loads(json.dumps(verdicts_json(run.judgement)))
    if isinstance(kept, dict) and kept.get("schema") in OLDER:
        kept = {name: value for name, value in kept.items() if name in UNCHANGED}
    if not isinstance(kept, dict) or not _follows(kept, computed):
        remedy = "rely on the verdict printed here, which this version judged from the raw files"
        yield Problem(Place(str(run.evidence.path / VERDICTS)), "its verdicts do not follow from the raw files", remedy)


def _follows(kept: object, computed: object) -> bool:
    if isinstance(kept, dict) and isinstance(computed, dict):
        return all(_follows(value, computed.get(name)) for name, value in kept.items())
    return kept == computed


def todays(system: System, catalogue: Catalogue) -> Today:
    """What evidence of a strategy and a fault has to be bound to, to speak of today's system."""

    kit = Kit.of(system, catalogue)

    @lru_cache
    def of(strategy: str, names: tuple[str, ...], prepared: bool) -> Fingerprint:
        deployment = lay_out(Strategy.parse(strategy), kit, prepared=prepared)
        known = procedures(deployment, kit)
        carried_out = [failback(deployment, kit) if name == FAILBACK else known.get(Fault(name)) for name in names]
        return fingerprint(deployment.system, deployment, [each for each in carried_out if each])

    return lambda manifest: of(manifest.strategy, manifest.procedures, manifest.prepared)


def _wanted(manifest: DrillManifest, strategies: Sequence[str]) -> bool:
    """What runs as a strategy was not prepared for it is asked for by that name alone: ``STRATEGY@today``."""
    asked = manifest.design in strategies
    asked |= manifest.strategy in strategies and (not manifest.version or manifest.of is Standing.DEPLOYED)
    return not strategies or asked or manifest.fault.inside_region


def _beside(evidence: Iterable[EvidenceSet]) -> tuple[tuple[Problem, ...], tuple[Path, ...]]:
    each = tuple(evidence)
    return tuple(p for one in each for p in one.problems), tuple(path for one in each for path in one.unfinished)


def _rows(
    contract: Contract, runs: Sequence[Run], absent: Sequence[Absent], today: Today, now: datetime
) -> list[ContractVerdict]:
    mine = [run for run in runs if any(verdict.contract == contract for verdict in run.ran)]
    mine = sorted(mine, key=lambda run: run.series)
    rows = []
    for _, group in groupby(mine, key=lambda run: run.series[:2]):
        series = [list(each) for _, each in groupby(group, key=lambda run: run.series)]
        rows.append(_deciding([_judged(contract, each, absent, today, now) for each in series]))
    rows += _removed(contract, {run.series for run in mine}, absent, now)
    if rows := rows or _in_part(contract, runs, now):
        return rows
    ran = {name for run in runs for name in run.evidence.manifest.stores}
    return [ContractVerdict(contract, Verdict.UNPROVEN, _nothing_left(contract, ran))]


def _in_part(contract: Contract, runs: Sequence[Run], now: datetime) -> list[ContractVerdict]:
    """What the newest run of each design shows of a subject of which it ran only a part."""
    newest: dict[str, ContractVerdict] = {}
    for run in sorted(runs, key=lambda run: run.evidence.manifest.started_at):
        manifest = run.evidence.manifest
        for v in run.judgement.verdicts:
            if v.contract == contract and v.loss is not None:
                back = "never back" if v.measured_s is None else f"back after {v.measured_s:.1f} s"
                lost = counted(v.loss.messages, "commits")
                why = f"only {', '.join(manifest.stores)} ran, {back}, {lost} lost; {v.why}"
                about = (manifest.design, manifest.drill, None, _age_s(run, now))
                newest[manifest.design] = ContractVerdict(contract, v.verdict, why, *about)
    return list(newest.values())


def _nothing_left(contract: Contract, ran: Collection[str]) -> str:
    """Whether somebody could drill it, or nobody can yet."""
    if contract.subject is Subject.STATE and contract.part and contract.part not in ran:
        return f"no drill has covered {contract.part}: run one that does, or restore its backup by hand and time it"
    return f"no drill of {contract.fault} that covers {contract.about} has left evidence"


def _removed(
    contract: Contract, here: Collection[tuple[str, str, str]], absent: Sequence[Absent], now: datetime
) -> Iterator[ContractVerdict]:
    """Series of which nothing at all is there any more: nobody knows what they would show."""
    for each in absent:
        about = each.of.fault == contract.fault and contract.subject in each.of.subjects
        if about and each.series not in here and _counts(contract, each, now):
            yield ContractVerdict(contract, Verdict.UNPROVEN, each.why, each.of.strategy, each.of.drill)


def _counts(contract: Contract, absent: Absent, now: datetime) -> bool:
    """What was not kept would prove nothing any more once it were too old."""
    return (now - absent.opened).total_seconds() <= _life_s(contract, absent.of.profile)


def _deciding(judged: Sequence[ContractVerdict]) -> ContractVerdict:
    """Of quick and production: a breach, else what is met, else the one that is newest."""
    order = (Verdict.BREACHED, Verdict.MET, Verdict.UNPROVEN)
    return min(judged, key=lambda one: (order.index(one.verdict), one.age_s or 0.0))


def _judged(
    contract: Contract, series: Sequence[Run], absent: Sequence[Absent], today: Today, now: datetime
) -> ContractVerdict:
    """Of one strategy, drill and profile: what is fresh is judged, what is stale is only told."""
    fresh = [run for run in series if not _stale(contract, run, today, now)]
    counted = fresh or series
    old = {run.evidence.manifest.campaign for run in series} - {run.evidence.manifest.campaign for run in counted}
    missing = [each for each in absent if each.campaign not in old and _counts(contract, each, now)]
    by_contract = dict(measured(counted, missing))
    measurement = by_contract[contract]
    age_s = max(_age_s(run, now) for run in counted)
    about = (measurement.strategy, measurement.drill, measurement, age_s)
    if not fresh:
        return ContractVerdict(contract, Verdict.UNPROVEN, f"stale: {_stale(contract, series[-1], today, now)}", *about)
    halves = {} if measurement.verdict is Verdict.MET else _halves(contract)
    each = ((name, by_contract[half]) for name, half in halves.items() if half in by_contract)
    apart = tuple(LimitVerdict(name, one.verdict, one.why) for name, one in each)
    return ContractVerdict(contract, measurement.verdict, measurement.why, *about, apart)


def _stale(contract: Contract, run: Run, today: Today, now: datetime) -> str:
    """Why a run speaks of another time or another system; empty where it speaks of today's."""
    manifest = run.evidence.manifest
    life_s = _life_s(contract, manifest.profile)
    age_s = _age_s(run, now)
    if age_s < 0:
        return f"dated {-age_s / 86400:.0f} days in the future"
    if age_s > life_s:
        return f"{age_s / 86400:.0f} days old, valid for {life_s / 86400:.0f}"
    try:
        return ", ".join(manifest.fingerprint.drift(today(manifest)))
    except (ValueError, InputError) as error:
        return f"the strategy can no longer be laid out ({error})"


def _life_s(contract: Contract, profile: str) -> float:
    return contract.shelf_life_s or SHELF_LIFE_S.get(profile, SHELF_LIFE_S["quick"])


def _age_s(run: Run, now: datetime) -> float:
    """Below zero only for a run of the future."""
    started = datetime.fromisoformat(run.evidence.manifest.started_at)
    started = started if started.tzinfo else started.replace(tzinfo=UTC)
    age_s = (now - started).total_seconds()
    return age_s if age_s < -_AHEAD_S else max(0.0, age_s)
