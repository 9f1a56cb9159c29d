"""What a drill was: written first into its evidence folder, and all that judging needs to know beside raw data.

Nothing in it is measured, so a folder without its end still says what it was going to be.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from attrs import evolve, field, frozen

from secondsite.drill.evidence.fingerprint import Fingerprint
from secondsite.drill.evidence.rehearsal import Unrehearsed
from secondsite.model.contract import Contract, Standing, Subject, Venue
from secondsite.model.errors import InputError
from secondsite.model.fault import Fault
from secondsite.model.procedure import Procedure, Verb
from secondsite.model.strategy import Strategy
from secondsite.model.units import Seconds
from secondsite.model.wording import duration

SCHEMA = "secondsite/evidence/1"
FAILBACK = "failback"
TODAY = "today"


@frozen
class Timing:
    """What RTO and RPO mostly consist of, as configured. ``decide_s``: how long a second signal has to agree.

    ``backup_s``: how often streams are backed up, where nothing else carries them; 0 where something does.
    ``snapshot_s``: the same of stores that only snapshots leave, from the moment of one until the next is loaded.
    """

    check_interval_s: float
    check_threshold: int
    decide_s: float
    ttl_s: float
    backup_s: float = 0.0
    snapshot_s: float = 0.0


def as_saved(ran: Timing, own: Timing) -> tuple[Timing, Timing]:
    """Of a store that only snapshots leave: they are its backups. Where there are none, as it was."""
    if not own.snapshot_s:
        return ran, own
    return evolve(ran, backup_s=ran.snapshot_s), evolve(own, backup_s=own.snapshot_s)


@frozen
class StepFacts:
    """``figure`` is the name of the estimate that the step's duration was taken from."""

    id: str
    verb: Verb
    figure: str


@frozen
class DrillManifest:
    """``drill`` is a name such as ``region-loss``, ``fault`` what its contracts are about.

    ``run`` counts the repetitions from 1. ``started_at`` is ISO 8601 in UTC. ``subjects`` are those that the drill
    really ran. ``new_side``: networks that traffic was moved to, none where it may stay. ``timing`` is what was
    configured, ``production`` what the strategy asks for: where they differ and clients move, figures are projected.
    ``unrehearsed``: what moving takes in production and the lab has none of, by subject.
    ``control`` names the negative control that this run was; such a run proves no contract. ``id`` is the run's own,
    ``campaign`` that of the record it belongs to. ``carried_out``: the faults whose procedures the fingerprint holds,
    and ``failback``. ``of`` what is deployed or of a design, and ``where`` it was drilled. ``version``: which
    nats-server was asked for, ``today`` for the system as it runs, empty for what the strategy prepares. ``stores``:
    databases that ran, ``saved`` those of them that only snapshots leave, ``other_stores`` those with data that did
    not. ``instead``: what ran in the place of a store's own server. ``trigger``: who noticed and decided.
    """

    drill: str
    strategy: str
    fault: Fault
    profile: str
    seed: int
    run: int
    started_at: str
    fingerprint: Fingerprint
    timing: Timing
    production: Timing
    subjects: tuple[Subject, ...]
    contracts: tuple[Contract, ...] = ()
    new_side: tuple[str, ...] = ()
    steps: tuple[StepFacts, ...] = ()
    milestones: Mapping[Subject, str] = field(factory=dict)
    versions: Mapping[str, str] = field(factory=dict)
    host: Mapping[str, str] = field(factory=dict)
    control: str = ""
    unrehearsed: Mapping[Subject, Unrehearsed] = field(factory=dict)
    id: str = ""
    campaign: str = ""
    carried_out: tuple[str, ...] = ()
    of: Standing = Standing.DESIGN
    where: Venue = Venue.LAB
    version: str = ""
    stores: tuple[str, ...] = ()
    other_stores: tuple[str, ...] = ()
    trigger: str = "checks"
    saved: tuple[str, ...] = ()
    instead: Mapping[str, str] = field(factory=dict)

    def saved_for(self, contract: Contract) -> bool:
        """Whether it is about a store that only snapshots leave."""
        return contract.subject is Subject.STATE and any(contract.part in ("", name) for name in self.saved)

    def notes_on(self, contract: Contract, lost_s: float) -> str:
        """What ran in the place of servers that the contract is about, and what snapshots lose in production."""
        mine = {name: what for name, what in self.instead.items() if contract.part in ("", name)}
        played = [f"{name} was played on {what}" for name, what in mine.items()]
        lost = f"at production's intervals, up to {duration(lost_s)} of writes are lost"
        return "; ".join([*played, lost] if lost_s > 0 else played) if self.saved_for(contract) else ""

    def judged_apart(self, contract: Contract) -> tuple[str, ...]:
        """Of a contract on the whole state, stores that get across at different intervals; none where all do alike."""
        return () if contract.part or not self.saved_for(contract) else self.stores

    def timings(self, contract: Contract) -> tuple[Timing, Timing]:
        """As drilled and in production, as far as the contract's subject goes."""
        each = (self.timing, self.production)
        return as_saved(*each) if self.saved_for(contract) else each

    def not_run(self, contract: Contract) -> str:
        """Why nothing is known of what the contract is about; empty where something is, if only of a part of it."""
        known = contract.part in self.stores if contract.part else bool(self.stores)
        if contract.subject in self.subjects or (contract.subject is Subject.STATE and known):
            return ""
        return f"the drill {self.drill} did not run {contract.about if self.stores else contract.subject}"

    def in_part(self, contract: Contract) -> bool:
        """Whether it ran the part that the contract is about, where not all of the subject."""
        return bool(contract.part) and contract.subject not in self.subjects and not self.not_run(contract)

    @property
    def procedures(self) -> tuple[str, ...]:
        """As `carried_out`; an older version did not say."""
        return self.carried_out or ((FAILBACK,) if self.drill == FAILBACK else (str(self.fault),))

    @property
    def design(self) -> str:
        """As ``--strategy`` takes it; nothing that holds of one of its versions holds of another."""
        return f"{self.strategy}@{self.version}" if self.version else self.strategy

    @property
    def prepared(self) -> bool:
        """Whether what the strategy needs first had been done; an older version did not say of a design."""
        return self.version != TODAY and self.of is not Standing.DEPLOYED

    @property
    def projected(self) -> bool:
        """Where nobody moves, neither checks nor the TTL have a part in the clock."""
        return self.timing != self.production and bool(self.new_side)

    @property
    def moves_by_checks(self) -> bool:
        """Whether the DNS provider's own checks move the clients, so that the record changes with detection."""
        try:
            return Strategy.parse(self.strategy).switch.in_data_plane
        except ValueError:
            return False

    def step_of(self, *verbs: Verb) -> str:
        """The last step with one of the verbs; empty where there is none."""
        return next((step.id for step in reversed(self.steps) if step.verb in verbs), "")


def steps_of(procedure: Procedure) -> tuple[StepFacts, ...]:
    return tuple(StepFacts(step.id, step.verb, step.duration.name) for step in procedure.steps)


def to_json(manifest: DrillManifest) -> dict[str, Any]:
    from cattrs import unstructure

    return {"schema": SCHEMA, **unstructure(manifest)}


def from_text(text: str, place: str) -> DrillManifest:
    """Raises InputError for what no drill wrote."""
    from cattrs import Converter
    from cattrs.errors import BaseValidationError

    converter = Converter()
    converter.register_structure_hook(Seconds, lambda value, _: Seconds(float(value)))
    remedy = "give the folder of a finished drill of this version of secondsite"
    try:
        plain = json.loads(text)
        schema = plain.pop("schema")
        if schema != SCHEMA:
            raise InputError.at(place, f"its schema is {schema!r}, not {SCHEMA}", remedy)
        return converter.structure(plain, DrillManifest)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError, BaseValidationError):
        raise InputError.at(place, "is not a drill manifest", remedy) from None
