"""One strategy, assessed: contracts, money, latency, complexity. Downtime comes from the simulated years."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from attrs import define, evolve, field, frozen

from secondsite.catalogue.bundle import Catalogue
from secondsite.evaluate.bill import CostItem
from secondsite.evaluate.buffer import Buffer
from secondsite.evaluate.capacity import overloaded
from secondsite.evaluate.complexity import Complexity, complexity
from secondsite.evaluate.cost import machines_usd, monthly_cost, total_cost
from secondsite.evaluate.derive import count, product, total
from secondsite.evaluate.draws import Draws, mean
from secondsite.evaluate.evaluation import Assessment, ContractOutcome, PolicyFigures
from secondsite.evaluate.failed_over import failed_over, hours_away
from secondsite.evaluate.faults import FaultModel
from secondsite.evaluate.holding import Judge
from secondsite.evaluate.known import unseen_streams
from secondsite.evaluate.latency import latency
from secondsite.evaluate.loss import events_lost_s, rpo
from secondsite.evaluate.outages import availability, downtime_minutes, outages
from secondsite.evaluate.parts import own_procedures, share_of_writes
from secondsite.evaluate.recovery import rto
from secondsite.evaluate.study import ENGINEER, LOST_WRITE, OUTAGE
from secondsite.evaluate.years import YearlyDowntime
from secondsite.model.contract import Contract, Subject, Verdict
from secondsite.model.deployment import Deployment
from secondsite.model.estimate import Estimate, Provenance, Quantiles, fixed
from secondsite.model.fault import Fault
from secondsite.model.hazard import Hazard, Severity
from secondsite.model.operate import Operate, Writers
from secondsite.model.procedure import Procedure, Step
from secondsite.model.stated import load_of, stated
from secondsite.model.strategy import Strategy
from secondsite.model.system import System
from secondsite.strategies.compose import failback, lay_out, procedures, way_back_by_hand
from secondsite.strategies.design import Kit
from secondsite.strategies.sizing import retention_s
from secondsite.strategies.write_gate import gated_subjects

PROVIDERS = ("aws", "gcp", "azure")
SAMPLES = 20_000
WRITE_OFF_YEARS = 3.0

Auditor = Callable[[System, Deployment, tuple[Procedure, ...]], tuple[Hazard, ...]]


@frozen
class Planned:
    """A strategy laid out, with its procedures: what the simulation and the study need."""

    deployment: Deployment
    procedures: Mapping[Fault, Procedure]


def plan(strategy: Strategy, system: System, catalogue: Catalogue) -> Planned:
    kit = Kit.of(system, catalogue)
    deployment = lay_out(strategy, kit)
    return Planned(deployment, procedures(deployment, kit))


def shared(planned: Planned, known: dict[Step, Step]) -> Planned:
    """The same, with each step that ``known`` has already in place of its equal: procedures have most of their steps in
    common, and in a large system each names thousands of streams."""
    procedures = {
        fault: evolve(procedure, steps=tuple(known.setdefault(step, step) for step in procedure.steps))
        for fault, procedure in planned.procedures.items()
    }
    return evolve(planned, procedures=procedures)


@define
class Assessor:
    """Assesses strategies of one system; samples are shared between them, as are faults in the simulation."""

    system: System
    catalogue: Catalogue
    seed: int
    auditor: Auditor
    _draws: dict[Fault, Draws] = field(factory=dict, init=False)
    _hazards: dict[Hazard, Hazard] = field(factory=dict, init=False)
    """What several strategies have in common is kept once: a large system has a hundred thousand of them."""

    @property
    def model(self) -> FaultModel:
        places = (self.system.region, self.system.second, self.system.third)
        names = tuple(region.name for region in places if region)
        return FaultModel(self.catalogue.figures, self.system.region.provider, names)

    @property
    def buffer(self) -> Buffer:
        return Buffer(self.catalogue.figures.by_name)

    @property
    def judge(self) -> Judge:
        return Judge(self.model, self.buffer)

    def draws(self, fault: Fault) -> Draws:
        if fault not in self._draws:
            self._draws[fault] = Draws(self.seed, f"contract/{fault}", SAMPLES)
        return self._draws[fault]

    def assess(self, planned: Planned, downtime: YearlyDowntime) -> Assessment:
        deployment = planned.deployment
        own = tuple(planned.procedures.values())
        kit = Kit.of(self.system, self.catalogue)
        back = failback(deployment, kit) if deployment.standby else None
        audited = self.auditor(deployment.system, deployment, (*own, back) if back else own)
        hazards = tuple(self._hazards.setdefault(hazard, hazard) for hazard in audited)
        outcomes = tuple(self._outcome(planned, contract) for contract in self._contracts())
        effort = self._complexity(deployment, own, back, hazards)
        bills = {provider: self._bill(deployment, provider, effort.hours_per_month) for provider in PROVIDERS}
        monthly = {provider: total_cost(items) for provider, items in bills.items()}
        parts = outages(planned.procedures, len(deployment.serving), self.model, self.draws)
        minutes = downtime_minutes(downtime, parts)
        loss = self._expected_loss(planned, downtime, minutes)
        return Assessment(
            deployment=deployment,
            procedures=planned.procedures,
            failback=back,
            outcomes=outcomes,
            availability=availability(downtime, minutes),
            downtime_minutes=minutes,
            bills=bills,
            monthly_usd=monthly,
            expected_loss_usd=loss,
            owning_usd=self._owning(deployment, monthly, loss),
            latency=latency(deployment, self.catalogue),
            complexity=effort,
            hazards=hazards,
            excluded=overloaded(deployment, self.catalogue) or _excluded(outcomes, hazards),
            unprepared=self._unprepared(planned),
            policies=tuple(self._policies(deployment)),
            away_usd=self._away(deployment),
            away_hours=hours_away(self.model),
        )

    def _complexity(
        self, deployment: Deployment, own: tuple[Procedure, ...], back: Procedure | None, hazards: Iterable[Hazard]
    ) -> Complexity:
        """A way back that is blocked is no step less to do: it is all a person's."""
        blocked = back is not None and any(step.blocked for step in back.steps)
        home = way_back_by_hand(deployment, Kit.of(self.system, self.catalogue)) if blocked else back
        procedures = (*own, home) if home else own
        return complexity(deployment, procedures, hazards, self.catalogue.figures, way_back=not blocked)

    def _away(self, deployment: Deployment) -> Mapping[str, Estimate]:
        """At the home provider's prices; elsewhere nobody would compare it."""
        there, home = failed_over(deployment), self.system.region.provider
        if there is None:
            return {}
        provider = home if home in PROVIDERS else PROVIDERS[0]
        no_people = fixed("hours", 0.0, "h/month", "told apart")
        return {provider: machines_usd(self._bill(there, provider, no_people))}

    def _policies(self, deployment: Deployment) -> Iterator[PolicyFigures]:
        """Both, side by side, where the strategy has a gate that can hold a lease."""
        if not gated_subjects(deployment, deployment.primary.region.name):
            return
        written = self.system.operate or Operate()
        for policy in Writers:
            system = evolve(self.system, operate=evolve(written, writers=policy))
            laid = plan(deployment.strategy, system, self.catalogue).procedures
            lost, cut_off = (
                rto(laid, fault, Subject.NATS, self.draws(fault)) for fault in (Fault.REGION, Fault.WAN_PARTITION)
            )
            both = self.catalogue.figures[f"both-sides.{policy}"]
            yield PolicyFigures(policy, policy is written.writers, lost, cut_off, both)

    def _contracts(self) -> Sequence[Contract]:
        """What is promised; the loss of the region is looked at even where nothing is."""
        names = {contract.name for contract in self.system.contracts}
        unpromised = [Contract(s, Fault.REGION) for s in (Subject.API, Subject.NATS, Subject.STATE)]
        return [*self.system.contracts, *(contract for contract in unpromised if contract.name not in names)]

    def _outcome(self, planned: Planned, contract: Contract) -> ContractOutcome:
        draws = self.draws(contract.fault)
        deployment, subject, fault = planned.deployment, contract.subject, contract.fault
        procedures = self.own_procedures(planned, contract)
        lost = rpo(deployment, subject, fault, draws, self.buffer, contract.part)
        met, verdict, unknown = None, None, ""
        if contract.rto_s is not None or contract.rpo_s is not None:
            unknown = unseen_streams(self.system) if subject is Subject.NATS else ""
            if not unknown:
                met = float(self.judge.probability(contract, deployment, procedures, draws)[0])
            verdict = Verdict.BREACHED if met is not None and met < contract.confidence else Verdict.UNPROVEN
        share = self._pods(subject, fault, deployment) * share_of_writes(self.system, contract)
        return ContractOutcome(
            contract=contract,
            rto=self.judge.rto(procedures, fault, subject, draws, contract.part),
            rpo=lost,
            messages_at_risk=self._messages(lost, share),
            probability_met=met,
            verdict=verdict,
            unknown=unknown,
        )

    def own_procedures(self, planned: Planned, contract: Contract) -> Mapping[Fault, Procedure]:
        kit = Kit.of(self.system, self.catalogue)
        return own_procedures(contract, planned.deployment, planned.procedures, kit)

    def _pods(self, subject: Subject, fault: Fault, deployment: Deployment) -> float:
        """The share of the API's writes that one dying pod holds; faults that spare its pods take all of them."""
        return self.buffer.share(fault, deployment) if subject is Subject.API else 1.0

    def _messages(self, lost: Estimate, share: float = 1.0) -> Estimate:
        """Acknowledged messages lost: the RPO times the rate, at most what is kept at all."""
        rate = load_of(self.system)[0]
        if share != 1:
            concerned = fixed("share of the pods that die, or of the streams", share, "", "deployment")
            rate = product("mean rate", "messages/s", rate, concerned)
        kept = retention_s(self.system, self.catalogue.figures)
        name = lost.name.replace("RPO", "messages at risk")
        if lost.unbounded:
            everything = rate.mean * kept
            return fixed(name, everything, "messages", f"everything kept: {kept / 86400:.0f} d at {rate.mean:g}/s")
        p05, p50, p95 = (min(lost.quantile(p), kept) * rate.mean for p in (0.05, 0.5, 0.95))
        spread = Quantiles(p05, p50, p95, min(lost.mean, kept) * rate.mean)
        source = "RPO × mean rate"
        return Estimate(name, "messages", spread, Provenance.DERIVED, source, formula=source, inputs=(lost, rate))

    def _bill(self, deployment: Deployment, provider: str, upkeep: Estimate) -> tuple[CostItem, ...]:
        return monthly_cost(
            deployment,
            provider,
            self.catalogue,
            economics=self.system.economics,
            people={"operations": upkeep},
        )

    def _expected_loss(self, planned: Planned, downtime: YearlyDowntime, minutes: Estimate) -> Estimate:
        """USD a year: hours of outage, and acknowledged writes lost, each at its price."""
        economics = self.system.economics
        years = f"{downtime.years:,} simulated years"
        hours = count(
            "hours of outage a year", downtime.mean_s / 3600, years, minutes, unit="h", plausible=minutes.plausible
        )
        price = stated(self.system, OUTAGE, "an hour of outage", economics.outage_usd_per_hour, "USD/h")
        writes = count(
            "acknowledged writes lost a year",
            self.lost_writes(planned),
            "rate of faults × loss, a business event once",
            *(self.model.rate(fault) for fault in planned.procedures),
            *(delay for copy in planned.deployment.copies for delay in (copy.hold, copy.propagate, copy.interval)),
            self.catalogue.figures["share.destroyed"],
            load_of(self.system)[0],
            unit="writes",
            plausible=(1.0, 1.0),
        )
        each = stated(self.system, LOST_WRITE, "a lost write", economics.lost_message_usd, "USD/write")
        parts = [product("outages", "USD/year", hours, price), product("lost writes", "USD/year", writes, each)]
        return total("expected loss per year", "USD/year", parts)

    def lost_writes(self, planned: Planned) -> float:
        """A year, over all faults: business events, each once, wherever it was written."""
        return sum(self.lost_writes_by_fault(planned).values())

    def lost_writes_by_fault(self, planned: Planned) -> Mapping[Fault, float]:
        deployment, lost = planned.deployment, dict[Fault, float]()
        kept, gone = retention_s(self.system, self.catalogue.figures), self.catalogue.figures["share.destroyed"]
        for fault in planned.procedures:
            sites = 1 if fault.per_system else len(deployment.serving)
            rate = sum(self.model.rate(fault, site).mean for site in range(sites)) / len(deployment.serving)
            seconds = mean(events_lost_s(deployment, fault, self.draws(fault), self.buffer, kept, gone))
            lost[fault] = rate * seconds * self.system.load.mean_per_s
        return lost

    def _owning(self, deployment: Deployment, monthly: Mapping[str, Estimate], loss: Estimate) -> Estimate:
        rate = stated(self.system, ENGINEER, "an hour of work", self.system.economics.engineer_usd_per_hour, "USD/h")
        provider = self.system.region.provider
        year = product(
            "a year of it",
            "USD/year",
            monthly[provider if provider in monthly else "aws"],
            fixed("months", 12, "", "a year"),
        )
        hours = total("hours of initial work", "h", [mean_of(need.hours) for need in deployment.requirements])
        share = fixed("share written off a year", 1 / WRITE_OFF_YEARS, "", "over three years")
        return total(
            "cost of owning", "USD/year", [year, product("getting there", "USD/year", hours, rate, share), loss]
        )

    def _unprepared(self, planned: Planned) -> str:
        """What the loss of the region would meet where nothing was prepared; empty where it would still work."""
        deployment = planned.deployment
        if not deployment.requirements:
            return ""
        kit = Kit.of(self.system, self.catalogue)
        bare = lay_out(deployment.strategy, kit, prepared=False)
        steps = procedures(bare, kit)[Fault.REGION].steps
        return "; ".join(step.blocked for step in steps if step.blocked)


def mean_of(estimate: Estimate) -> Estimate:
    """The expectation of an estimate, as a plain number with its range."""
    return count(
        estimate.name, estimate.mean, estimate.source, estimate, unit=estimate.unit, plausible=estimate.plausible
    )


def _excluded(outcomes: tuple[ContractOutcome, ...], hazards: tuple[Hazard, ...]) -> str:
    """The first contract that cannot hold at all: no end to its recovery, no copy, or a fatal hazard."""
    for outcome in outcomes:
        if not outcome.promised or outcome.unknown:
            continue
        for kind, estimate, limit in (
            ("RTO", outcome.rto, outcome.contract.rto_s),
            ("RPO", outcome.rpo, outcome.contract.rpo_s),
        ):
            if limit is not None and estimate.unbounded:
                return f"{outcome.contract.name}: {kind} unbounded, {estimate.source}"
    for hazard in hazards:
        if hazard.severity is Severity.FATAL and hazard.contract and not hazard.waived:
            return f"{hazard.contract}: {hazard.message} ({hazard.rule})"
    return ""
