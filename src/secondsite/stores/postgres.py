"""One PostgreSQL server of a replicated pair: look, fence, promote.

Its identity is its cluster's system identifier and its timeline: a standby has its primary's identifier, and a
promotion begins a new timeline. The fence is in the server's own access rules (pg_hba.conf), not in
``default_transaction_read_only``, which any session may lift: every role that may log in is rejected but the one that
fenced, and what was connected is ended. Replication goes on. The rules outlive a restart and are in no WAL.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

from secondsite.model.errors import InputError, MachineError
from secondsite.stores.postgres_place import PostgresPlace, PostgresSession, StoreRefusedError
from secondsite.stores.postgres_rows import ComparedTable, salvage_rows
from secondsite.stores.server import OnlyThere, StoreServer, StoreState, refuse_same
from secondsite.strategies.store_servers import CONFIRMING

FENCE_BEGIN, FENCE_END = "# secondsite fence: begin", "# secondsite fence: end"
_PAUSE_S = 0.05
_CLEAN_LOOKS = 3

_STATE = """
SELECT (SELECT system_identifier::text FROM pg_control_system()),
  CASE WHEN pg_is_in_recovery()
    THEN greatest((SELECT timeline_id FROM pg_control_checkpoint()), (SELECT received_tli FROM pg_stat_wal_receiver))
    ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int END,
  current_setting('server_version'),
  pg_is_in_recovery(),
  pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery()
    THEN coalesce(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) ELSE pg_current_wal_lsn() END, '0/0')::bigint,
  coalesce(pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0'), 0)::bigint,
  (SELECT count(*) = 1 FROM pg_stat_wal_receiver WHERE status = 'streaming'),
  extract(epoch FROM pg_last_xact_replay_timestamp())::float8,
  position(%s IN pg_read_file(current_setting('hba_file'))) > 0,
  extract(epoch FROM pg_postmaster_start_time())::float8
"""
_FOLLOWERS = """
SELECT application_name, state, coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn), 0)::bigint
FROM pg_stat_replication WHERE NOT pg_is_in_recovery() ORDER BY 1
"""
_SLOTS = """
SELECT slot_name, active, coalesce(wal_status, ''),
  CASE WHEN pg_is_in_recovery() THEN 0 ELSE coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), 0) END::bigint
FROM pg_replication_slots ORDER BY 1
"""
_OTHERS = "FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
_CONFIRMED_BY = "SELECT current_setting('synchronous_standby_names')"
_RELOADED_WITHIN_S = 5.0
_REPLAYED_WITHIN_S = 2.0
_REPLAYED = "SELECT coalesce(pg_last_wal_replay_lsn() >= pg_last_wal_receive_lsn(), true)"
_READERS_ENDED = f"SELECT pg_terminate_backend(pid) {_OTHERS} AND xact_start IS NOT NULL"
_ROLES = "SELECT rolname FROM pg_roles WHERE rolcanlogin AND rolname <> current_user ORDER BY 1"


@frozen
class PostgresFollower:
    """A standby as its primary sees it; ``behind_bytes`` until it has replayed all."""

    name: str
    state: str
    behind_bytes: int


@frozen
class ReplicationSlot:
    """``wal_status`` is ``lost`` where its standby can no longer follow; ``kept_bytes`` is the WAL held for it."""

    name: str
    active: bool
    wal_status: str
    kept_bytes: int


@frozen
class PostgresState:
    """``position``: what it has written, or received as a standby; ``replayed_at``: when the newest transaction that
    a standby replayed was committed, ``started_at``: when the server was, in seconds since the epoch. Positions are
    bytes of WAL.
    """

    system_identifier: str
    timeline: int
    version: str
    standby: bool
    position: int
    replayed: int
    receiving: bool
    replayed_at: float | None
    fenced: bool
    started_at: float
    followers: tuple[PostgresFollower, ...] = ()
    slots: tuple[ReplicationSlot, ...] = ()

    @property
    def role(self) -> str:
        return "standby" if self.standby else "primary"

    @property
    def described(self) -> str:
        done = f"has replayed {self.replayed:,} bytes of WAL"
        return done if self.standby else f"accepts writes on timeline {self.timeline}"

    @property
    def facts(self) -> Mapping[str, Any]:
        return {
            "system_identifier": self.system_identifier,
            "timeline": self.timeline,
            "replayed": self.replayed,
        }

    def follows(self, primary: StoreState) -> bool:
        same = isinstance(primary, PostgresState) and self.timeline == primary.timeline
        return self.standby and self.receiving and not primary.standby and same

    def stranger_to(self, other: StoreState) -> bool:
        return not isinstance(other, PostgresState) or self.system_identifier != other.system_identifier

    def same_server(self, other: StoreState) -> bool:
        here = (self.system_identifier, self.started_at)
        return isinstance(other, PostgresState) and here == (other.system_identifier, other.started_at)


@frozen
class PostgresServer:
    """The login has to be a superuser: pg_hba.conf is written through the server itself."""

    place: PostgresPlace

    async def look(self) -> PostgresState:
        async with self.place.open() as session:
            return await _look(session)

    async def fence(self, within_s: float = 10.0) -> int:
        """Nobody but this login gets in from now on; how many sessions were ended. Done again it changes nothing.

        Raises StoreRefusedError where writers use this very login: no rule can tell them from us.
        """
        async with self.place.open() as session:
            await _as_primary(session, "be fenced")
            await _refuse_our_own(session)
            roles = [str(row[0]) for row in await session.rows(_ROLES)]
            rules = await _rules(session)
            await _write_rules(session, with_fence(rules, roles))
            return await _end_sessions(session, within_s)

    async def unfence(self) -> None:
        """The rules as they were; nothing is written where there is no fence."""
        async with self.place.open() as session:
            await _as_primary(session, "have its fence removed")
            rules = await _rules(session)
            if (before := without_fence(rules)) != rules:
                await _write_rules(session, before)

    async def promote(self, within_s: float = 60.0) -> PostgresState:
        """A standby that takes writes on a new timeline; a primary is left as it is. Its commits wait for nobody.

        Readers of a standby hold up what it replays for as long as its settings let them: they are ended.
        """
        async with self.place.open() as session:
            before = await _look(session)
            if not before.standby:
                return before
            await wait_for(session, "")
            await _end_readers(session)
            wait_s = max(1, round(within_s))
            if not await session.value("SELECT pg_promote(true, %s)", [wait_s], within_s + 5.0):
                what = f"was not promoted within {wait_s} s"
                raise MachineError.at(self.place.shown, what, "check its log, then promote again") from None
            after = await _look(session)
        if after.standby or after.timeline <= before.timeline:
            what = f"is still a {after.role} on timeline {after.timeline}"
            raise MachineError.at(self.place.shown, what, "check its log, then promote again")
        return after

    async def commits_wait(self) -> None:
        """From now on, for the standby in the other region: to be asked for when one follows."""
        async with self.place.open() as session:
            await wait_for(session, CONFIRMING)

    async def keep_for(self, slot: str) -> None:
        """The WAL from now on is kept for a standby, by a slot that is made where there is none with that name."""
        async with self.place.open() as session:
            if not await session.rows("SELECT 1 FROM pg_replication_slots WHERE slot_name = %s", [slot]):
                await session.rows("SELECT pg_create_physical_replication_slot(%s, true)", [slot])

    async def only_there(self, serving: StoreServer, folder: Path) -> tuple[OnlyThere, ...]:
        """Rows, by table. Raises InputError where the serving one is another kind of server."""
        if not isinstance(serving, PostgresServer):
            raise InputError.at(
                self.place.shown, "can only be compared with PostgreSQL", "check the logins of both regions"
            )
        tables = await self.salvage(serving, folder)
        return tuple(OnlyThere(one.name, one.keys, one.file, one.rows or len(one.keys)) for one in tables if one.keys)

    async def salvage(self, serving: PostgresServer, folder: Path) -> tuple[ComparedTable, ...]:
        """Every table of it, compared; raises InputError where both are one server."""
        refuse_same(self.place.shown, await self.look(), await serving.look())
        return await salvage_rows(self.place, serving.place, folder)

    async def replayed_up_to(self, position: int, within_s: float) -> bool:
        """Whether a standby has replayed that much, within the time."""
        end = time.monotonic() + within_s
        while True:
            state = await self.look()
            if state.replayed >= position or not state.standby:
                return True
            if time.monotonic() > end:
                return False
            await asyncio.sleep(_PAUSE_S)


async def _look(session: PostgresSession) -> PostgresState:
    row = (await session.rows(_STATE, [FENCE_BEGIN]))[0]
    followers = tuple(PostgresFollower(*each) for each in await session.rows(_FOLLOWERS))
    slots = tuple(ReplicationSlot(*each) for each in await session.rows(_SLOTS))
    return evolve(PostgresState(*row), followers=followers, slots=slots)


async def wait_for(session: PostgresSession, names: str) -> None:
    """A copy of a primary's files waits for that primary's standbys too: promoted so, it would take no commit.

    Raises MachineError where something stronger than its settings file says otherwise.
    """
    if await session.value(_CONFIRMED_BY) == names:
        return
    await session.rows(f"ALTER SYSTEM SET synchronous_standby_names = '{names}'")
    await session.rows("SELECT pg_reload_conf()")
    end = time.monotonic() + _RELOADED_WITHIN_S
    while (now := await session.value(_CONFIRMED_BY)) != names:
        if time.monotonic() > end:
            what = f"its commits wait for {now!r}, and ALTER SYSTEM does not change that"
            remedy = "take synchronous_standby_names off its command line, restart it, then resume"
            raise MachineError.at(session.shown, what, remedy)
        await asyncio.sleep(_PAUSE_S)


async def _as_primary(session: PostgresSession, what: str) -> None:
    if await session.value("SELECT pg_is_in_recovery()"):
        what = f"is a standby: it accepts no writes and cannot {what}"
        raise StoreRefusedError.at(session.shown, what, "name the primary")


async def _refuse_our_own(session: PostgresSession) -> None:
    same = "AND usename = current_user AND application_name <> current_setting('application_name')"
    ours = await session.value(f"SELECT string_agg(DISTINCT application_name, ', ') {_OTHERS} {same}")
    if ours is not None:
        what = f"other sessions use this same login ({ours or 'unnamed'}), and a rule cannot tell them apart"
        raise StoreRefusedError.at(
            session.shown, what, "give writers their own role, or end those sessions and fence again"
        )


async def _rules(session: PostgresSession) -> str:
    return str(await session.value("SELECT pg_read_file(current_setting('hba_file'))"))


async def _write_rules(session: PostgresSession, rules: str) -> None:
    """Through a large object, which the server writes to its file byte by byte; then it reads them."""
    await session.rows("SET synchronous_commit = local")  # a standby that is away must not hold this up
    await session.rows("SET default_transaction_read_only = off")  # somebody may have thought that a fence
    number = await session.value("SELECT lo_from_bytea(0, convert_to(%s, 'UTF8'))", [rules])
    await session.rows("SELECT lo_export(%s::oid, current_setting('hba_file'))", [number])
    await session.rows("SELECT lo_unlink(%s::oid)", [number])
    if wrong := await session.value("SELECT min(error) FROM pg_hba_file_rules WHERE error IS NOT NULL"):
        raise StoreRefusedError.at(session.shown, f"pg_hba.conf is wrong now: {wrong}", "fix it, then reload")
    await session.rows("SELECT pg_reload_conf()")


async def _end_sessions(session: PostgresSession, within_s: float) -> int:
    """Until none comes back: a server takes a moment to read its rules."""
    ended, clean, end = 0, 0, time.monotonic() + within_s
    while clean < _CLEAN_LOOKS:
        if time.monotonic() > end:
            what = f"sessions still get in {within_s:g} s after the fence"
            raise StoreRefusedError.at(session.shown, what, "check its log for why the rules were not read")
        gone = await session.value(f"SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) {_OTHERS}")
        ended, clean = ended + int(gone), 0 if gone else clean + 1
        await asyncio.sleep(_PAUSE_S)
    return ended


async def _end_readers(session: PostgresSession) -> None:
    """Where all that was received is not replayed within some seconds: a reader in a transaction is in the way."""
    end = time.monotonic() + _REPLAYED_WITHIN_S
    while not await session.value(_REPLAYED):
        if time.monotonic() > end:
            await session.rows(_READERS_ENDED)
            return
        await asyncio.sleep(_PAUSE_S)


def _rejected(role: str) -> tuple[str, str]:
    quoted = '"' + role.replace('"', '""') + '"'
    return f"local all {quoted} reject", f"host all {quoted} all reject"


def with_fence(rules: str, roles: Sequence[str]) -> str:
    """None of the roles gets in; a fence that exists already is replaced."""
    fence = [FENCE_BEGIN, *(line for role in roles for line in _rejected(role)), FENCE_END]
    return "\n".join([*fence, without_fence(rules)])


def without_fence(rules: str) -> str:
    """What was there before; the rules themselves where no fence stands in them."""
    before, begin, rest = rules.partition(FENCE_BEGIN + "\n")
    _, end, after = rest.partition(FENCE_END + "\n")
    return before + after if begin and end else rules
