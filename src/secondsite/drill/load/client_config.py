"""What one client process of a drill is told: a JSON file, and the folder where it leaves ledger and summary."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import asdict, field, frozen

from secondsite.drill.ledger.ledger import LedgerStream, stream_from
from secondsite.model.errors import InputError


@frozen
class HttpTarget:
    """The service by its name, asked of ``resolver``; ``addresses`` instead skips names. ``ends``: where an address
    is dialled, if not there at ``port``.

    ``users`` of this process have a name cache and connections of their own. ``ignoring_ttl`` is the share, over
    all processes of a run, that keeps for ever what it resolved first.
    """

    host: str
    port: int
    resolver: tuple[str, int] | None = None
    addresses: tuple[str, ...] = ()
    path: str = "/v1/events"
    api_key: str = "lab-key"
    users: int = 25
    ignoring_ttl: float = 0.0
    ends: Mapping[str, tuple[str, int]] = field(factory=dict)


@frozen
class PathTarget:
    """The user's own service: one request a write, as `operate: path:` has it. ``$ID``, ``$KEY`` and ``$DATA`` in
    ``body`` are the write's. ``resolvers`` instead of this machine's own; ``ca`` is a file, for HTTPS.

    Headers may prove who we are, so they come in the environment, and never lie in a file of the drill.
    """

    url: str
    method: str
    body: str
    acknowledged: tuple[int, ...]
    resolvers: tuple[tuple[str, int], ...] = ()
    ca: str = ""
    users: int = 25


@frozen
class NatsTarget:
    """URLs in order of preference; a publisher stays with one until it is lost. ``named``: addresses of their hosts.

    Who we are is in the URLs of a lab; elsewhere it comes in the environment.
    """

    servers: tuple[str, ...]
    ping_interval_s: float = 2.0
    max_outstanding_pings: int = 2
    named: Mapping[str, str] = field(factory=dict)


@frozen
class PostgresTarget:
    """The database of the region to which the service's name leads: ``databases`` has its host by that address,
    ``ends`` where a host is dialled, if not there at ``port``.
    """

    host: str
    resolver: tuple[str, int]
    databases: Mapping[str, str]
    port: int
    user: str
    dbname: str
    table: str
    ends: Mapping[str, tuple[str, int]] = field(factory=dict)


@frozen
class RedisTarget:
    """As for a database. Each write is a key that begins with ``prefix``; ``counter`` numbers them."""

    host: str
    resolver: tuple[str, int]
    databases: Mapping[str, str]
    port: int
    user: str
    prefix: str
    counter: str
    ends: Mapping[str, tuple[str, int]] = field(factory=dict)


@frozen
class QdrantTarget:
    """As for a database. Each write is a point of ``collection``, whose vectors have so many ``dimensions``."""

    host: str
    resolver: tuple[str, int]
    databases: Mapping[str, str]
    port: int
    collection: str
    dimensions: int
    ends: Mapping[str, tuple[str, int]] = field(factory=dict)


Target = HttpTarget | PathTarget | NatsTarget | PostgresTarget | RedisTarget | QdrantTarget
_KINDS = {
    **{"http": HttpTarget, "path": PathTarget, "nats": NatsTarget},
    **{"postgres": PostgresTarget, "redis": RedisTarget, "qdrant": QdrantTarget},
}


@frozen
class ClientConfig:
    """``run`` holds no dot; ``client`` is this process's number among those of the run.

    Open loop: ``rate_per_s`` arrivals, come what may, each with one of ``keys`` keys of one of ``streams``; an
    arrival that finds ``max_in_flight`` under way is withheld, counted and never made up for. ``retries`` follow
    every outcome that is not an acknowledgement, with the same message id, after ``retry_pause_s`` and then twice
    as long each time. ``writes`` are the numbers of those streams that this client writes to; all where none are
    named. ``duration_s`` 0: until SIGTERM. What is in progress then has ``drain_s`` to end.
    """

    run: str
    client: int
    folder: str
    streams: tuple[LedgerStream, ...]
    target: Target
    rate_per_s: float = 250.0
    keys: int = 100
    payload_bytes: int = 1024
    max_in_flight: int = 1000
    timeout_s: float = 2.0
    retries: int = 3
    retry_pause_s: float = 0.25
    duration_s: float = 0.0
    drain_s: float = 5.0
    seed: int = 1
    writes: tuple[int, ...] = ()

    @property
    def written(self) -> tuple[int, ...]:
        return self.writes or tuple(range(len(self.streams)))

    @property
    def name(self) -> str:
        return f"client-{self.client}"

    @property
    def ledger(self) -> Path:
        return Path(self.folder) / f"{self.name}.ledger"

    @property
    def summary(self) -> Path:
        return Path(self.folder) / f"{self.name}.summary.json"

    def save(self) -> Path:
        path = Path(self.folder) / f"{self.name}.json"
        kind = next(name for name, target in _KINDS.items() if isinstance(self.target, target))
        path.write_text(json.dumps({"kind": kind, **asdict(self)}, indent=1), encoding="utf-8")
        return path


def load_config(path: Path) -> ClientConfig:
    """Raises InputError for a file that `ClientConfig.save` did not write."""
    try:
        given: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        kind = _KINDS[given.pop("kind")]
        target = given.pop("target")
        for name in ("resolver", "addresses", "servers", "acknowledged"):
            if target.get(name) is not None:
                target[name] = tuple(target[name])
        if "ends" in target:
            target["ends"] = {address: (host, port) for address, (host, port) in target["ends"].items()}
        if "resolvers" in target:
            target["resolvers"] = tuple((host, port) for host, port in target["resolvers"])
        streams = tuple(stream_from(stream) for stream in given.pop("streams"))
        given["writes"] = tuple(given.get("writes", ()))
        return ClientConfig(**given, streams=streams, target=kind(**target))
    except OSError as error:
        raise InputError.at(str(path), f"cannot be read: {error.strerror}", "give a client's file") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError.at(str(path), f"not a client's configuration: {error}", "have the drill write it") from None
