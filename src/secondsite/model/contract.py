"""What is promised: for a subject and a fault, RTO and RPO limits, and the confidence asked."""

from __future__ import annotations

from enum import StrEnum

from attrs import field, frozen

from secondsite.model.fault import Fault
from secondsite.model.units import Seconds


class Subject(StrEnum):
    API = "api"
    NATS = "nats"
    STATE = "state"
    OBSERVABILITY = "observability"


class Verdict(StrEnum):
    """``unproven`` is everything that was not run, however good the estimate; never "met"."""

    MET = "met"
    BREACHED = "breached"
    UNPROVEN = "unproven"


class Standing(StrEnum):
    """Of what a verdict is: of what is deployed, or of a design that nobody has deployed yet."""

    DEPLOYED = "deployed"
    DESIGN = "design"


class Venue(StrEnum):
    """Where it was drilled."""

    LAB = "lab"
    STAGING = "staging"
    PRODUCTION = "production"


@frozen
class Contract:
    """A limit of None is not promised. ``owner`` answers for it: a team or a person, as they write themselves.

    ``shelf_life_s``: how long evidence proves it; None for the usual time. ``part`` is one stream or store of the
    subject (`nats/ORDERS`), empty for all of it.
    """

    subject: Subject
    fault: Fault
    rto_s: Seconds | None = None
    rpo_s: Seconds | None = None
    confidence: float = 0.9
    owner: str = ""
    shelf_life_s: Seconds | None = None
    part: str = field(default="", metadata={"spelt_in": "subject"})

    @property
    def about(self) -> str:
        """The subject as it is written: ``nats``, or ``nats/ORDERS``."""
        return about(self.subject, self.part)

    @property
    def name(self) -> str:
        return f"{self.about}/{self.fault}"


def about(subject: Subject, part: str) -> str:
    return f"{subject}/{part}" if part else str(subject)
