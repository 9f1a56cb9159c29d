"""What a drill measured of one contract: the figure that turns *unproven* into *met* or *breached*.

Made from evidence (a folder that a drill left), used by verification, evaluation and publication alike.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from secondsite.model.contract import Standing, Subject, Venue, Verdict, about
from secondsite.model.fault import Fault

RTO_PARTS = ("detect", "decide", "execute", "converge", "first_ack", "sustained")
"""One clock from the fault on, always decomposed; the parts sum to the total."""


@frozen
class DataLoss:
    """RPO three ways: ``seconds`` is the age of the oldest lost acknowledged write when the fault came.

    ``at_least``: no older write of its stream is there, so more may have been lost than anybody could see.
    """

    messages: int
    bytes: int
    seconds: float
    at_least: bool = False


@frozen
class Measurement:
    """Of ``runs`` drills of one strategy, fault and profile, judged against one contract.

    ``rto_s`` holds the parts of `RTO_PARTS` and ``total``, of the run with the longest total; None where the
    procedure did not complete (``why`` says what stopped it). ``fingerprint`` binds system, strategy, server version
    and procedure: where it differs from today's, the evidence is stale. ``steps_s`` are the seconds that each step of
    the procedure took in that run, by its id, as far as it was really rehearsed. ``unrehearsed`` steps took no time,
    and are expected to take ``unrehearsed_s``; ``upper_rto_s`` has them in it. ``production_loss_s``: what snapshots at
    production's intervals lose of writes, where ``loss`` is at the drill's shorter ones. The verdict is ``of`` what
    is deployed or of a design, and holds ``where`` it was drilled.
    """

    subject: Subject
    fault: Fault
    drill: str
    strategy: str
    profile: str
    verdict: Verdict
    rto_s: Mapping[str, float] | None
    loss: DataLoss | None
    runs: int
    seed: int
    at: str
    versions: Mapping[str, str]
    evidence: str
    fingerprint: str
    ledger: Mapping[str, int] = field(factory=dict)
    upper_rto_s: float | None = None
    projected: bool = False
    why: str = ""
    of: Standing = Standing.DESIGN
    where: Venue = Venue.LAB
    unrehearsed: tuple[str, ...] = ()
    unrehearsed_s: float = 0.0
    steps_s: Mapping[str, float] = field(factory=dict)
    part: str = ""
    production_loss_s: float | None = None

    @property
    def about(self) -> str:
        """The subject as contracts name it."""
        return about(self.subject, self.part)

    @property
    def scope(self) -> str:
        """Of what the verdict is, and where: the same words everywhere."""
        what = "what is deployed" if self.of is Standing.DEPLOYED else "a design"
        return f"of {what}, in {'the lab' if self.where is Venue.LAB else self.where}"
