"""Which finding makes which contract breached or unproven, or is only told, and why: a table for judge and docs.

The two limits of a contract are not here: RTO and RPO are judged by figures, and everything else by this.
"""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen

from secondsite.model.contract import Contract, Subject, Verdict
from secondsite.model.fault import Fault


class Bears(StrEnum):
    """On which contracts of the run a finding bears."""

    EVERY = "every"
    NATS = "nats"
    RPO = "with an RPO"
    RTO = "with an RTO"
    BAD_WRITE = "bad-write"
    NO_DELETION = "all but deletion"
    NONE = "none"


@frozen
class Effect:
    """``finding`` is its name in the ledger's counts, ``phrase`` its words behind the count, ``one`` behind 1."""

    finding: str
    bears: Bears
    verdict: Verdict | None
    phrase: str
    why: str
    one: str = ""

    def on(self, contract: Contract) -> bool:
        return {
            Bears.EVERY: True,
            Bears.NATS: contract.subject is Subject.NATS,
            Bears.RPO: contract.rpo_s is not None,
            Bears.RTO: contract.rto_s is not None,
            Bears.BAD_WRITE: contract.fault is Fault.BAD_WRITE,
            Bears.NO_DELETION: contract.fault is not Fault.DELETION,
            Bears.NONE: False,
        }[self.bears]


_RED, _OPEN = Verdict.BREACHED, Verdict.UNPROVEN

EFFECTS: tuple[Effect, ...] = (
    Effect(
        "not-shown",
        Bears.EVERY,
        _RED,
        "observations contradict the plan",
        "the drill refuted what it was meant to show",
    ),
    Effect(
        "not-seen",
        Bears.EVERY,
        _OPEN,
        "observations are unproven",
        "the effect that it was meant to show was not observed",
    ),
    Effect(
        "two-writers",
        Bears.EVERY,
        _RED,
        "streams had two writers",
        "a log restarted more often than a failover causes",
    ),
    Effect(
        "altered",
        Bears.EVERY,
        _RED,
        "messages have a different payload",
        "the stored message differs from the acknowledged one",
        "message has a different payload",
    ),
    Effect(
        "moved",
        Bears.EVERY,
        _RED,
        "messages have a different subject or key",
        "filtering consumers do not receive it",
        "message has a different subject or key",
    ),
    Effect(
        "torn",
        Bears.EVERY,
        _RED,
        "objects are torn",
        "chunks are missing, or their digest differs from the one that the object names",
        "object is torn",
    ),
    Effect(
        "phantom",
        Bears.EVERY,
        _RED,
        "messages came from nowhere",
        "no client sent them",
        "message came from nowhere",
    ),
    Effect(
        "doubled",
        Bears.EVERY,
        _RED,
        "messages are stored twice",
        "each was sent once and stored at once",
        "message is stored twice",
    ),
    Effect(
        "disordered",
        Bears.EVERY,
        _RED,
        "messages are out of order",
        "each was stored before the next of its key was sent",
        "message is out of order",
    ),
    Effect(
        "out-of-place",
        Bears.EVERY,
        Verdict.MET,
        "salvaged messages come after later acknowledged ones",
        "they exist, but later: consumers receive them once and out of order",
        "salvaged message comes after later acknowledged ones",
    ),
    Effect(
        "resurrected",
        Bears.NO_DELETION,
        _RED,
        "removed messages are back",
        "where deletion is the fault, this is the repair",
        "removed message is back",
    ),
    Effect(
        "wrong-present",
        Bears.BAD_WRITE,
        _RED,
        "bad writes are still there",
        "they had to be removed",
        "bad write is still there",
    ),
    Effect(
        "skipped",
        Bears.NATS,
        _RED,
        "messages were skipped by a consumer",
        "it acknowledged messages that it did not process",
        "message was skipped by a consumer",
    ),
    Effect(
        "undrained",
        Bears.NATS,
        _OPEN,
        "consumers did not catch up",
        "skipped messages are unknown until they have",
        "consumer did not catch up",
    ),
    Effect(
        "clashes",
        Bears.EVERY,
        _OPEN,
        "messages share a sequence in a stream",
        "no server does that, so the read is wrong",
    ),
    Effect(
        "uncompared",
        Bears.RPO,
        _OPEN,
        "copies without payloads and subjects",
        "their content was not compared with what was sent",
        "copy without payloads and subjects",
    ),
    Effect(
        "withheld",
        Bears.EVERY,
        _OPEN,
        "% of the load was withheld",
        "above 5 %: clients that wait for answers see less of an outage",
    ),
    Effect(
        "late",
        Bears.EVERY,
        _OPEN,
        "s was the largest delay of the load",
        "above 1 s: the machine was too busy for reliable timing",
    ),
    Effect(
        "unread",
        Bears.RPO,
        _OPEN,
        "fates are unknown",
        "a copy was not read completely; a loss that was found counts",
    ),
    Effect(
        "acknowledged-lost",
        Bears.RPO,
        None,
        "acknowledged writes are lost",
        "judged by its age against the RPO",
    ),
    Effect(
        "duplicate",
        Bears.NONE,
        None,
        "duplicates",
        "a retry, or a buffer that sends on, may store twice",
    ),
    Effect(
        "reordered",
        Bears.NONE,
        None,
        "overtaken",
        "writes that a buffer accepted (202) have no fixed position",
    ),
    Effect(
        "processed-twice",
        Bears.NONE,
        None,
        "processed twice",
        "delivery is at least once",
    ),
    Effect(
        "jobs-twice",
        Bears.NONE,
        None,
        "jobs done twice",
        "delivery is at least once",
    ),
    Effect(
        "jobs-never",
        Bears.NONE,
        None,
        "jobs never done",
        "counted as lost: gone from the queue, and not recorded by a worker",
    ),
    Effect(
        "processed-lost",
        Bears.NONE,
        None,
        "processed and lost",
        "counted as lost already",
    ),
)
"""In the order in which they are told."""

MOST_WITHHELD = 0.05
MOST_LATE_S = 1.0
