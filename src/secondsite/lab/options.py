"""How a lab is set up; every default is the deployment's own value or what the example system does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from secondsite.lab.aged import AgedStream


@frozen
class JudgingOptions:
    """Of the watch in a lab: seconds of a round, how many in a row count, for how long observers have to agree."""

    every_s: float
    checks: int
    window_s: float


@frozen
class LabOptions:
    """``folder``: where logs, stores and configuration go; a fresh temporary one, removed at the end, when None.
    Stores that an earlier lab left in a folder are gone on with.

    ``nats_version`` replaces that of every cluster, ``nats_server`` is a binary to use for all of them.
    ``rtt_ms``: round trips by pair of regions, over those of the table. ``jitter`` is a share of the one-way delay.
    ``rate_bytes_per_s`` of each link (0: unlimited). ``ttl_s`` replaces the record's. ``services``: start API,
    gateway and consumers. ``keys``: what the gateway lets in, other ones in the regions of ``region_keys``;
    ``requests_per_s`` limits each of them (0: no limit). ``pods``: every replica of the API is a process behind a
    Service, reports to a collector, and is restarted and probed as a kubelet would, as are the servers; one process
    stands for all replicas otherwise. ``leak_bytes``: what the API forgets to free with each event.
    ``careless``: one of so many messages a consumer acknowledges and does not process (0: none).
    ``positions_s``: how often the agents copy consumers' positions. ``aged``: streams to begin with, by name.
    ``clocks``: give each program of ours a clock that can be set off (`clocks.py`); regions begin 30 s apart.
    ``databases``: start the stores that follow in another region, with the files of ``aged_stores``, by store.
    ``vectors``: start a Qdrant for each of the system's in both regions, and what saves and loads its snapshots.
    ``one_address``: as where this machine has no other (`one_address.py`).
    ``observed``: start a Prometheus in each region; those named in ``scraped`` look at these regions alone.
    ``judging``: start the shipped observers, and a watch that tells what they agree on (`observing.py`).
    """

    folder: Path | None = None
    nats_version: str = ""
    nats_server: Path | None = None
    seed: int = 1
    rtt_ms: Mapping[tuple[str, str], float] = {}
    jitter: float = 0.05
    rate_bytes_per_s: float = 0.0
    ttl_s: float | None = None
    services: bool = True
    keys: tuple[str, ...] = ("lab-key",)
    region_keys: Mapping[str, tuple[str, ...]] = {}
    requests_per_s: float = 0.0
    ready_within_s: float = 60.0
    pods: bool = False
    leak_bytes: int = 0
    careless: int = 0
    positions_s: float = 5.0
    aged: Mapping[str, AgedStream] = {}
    clocks: bool = False
    one_address: bool = False
    databases: bool = False
    vectors: bool = False
    saved_every_s: float = 3.0
    observed: bool = False
    scraped: Mapping[str, tuple[str, ...]] = {}
    aged_stores: Mapping[str, Path] = {}
    judging: JudgingOptions | None = None
