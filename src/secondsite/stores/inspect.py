"""Asks a running PostgreSQL, Redis or Valkey what it is and how it is replicated: reads only, and bounded in time.

What a login may not see is unknown and told in a note; it is never taken for "no".
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from secondsite.discover.live_store import LiveStore
from secondsite.model.errors import InputError
from secondsite.model.store import CopiesToday, RunningStore
from secondsite.model.units import Bytes, Seconds
from secondsite.stores.postgres_place import PostgresPlace, PostgresSession, StoreRefusedError
from secondsite.stores.redis_place import RedisPlace, RedisSession

SAMPLE_S = 3.0
_LONG_S = 60.0
_ON = ("on", "always")

_SETTINGS = """
SELECT name, setting FROM pg_settings WHERE name IN
  ('server_version', 'max_slot_wal_keep_size', 'archive_mode', 'data_checksums', 'wal_log_hints',
   'synchronous_standby_names')
"""
_FOLLOWING = """
SELECT count(*), bool_or(sync_state IN ('sync', 'quorum')), max(extract(epoch FROM replay_lag))::float8,
  bool_or(sync_state IS NULL), count(*) FILTER (WHERE sync_state IN ('sync', 'quorum', 'potential'))
FROM pg_stat_replication WHERE application_name NOT LIKE 'pg\\_%%'
"""
_DATABASES = """
SELECT datname, has_database_privilege(datname, 'CONNECT') OR pg_has_role('pg_read_all_stats', 'MEMBER')
FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY 1
"""
_INSIDE = """
SELECT (SELECT count(*) FROM pg_sequences),
  (SELECT array_agg(extname::text ORDER BY extname) FROM pg_extension WHERE extname <> 'plpgsql')
"""
_WAL = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint"
_WAL_SINCE = "SELECT wal_bytes::float8, extract(epoch FROM now() - stats_reset)::float8 FROM pg_stat_wal"


async def inspect_postgres(place: PostgresPlace, sample_s: float = SAMPLE_S) -> LiveStore:
    """Of a primary. Raises InputError for a standby, which cannot tell who else follows, MachineError for silence."""
    async with place.open() as session:
        if await session.value("SELECT pg_is_in_recovery()"):
            what = "is a standby: it does not know the other copies, their lag and the slots"
            raise InputError.at(place.shown, what, "give its primary")
        settings = {str(name): str(value) for name, value in await session.rows(_SETTINGS)}
        copies, synchronous, lag, hidden, confirming = (await session.rows(_FOLLOWING))[0]
        slots = int(await session.value("SELECT count(*) FROM pg_replication_slots WHERE slot_type = 'physical'"))
        readable = {str(name): bool(may) for name, may in await session.rows(_DATABASES)}
        size = (
            await session.value("SELECT sum(pg_database_size(datname))::bigint FROM pg_database")
            if all(readable.values())
            else None
        )
        rate, rated = await _wal_rate(session, sample_s)
    sequences, extensions, closed = await _inside(place, tuple(readable))
    notes = [
        f"{place.shown}: {name} cannot be read with this login; its sequences and extensions are unknown"
        for name in closed
    ]
    if hidden:
        notes.append(f"{place.shown}: this login does not see how copies follow; grant it pg_monitor")
    if size is None:
        notes.append(f"{place.shown}: its size is unknown, as this login may not read every database")
    running = RunningStore(
        version=settings["server_version"].split()[0],
        replicated=None if hidden else _replicated(copies, synchronous=bool(synchronous)),
        confirming=confirming if synchronous else None,
        lag_s=None if lag is None else Seconds(round(lag, 3)),
        written_bytes_per_s=rate,
        slots=slots,
        bounded_slots=settings["max_slot_wal_keep_size"] != "-1",
        archived=settings["archive_mode"] in _ON,
        rewindable=settings["data_checksums"] == "on" or settings["wal_log_hints"] == "on",
        sequences=None if closed else sequences,
        extensions=extensions,
    )
    total = None if size is None else Bytes(int(size))
    return LiveStore(_postgres_url(place), "postgres", total, True, False, running, rated, tuple(notes))


def _replicated(copies: int, *, synchronous: bool) -> CopiesToday:
    if not copies:
        return CopiesToday.SINGLE
    return CopiesToday.SYNCHRONOUS if synchronous else CopiesToday.ASYNCHRONOUS


async def _wal_rate(session: PostgresSession, sample_s: float) -> tuple[float | None, str]:
    """Bytes a second: the mean since its statistics were reset, where it keeps some (PostgreSQL 14), else a sample."""
    try:
        written, seconds = (await session.rows(_WAL_SINCE))[0]
        if seconds and seconds >= _LONG_S:
            return round(written / seconds, 1), "the mean since its statistics were reset"
    except StoreRefusedError:
        pass
    begin, before = time.monotonic(), int(await session.value(_WAL))
    await asyncio.sleep(sample_s)
    after = int(await session.value(_WAL))
    return round((after - before) / (time.monotonic() - begin), 1), "measured over a few seconds"


async def _inside(place: PostgresPlace, databases: tuple[str, ...]) -> tuple[int, tuple[str, ...], list[str]]:
    """Sequences and extensions of all databases, and those that would not let us in."""
    sequences, extensions, closed = 0, set[str](), []
    for name in databases:
        try:
            async with place.database(name).open() as session:
                number, names = (await session.rows(_INSIDE))[0]
        except StoreRefusedError:
            closed.append(name)
            continue
        sequences += number
        extensions.update(names or ())
    return sequences, tuple(sorted(extensions)), closed


def _postgres_url(place: PostgresPlace) -> str:
    from psycopg.conninfo import conninfo_to_dict

    parts = conninfo_to_dict(place.conninfo)
    if "service" in parts:
        return f"postgresql://service-{parts['service']}"
    host = str(parts.get("host") or "localhost").split(",")[0]
    return f"postgresql://{'localhost' if host.startswith('/') else host}:{parts.get('port') or 5432}"


async def inspect_redis(place: RedisPlace, sample_s: float = SAMPLE_S) -> LiveStore:
    """Of a primary. Raises InputError for a replica, MachineError for silence."""
    async with place.open() as session:
        server, replication = await session.info("server"), await session.info("replication")
        if replication["role"] != "master":
            raise InputError.at(place.shown, "is a replica: it does not know the other copies", "give its primary")
        memory, persistence = await session.info("memory"), await session.info("persistence")
        copies = int(replication["connected_slaves"])
        rate, rated = await _log_rate(session, int(server["uptime_in_seconds"]), replication, sample_s)
        saves, policy, notes = await _kept_by(session, persistence)
    engine = "valkey" if "valkey_version" in server else "redis"
    running = RunningStore(
        version=server.get("valkey_version", server["redis_version"]),
        replicated=_replicated(copies, synchronous=False),
        lag_s=_redis_lag(replication),
        written_bytes_per_s=rate,
    )
    host, port = place.address
    url, size = f"redis://{host}:{port}", Bytes(int(memory["used_memory"]))
    return LiveStore(url, engine, size, saves, not policy.startswith("noeviction"), running, rated, notes)


async def _log_rate(
    session: RedisSession, up_s: int, replication: Mapping[str, str], sample_s: float
) -> tuple[float | None, str]:
    """Its log grows only where something follows, or did: of any other one nothing tells."""
    before = int(replication["master_repl_offset"])
    if not int(replication["connected_slaves"]) and not before:
        return None, ""
    begin = time.monotonic()
    await asyncio.sleep(sample_s)
    after = int((await session.info("replication"))["master_repl_offset"])
    return round((after - before) / (time.monotonic() - begin), 1), f"measured over a few seconds, up for {up_s} s"


def _redis_lag(replication: Mapping[str, str]) -> Seconds | None:
    """Seconds since the last acknowledgement of the copy that is farthest behind, as INFO says it (whole seconds)."""
    import ast

    texts = [text for name, text in replication.items() if name.startswith("slave") and name[5:].isdigit()]
    lags = [int(ast.literal_eval(text)["lag"]) for text in texts]
    return Seconds(max(lags)) if lags else None


async def _kept_by(session: RedisSession, persistence: Mapping[str, str]) -> tuple[bool, str, tuple[str, ...]]:
    """Whether it keeps its data over a restart, and what it evicts."""
    try:
        answer = {}
        for name in ("save", "maxmemory-policy"):
            answer.update(await session.configured(name))
    except StoreRefusedError:
        note = f"{session.shown}: this login may not read its configuration (CONFIG GET); eviction is unknown"
        return persistence.get("aof_enabled") == "1", "noeviction", (note,)
    saves = persistence.get("aof_enabled") == "1" or bool(answer.get("save", ""))
    return saves, answer.get("maxmemory-policy", "noeviction"), ()
