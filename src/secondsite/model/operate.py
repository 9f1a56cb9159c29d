"""How the system is operated: what `failover` and `failback` need beside the servers. References only, no secret.

A header's value is ``env:NAME`` or ``file:PATH``, read when it is sent; one that proves nothing may stand as it is.
"""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen


@frozen
class PathHeader:
    """``value``: ``env:NAME``, ``file:PATH``, or the value of a header that is no secret."""

    name: str
    value: str


@frozen
class WritePath:
    """One write as a client makes it. ``$ID`` in the body is the write's own id; ``acknowledged`` are the codes that
    mean stored: what is only promised (202) proves nothing."""

    url: str
    method: str = "POST"
    headers: tuple[PathHeader, ...] = ()
    body: str = ""
    acknowledged: tuple[int, ...] = (200, 201)


class Writers(StrEnum):
    """What comes first while two regions cannot see each other: that one takes writes, or that somebody does.

    ``one``: the first region takes writes only while it holds a lease that it renews through the other. ``available``:
    it goes on, and both take writes if the other one is promoted meanwhile.
    """

    ONE = "one"
    AVAILABLE = "available"


@frozen
class Operate:
    """The block ``operate:`` of secondsite.yaml. ``lease_s`` is how long a lease of `writers: one` lasts."""

    path: WritePath | None = None
    writers: Writers = Writers.AVAILABLE
    lease_s: float = 10.0
