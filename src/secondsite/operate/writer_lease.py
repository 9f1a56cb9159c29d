"""The leases that writers hang on under `writers: one`: a record for each region, in the standby's own streams.

At most one of them is granted: the first region's, until somebody ends it; the other one's from a failover on.

A gate renews it by appending to the record it knows (expected-last-subject-sequence), so a renewal is decided by the
quorum of the other region and fails once somebody ended it there. The end is appended without a condition: from its
acknowledgement on no renewal succeeds, and ``LeaseTerms.handover_s`` later every lease has run out on its holder's own
clock. A controller that saw the last renewal itself, and ends the lease on the condition that it is still the last,
counts from when it saw it: the lease of a region that fell silent runs out while the watch still makes sure. Granting
it again is for the operation that gives the region its streams back, or that was given up.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Iterable
from typing import Any

from attrs import asdict, define, frozen

from secondsite.backup.strict import parse
from secondsite.model.deployment import Deployment
from secondsite.model.errors import MachineError
from secondsite.nats.streams import WRONG_LAST_SEQUENCE
from secondsite.operate.action import Context, Scope
from secondsite.operate.layout import families
from secondsite.operate.shell import published
from secondsite.operate.world import LeaseReading, StreamsDoor
from secondsite.strategies.rights import WRITERS_STREAM, lease_subject
from secondsite.strategies.write_gate import LeaseTerms, leased, takes_over

_EXPECTED = "Nats-Expected-Last-Subject-Sequence"
_WAITS_S = 0.5


@frozen
class WriterRecord:
    """``by``: the server that renewed it, or the operation that ended or granted it."""

    granted: bool
    by: str = ""

    @classmethod
    def of(cls, data: bytes) -> WriterRecord:
        """What cannot be read grants nothing."""
        try:
            lease = parse(data)
            return cls(lease["granted"] is True, str(lease.get("by", "")))
        except (ValueError, TypeError, KeyError):
            return cls(granted=False)

    @property
    def data(self) -> bytes:
        return json.dumps(asdict(self)).encode()


def lease_home(deployment: Deployment) -> str:
    """Whose servers keep the records: the region that takes over."""
    return takes_over(deployment)


def lease_config(deployment: Deployment) -> dict[str, Any]:
    """With as many replicas as the streams there; only the last word on each region is kept."""
    held = [one for family in families(deployment) if (one := family.at(lease_home(deployment)))]
    clusters = {one.cluster.name for one in held if one.cluster.gateways}
    config: dict[str, Any] = {
        "name": WRITERS_STREAM,
        "subjects": [lease_subject("*")],
        "num_replicas": max((one.stream.replicas for one in held), default=1),
        "storage": "file",
        "max_msgs_per_subject": 1,
        "deny_delete": True,
        "deny_purge": True,
    }
    return config | ({"placement": {"cluster": min(clusters)}} if clusters else {})


@define
class WriterLease:
    """One server's hold. ``until`` is on its own ``clock``; 0 where it holds none. ``at_first``: whether it may ask for
    one where nobody has granted or ended any.

    ``streams`` of the calls are those of the region that keeps the record: the first one's keepers reach it through the
    link.
    """

    region: str
    by: str
    terms: LeaseTerms
    config: dict[str, Any]
    clock: Callable[[], float]
    until: float = 0.0
    at_first: bool = True
    _asked: float = -1e9
    _sequence: int | None = None

    @property
    def writes(self) -> bool:
        """Whether writers may be let in, or stay: while there is time left to shut them out in order."""
        return self.clock() < self.until - self.terms.shut_before_s

    async def renew(self, streams: StreamsDoor) -> None:
        """Where it is time to. What is not known, or refused, leaves the lease to run out."""
        if self.clock() - self._asked < self.terms.renew_after_s and self._sequence is not None:
            return
        try:
            async with asyncio.timeout(self.terms.answer_s):
                await self._renew(streams)
        except (MachineError, TimeoutError):
            self._sequence = None

    async def _renew(self, streams: StreamsDoor) -> None:
        if self._sequence is None and not await self._granted(streams):
            return
        asked = self.clock()
        headers = {_EXPECTED: str(self._sequence)}
        answer = await streams.publish(lease_subject(self.region), WriterRecord(True, self.by).data, headers)
        if answer.code in WRONG_LAST_SEQUENCE or answer.code or answer.stream != WRITERS_STREAM:
            self._sequence = None
            return
        self._sequence, self._asked, self.until = answer.sequence, asked, asked + self.terms.seconds

    async def _granted(self, streams: StreamsDoor) -> bool:
        """Read what the record is now. One that was ended is not held a moment longer."""
        if await streams.stream(WRITERS_STREAM) is None:
            await streams.create(self.config)
        newest = await streams.newest(WRITERS_STREAM, lease_subject(self.region))
        if not (WriterRecord.of(newest.data).granted if newest else self.at_first):
            self.until = 0.0
            return False
        self._sequence = newest.sequence if newest else 0
        return True


async def end_lease(context: Context, region: str) -> float | None:
    """End it: the moment, on the controller's clock, from which ``handover_s`` counts. None where there is none.

    Raises MachineError where the other region's servers do not say that they wrote it down.
    """
    if not _concerns(context, region):
        return None
    known = context.world.decision.lease if region == context.home else None
    if known is not None and await _announce(context, region, granted=False, after=known.sequence):
        return known.since_s
    await _announce(context, region, granted=False)
    return context.world.clock.monotonic()


async def read_lease(
    door: StreamsDoor, region: str, known: LeaseReading | None, clock: Callable[[], float]
) -> LeaseReading:
    """What the record is now: ``since_s`` is when this very record was first seen, and never before it was stored."""
    there = await door.stream(WRITERS_STREAM) is not None
    newest = await door.newest(WRITERS_STREAM, lease_subject(region)) if there else None
    sequence = newest.sequence if newest else 0
    return known if known is not None and known.sequence == sequence else LeaseReading(sequence, clock())


async def run_out(context: Context, since: float) -> None:
    """Until nobody holds it any more. A time that is known is no standing still."""
    terms, clock = leased(context.deployment), context.world.clock
    ends = since + terms.handover_s if terms else 0.0
    while (left := ends - clock.monotonic()) > 0:
        await clock.sleep(min(left, _WAITS_S))
        context.progressed()


async def grant_lease(context: Context, region: str) -> None:
    """Where the region's writers hang on one, and once nobody holds the other one's: looked at right before."""
    if not _concerns(context, region):
        return
    other = _other(context, region)
    if await may_hold_lease(context, other) and (ended := await end_lease(context, other)) is not None:
        await run_out(context, ended)
    await _announce(context, region, granted=True)


def ending(context: Scope, region: str) -> Iterable[str]:
    """By hand."""
    terms = leased(context.deployment)
    if terms is None or not _concerns(context, region):
        return
    yield _by_hand(context, region, granted=False)
    yield f"sleep {math.ceil(terms.handover_s)}  # after that nobody holds a lease of {region}"


def granting(context: Scope, region: str) -> Iterable[str]:
    if _concerns(context, region):
        yield _by_hand(context, region, granted=True)


def _by_hand(context: Scope, region: str, *, granted: bool) -> str:
    record = WriterRecord(granted, "by hand").data.decode()
    return published(lease_home(context.deployment), lease_subject(region), record)


def _concerns(context: Scope, region: str) -> bool:
    return leased(context.deployment) is not None and region in (context.home, lease_home(context.deployment))


def _other(context: Scope, region: str) -> str:
    return lease_home(context.deployment) if region == context.home else context.home


async def may_hold_lease(context: Context, region: str) -> bool:
    """Asked of the record: not, once it was ended. Where nobody has said anything the first region may; where writers
    need no lease, everybody."""
    if not _concerns(context, region):
        return True
    async with context.world.streams(lease_home(context.deployment)) as door:
        there = await door.stream(WRITERS_STREAM) is not None
        newest = await door.newest(WRITERS_STREAM, lease_subject(region)) if there else None
    return WriterRecord.of(newest.data).granted if newest else region == context.home


async def _announce(context: Context, region: str, *, granted: bool, after: int | None = None) -> bool:
    """``after``: only where the record with this sequence is still the last; whether it was."""
    keeper = lease_home(context.deployment)
    async with context.world.streams(keeper) as door:
        if await door.stream(WRITERS_STREAM) is None:
            await door.create(lease_config(context.deployment))
        record = WriterRecord(granted, context.procedure.name)
        headers = {} if after is None else {_EXPECTED: str(after)}
        answer = await door.publish(lease_subject(region), record.data, headers)
    if after is not None and answer.code in WRONG_LAST_SEQUENCE:
        return False
    if answer.code:
        what = f"the lease of {region} could not be {'granted' if granted else 'ended'}: {answer.why} ({answer.code})"
        raise MachineError.at(keeper, what, f"look at its stream {WRITERS_STREAM}, then resume")
    return True
