"""``dr-contracts.md``: what is promised, what was shown, who starts a failover and when, how state is kept alike."""

from __future__ import annotations

from collections import Counter

from attrs import frozen

from secondsite.evaluate.derive import total
from secondsite.model.contract import Verdict
from secondsite.model.estimate import Estimate
from secondsite.model.fault import Fault
from secondsite.model.procedure import Procedure, Step, Verb
from secondsite.model.store import Loss
from secondsite.model.wording import counted, number
from secondsite.publish.content.board import ContractBoardRow, board, by_store
from secondsite.publish.content.inputs import Inputs, StoreVerdict
from secondsite.publish.content.measured import evidence_mark, measured_text
from secondsite.publish.content.proof import undrilled
from secondsite.publish.content.sources import Sources
from secondsite.publish.content.state import Replicated, replicated
from secondsite.publish.text.markdown import Md, code, joined, strong, table, text
from secondsite.publish.text.nonbreaking import about, duration, percent
from secondsite.publish.text.templates import render

NAME = "dr-contracts.md"
NO_OWNER = Md("**nobody named**")


@frozen
class Trigger:
    """What has to happen before the failover for these faults starts."""

    faults: tuple[Fault, ...]
    detect: Step | None
    decide: Step


def document(inputs: Inputs, sources: Sources) -> str:
    standings = board(inputs)
    return render(
        "dr-contracts.md.j2",
        system=inputs.system,
        strategy=code(inputs.chosen.strategy.id),
        as_of=inputs.as_of.isoformat(),
        summary=counts(standings),
        board=_board(inputs, standings, sources),
        proofs=_proofs(inputs, standings),
        unpromised=_unpromised(inputs, sources),
        triggers=_triggers(inputs, sources),
        by_person=any(trigger.decide.by_person for trigger in triggers(inputs)),
        state=_state(inputs, sources),
    )


def counts(standings: tuple[ContractBoardRow, ...]) -> Md:
    """How many contracts have which verdict, and what that is a verdict of."""
    if not standings:
        return Md("`secondsite.yaml` has no contracts, so none can be met or breached.")
    count = {verdict: sum(s.verdict is verdict for s in standings) for verdict in Verdict}
    held = sum(s.verdict is Verdict.UNPROVEN and s.expected_to_hold for s in standings)
    each = joined(f"{count[verdict]} {verdict}" for verdict in Verdict)
    be = "is" if held == 1 else "are"
    rest = (
        f" Of the unproven, {held} {be} expected to hold; that is an estimate, not proof."
        if count[Verdict.UNPROVEN]
        else ""
    )
    designs = sum(s.of_a_design for s in standings)
    met = count[Verdict.MET]
    scope = (
        f" {designs} of the {met} met {'was' if designs == 1 else 'were'} drilled on a design in the lab, which says"
        " nothing about what is deployed."
        if designs
        else ""
    )
    total_of = f"{counted(len(standings), 'contracts')}: {each}."
    return Md(f"{strong(total_of)}{scope}{rest}")


def _board(inputs: Inputs, standings: tuple[ContractBoardRow, ...], sources: Sources) -> Md:
    rows: list[tuple[object, ...]] = []
    for standing in standings:
        outcome, contract = standing.outcome, standing.contract
        written = f"contracts.{contract.name}"
        rto = contract.rto_s is not None
        rpo = contract.rpo_s is not None
        rows.append(
            (
                code(contract.name),
                inputs.linked(written, duration(contract.rto_s)) if contract.rto_s is not None else "–",
                sources.figure(outcome.rto, span=True) if rto else "–",
                inputs.linked(written, duration(contract.rpo_s)) if contract.rpo_s is not None else "–",
                sources.figure(outcome.rpo, span=True) if rpo else "–",
                Md(
                    "unknown"
                    if outcome.probability_met is None
                    else f"{about(outcome.probability_met)} / {percent(contract.confidence)}"
                ),
                _measured(standing, sources),
                verdict(standing),
            )
        )
        stores = by_store(inputs, contract)
        often = Counter(one.contract.name for one in stores)
        rows += [_by_store(inputs, one, written, sources, often[one.contract.name] > 1) for one in stores]
    judged = [figure for one in standings for figure in (one.outcome.rto, one.outcome.rpo)]
    head = (
        "Contract",
        "RTO limit",
        "RTO expected",
        "RPO limit",
        "RPO expected",
        sources.head("Probability / required", sources.of_all("probability that contracts hold", judged)),
        "Last measured",
        "Verdict",
    )
    return table(head, rows) if rows else Md("")


def _by_store(inputs: Inputs, one: StoreVerdict, written: str, sources: Sources, several: bool) -> tuple[object, ...]:
    """Under the same limits; nothing is expected of one store alone. ``several`` drills judged it: each is named."""
    contract, measured = one.contract, one.measured
    limits = [
        inputs.linked(written, duration(limit)) if limit is not None else "–"
        for limit in (contract.rto_s, contract.rpo_s)
    ]
    shown = Md(f"{measured_text(measured, whole=False)} {evidence_mark(measured, sources)}") if measured else "never"
    proven = measured is not None and one.verdict is not Verdict.UNPROVEN
    judged = Md(f"{strong(one.verdict)}, {text(measured.scope if proven and measured else one.why)}")
    name = Md(f"{code(contract.name)} ({text(measured.drill)})") if several and measured else code(contract.name)
    return (name, limits[0], "–", limits[1], "–", "–", shown, judged)


def verdict(standing: ContractBoardRow) -> Md:
    if standing.outcome.unknown:
        return Md("**unproven**, no stream is known")
    if standing.verdict is Verdict.UNPROVEN and not standing.expected_to_hold:
        return Md("**unproven**, expected to be breached")
    if standing.measured is None or standing.verdict is Verdict.UNPROVEN:
        return strong(standing.verdict)
    return Md(f"{strong(standing.verdict)}, {text(standing.measured.scope)}")


def _measured(standing: ContractBoardRow, sources: Sources) -> Md:
    one = standing.measured
    if one is None:
        return Md("never")
    figure = Md(f"{measured_text(one, whole=False)} {evidence_mark(one, sources)}")
    return Md(f"{figure}, stale: {text(standing.stale)}") if standing.stale else figure


def _proofs(inputs: Inputs, standings: tuple[ContractBoardRow, ...]) -> Md:
    rows = [
        (
            code(standing.contract.name),
            text(standing.contract.owner) if standing.contract.owner else NO_OWNER,
            code(standing.command) or strong(undrilled(standing.contract)),
            f"every {standing.proof.every}" if standing.command else "–",
            standing.until.isoformat() if standing.until and not standing.stale else "–",
            inputs.at(f"contracts.{standing.contract.name}"),
        )
        for standing in standings
    ]
    head = ("Contract", "Owner", "Command that proves it", "Run it", "Evidence valid until", "Written in")
    return table(head, rows) if rows else Md("")


def _unpromised(inputs: Inputs, sources: Sources) -> Md:
    rows = [
        (
            code(outcome.contract.name),
            sources.figure(outcome.rto, span=True),
            sources.figure(outcome.rpo, span=True),
        )
        for outcome in inputs.chosen.outcomes
        if not outcome.promised
    ]
    return table(("Not promised", "RTO expected", "RPO expected"), rows) if rows else Md("")


def triggers(inputs: Inputs) -> tuple[Trigger, ...]:
    """One for each way of noticing and deciding; the faults that share it together."""
    faults_by_step: dict[tuple[Step | None, Step], list[Fault]] = {}
    for fault, procedure in inputs.chosen.procedures.items():
        decide = next((step for step in procedure.steps if step.verb is Verb.DECIDE and not step.approval), None)
        if decide is not None:
            faults_by_step.setdefault((_detection(procedure), decide), []).append(fault)
    return tuple(Trigger(tuple(faults), *steps) for steps, faults in faults_by_step.items())


def _detection(procedure: Procedure) -> Step | None:
    return next((step for step in procedure.steps if step.verb is Verb.DETECT), None)


def _triggers(inputs: Inputs, sources: Sources) -> Md:
    traffic = inputs.chosen.deployment.traffic
    rows = []
    for trigger in triggers(inputs):
        detect, decide = trigger.detect, trigger.decide
        faults = joined(code(fault) for fault in trigger.faults)
        if decide.blocked or detect is None:
            rows.append((faults, f"no failover: {decide.blocked or decide.title}", "–", "–", "–", "–", "–"))
            continue
        checks = not detect.by_person
        rows.append(
            (
                faults,
                Md(f"{text(detect.title)}; then {text(decide.title)}"),
                sources.value(detect.duration, f"{traffic.check_threshold} failures in a row")
                if checks
                else "a person's judgement",
                _window(traffic.detection_s, detect, decide, sources) if checks else "–",
                strong("a person") if decide.by_person else "automatic",
                "incident commander" if decide.by_person else "nobody has to",
                sources.figure(_decided(detect, decide), span=True),
            )
        )
    head = ("Fault", "Signal", "Threshold", "Window", "Declared by", "Who may", "Declared after")
    return table(head, rows) if rows else Md("")


def _window(checks_s: float, detect: Step, decide: Step, sources: Sources) -> Md:
    """For how long the checks fail, and for how long the second signal has to agree."""
    first = Md(f"{sources.value(detect.duration, f'{number(checks_s)} s')} {sources.mark(detect.duration)}")
    return Md(f"{first}, then {sources.figure(decide.duration)}")


def _decided(detect: Step, decide: Step) -> Estimate:
    return total("from the fault to the declaration, mean", "s", [detect.duration, decide.duration])


def _state(inputs: Inputs, sources: Sources) -> Md:
    copies = replicated(inputs.chosen)
    alert = sources.of_all("alert thresholds", (one.behind for one in copies))
    rows: list[tuple[object, ...]] = [
        (
            text(_what(one)),
            Md(f"{text(one.copy.method)} to {code(one.copy.region)}"),
            sources.figure(one.behind, mean=True),
            Md(f"{inputs.linked(f'contracts.{one.contract}', duration(one.limit_s))} ({code(one.contract)})")
            if one.limit_s is not None
            else Md("none promised"),
            _alerted(one, sources),
        )
        for one in copies
    ]
    rows += _rest(inputs)
    head = ("State", "How it is replicated", "Behind, mean", "May be behind", sources.head("Alert when", alert))
    return table(head, rows)


def _alerted(one: Replicated, sources: Sources) -> Md:
    limit = Md(f"older than {sources.value(one.behind, duration(one.alert_s))}")
    return strong(Md(f"{limit}: cannot hold")) if one.too_slow else limit


def _what(one: Replicated) -> str:
    return f"{one.copy.what} ({', '.join(one.copy.covers)})" if one.copy.covers else one.copy.what


def _rest(inputs: Inputs) -> list[tuple[object, ...]]:
    """State that no copy carries."""
    system = inputs.system
    rows: list[tuple[object, ...]] = []
    consumers = sum(len(stream.consumers) for cluster in system.nats for stream in cluster.streams)
    if consumers:
        rows.append(
            (
                f"positions of {consumers} durable consumers",
                "created at the copied floor + 1, as a mirror has none",
                "–",
                "the streams' limit",
                "floors older than the streams' alert",
            )
        )
    if system.secrets:
        slowest = max(system.secrets, key=lambda secret: secret.refresh_s or 0.0)
        refresh = slowest.refresh_s
        rows.append(
            (
                counted(len(system.secrets), "secrets"),
                "secret store replicated, synchronised in both regions",
                inputs.linked(f"secrets.{slowest.name}.refresh", duration(refresh)) if refresh else "–",
                "no difference",
                "a key is missing, or its fingerprint differs",
            )
        )
    caches = [store.name for store in system.stores if store.loss is Loss.CACHE]
    if caches:
        rows.append((joined(map(code, caches)), "not copied: it refills itself", "–", "–", "–"))
    rows.append(("manifests", "Git, applied in both regions", "–", "no difference", "the delivery tool reports drift"))
    return rows
