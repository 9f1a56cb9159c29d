"""One Redis or Valkey server of a replicated pair: look, fence, promote, follow.

Its identity is its replication id: a replica has its primary's, and a promotion makes a new one and remembers the old
with the offset at which the two part. The fence is in the server's access list: every other user is off and what it
had connected is ended, while replicas go on. A pause ends by itself and any client may lift it, and
`min-replicas-to-write` whoever may configure. Who was on before stands in the list itself, as key patterns of a user
that is never on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from attrs import frozen

from secondsite.model.errors import InputError, MachineError
from secondsite.stores.postgres_place import StoreRefusedError
from secondsite.stores.redis_keys import SavedKeys, salvage_keys
from secondsite.stores.redis_place import CLIENT_NAME, RedisPlace, RedisSession
from secondsite.stores.server import OnlyThere, StoreServer, StoreState, refuse_same

FENCE_USER = "secondsite-fence"
_PAUSE_S = 0.05
_CLEAN_LOOKS = 3
_NO_ONE = ("NO", "ONE")


@frozen
class RedisFollower:
    """A replica as its primary sees it."""

    address: str
    state: str
    behind_bytes: int


@frozen
class RedisState:
    """``offset``: bytes of the log of ``replication_id`` that it has. ``before`` is the id of which it took over, and
    ``parted_at`` the last byte that both have; empty where it never did. ``linked``: receives from its primary.
    """

    run_id: str
    replication_id: str
    version: str
    replica: bool
    offset: int
    linked: bool
    before: str
    parted_at: int
    fenced: bool
    persistent: bool
    keys: int
    followers: tuple[RedisFollower, ...] = ()

    @property
    def role(self) -> str:
        return "replica" if self.replica else "primary"

    @property
    def standby(self) -> bool:
        return self.replica

    @property
    def position(self) -> int:
        return self.offset

    @property
    def described(self) -> str:
        took = f"accepts writes under replication ID {self.replication_id[:8]}"
        return f"has received {self.offset:,} bytes of the log" if self.replica else took

    @property
    def facts(self) -> Mapping[str, Any]:
        return {"replication_id": self.replication_id, "before": self.before, "offset": self.offset}

    def follows(self, primary: StoreState) -> bool:
        same = isinstance(primary, RedisState) and self.replication_id == primary.replication_id
        return self.replica and self.linked and not primary.standby and same

    def stranger_to(self, other: StoreState) -> bool:
        """A server that was restarted has a new replication id: only one that follows tells whom."""
        if not isinstance(other, RedisState):
            return True
        follower, followed = (self, other) if self.replica else (other, self)
        live = follower.replica and follower.linked and not followed.replica
        return live and follower.replication_id not in (followed.replication_id, followed.before)

    def same_server(self, other: StoreState) -> bool:
        return isinstance(other, RedisState) and self.run_id == other.run_id

    def only_here(self, serving: RedisState) -> int | None:
        """Bytes of the log that this one has and the serving one has not; None where nothing tells."""
        if self.replication_id == serving.before:
            return max(0, self.offset - serving.parted_at)
        return 0 if self.replication_id == serving.replication_id else None


@frozen
class RedisServer:
    """The login needs a user of its own that may do all: no rule tells writers from us otherwise."""

    place: RedisPlace

    async def look(self) -> RedisState:
        async with self.place.open() as session:
            return await _look(session)

    async def fence(self, within_s: float = 10.0) -> tuple[int, bool]:
        """How many sessions were ended, and whether the fence outlives a restart. Done again it changes nothing.

        Raises StoreRefusedError where writers use this very login, or may, or replicas a user that would be off.
        """
        refuse_default(self.place)
        async with self.place.open() as session:
            await _refuse_our_own(session, self.place.user)
            known = await _fenced_users(session) or ()
            on = [name for name in await _users_on(session) if name != self.place.user]
            replicating = {each["user"] for each in await _clients(session) if "S" in each["flags"]}
            fenced = [name for name in on if name not in replicating]
            if writing := sorted(replicating & set(await _writers(session, self.place.user))):
                what = f"replicas log in as {', '.join(writing)}, as clients do, and a rule cannot tell them apart"
                raise StoreRefusedError.at(session.shown, what, "give replicas their own user (masteruser)")
            marks = [f"~{name}" for name in dict.fromkeys([*known, *fenced])]
            await session.ask("ACL", "SETUSER", FENCE_USER, "reset", "off", *marks)
            for name in fenced:
                await session.ask("ACL", "SETUSER", name, "off")
            kept = await _kept(session)
            return await _end_sessions(session, self.place.user, within_s), kept

    async def unfence(self) -> None:
        """Those that the fence turned off are on again."""
        async with self.place.open() as session:
            for name in await _fenced_users(session) or ():
                await session.ask("ACL", "SETUSER", name, "on")
            await session.ask("ACL", "DELUSER", FENCE_USER)
            await _kept(session)

    async def promote(self) -> RedisState:
        """A replica that takes writes under a new replication id; a primary is left as it is."""
        async with self.place.open() as session:
            before = await _look(session)
            if not before.replica:
                return before
            await session.ask("REPLICAOF", *_NO_ONE)
            await _keep_role(session)
            after = await _look(session)
        if after.replica or after.replication_id == before.replication_id:
            raise MachineError.at(self.place.shown, f"is still a {after.role}", "check its log, then promote again")
        return after

    async def only_there(self, serving: StoreServer, folder: Path) -> tuple[OnlyThere, ...]:
        """Keys; none where its whole log is the serving one's, which may have changed a key since.

        Raises InputError where the serving one is another kind of server.
        """
        if not isinstance(serving, RedisServer):
            raise InputError.at(self.place.shown, "can only be compared with Redis", "check the logins of both regions")
        saved = await self.salvage(serving, folder)
        return (OnlyThere("keys", saved.names, saved.file, len(saved.names)),) if saved.names else ()

    async def salvage(self, serving: RedisServer, folder: Path) -> SavedKeys:
        """Nothing is asked for where its whole log is the serving one's: what differs then was written there."""
        mine, other = await self.look(), await serving.look()
        refuse_same(self.place.shown, mine, other)
        if mine.only_here(other) == 0:
            return SavedKeys((), (), None)
        return await salvage_keys(self.place, serving.place, folder)

    async def replayed_up_to(self, offset: int, within_s: float) -> bool:
        end = time.monotonic() + within_s
        while True:
            state = await self.look()
            if state.offset >= offset or not state.replica:
                return True
            if time.monotonic() > end:
                return False
            await asyncio.sleep(_PAUSE_S)

    async def follow(self, primary: RedisServer, within_s: float = 60.0) -> RedisState:
        """A replica of it, all that only this one has thrown away: salvage first. Raises MachineError."""
        host, port = primary.place.address
        refuse_same(self.place.shown, await self.look(), await primary.look())
        async with self.place.open() as session:
            await session.ask("REPLICAOF", host, str(port))
            await _keep_role(session)
        end = time.monotonic() + within_s
        while not (now := await self.look()).follows(await primary.look()):
            if time.monotonic() > end:
                what = f"does not follow {primary.place.shown} after {within_s:g} s"
                raise MachineError.at(self.place.shown, what, "see its log: it may need masteruser and masterauth")
            await asyncio.sleep(_PAUSE_S)
        return now


async def _look(session: RedisSession) -> RedisState:
    server, replication = await session.info("server"), await session.info("replication")
    persistence, keyspace = await session.info("persistence"), await session.ask("INFO", "keyspace")
    replica = replication["role"] == "slave"
    parted = int(replication.get("second_repl_offset", "-1"))
    return RedisState(
        run_id=server["run_id"],
        replication_id=replication["master_replid"],
        version=server.get("valkey_version", server["redis_version"]),
        replica=replica,
        offset=int(replication["slave_repl_offset" if replica else "master_repl_offset"]),
        linked=replication.get("master_link_status") == "up",
        before=replication["master_replid2"] if parted > 0 else "",
        parted_at=max(0, parted - 1),
        fenced=await _fenced_users(session) is not None,
        persistent=persistence.get("aof_enabled") == "1" or int(persistence.get("rdb_last_save_time", "0")) > 0,
        keys=sum(int(each["keys"]) for each in keyspace.values()),
        followers=_followers(replication),
    )


def _followers(replication: dict[str, str]) -> tuple[RedisFollower, ...]:
    import ast

    followers = []
    for name, text in sorted(replication.items()):
        if name.startswith("slave") and name[5:].isdigit():
            each = ast.literal_eval(text)
            behind = int(replication["master_repl_offset"]) - int(each["offset"])
            followers.append(RedisFollower(f"{each['ip']}:{each['port']}", str(each["state"]), max(0, behind)))
    return tuple(followers)


async def _users_on(session: RedisSession) -> list[str]:
    rules = [_text(each).split() for each in await session.ask("ACL", "LIST")]
    return [words[1] for words in rules if "on" in words[2:]]


async def _fenced_users(session: RedisSession) -> list[str] | None:
    """Whom the fence turned off, which may be nobody; None where there is no fence."""
    for rule in await session.ask("ACL", "LIST"):
        words = _text(rule).split()
        if words[1] == FENCE_USER:
            return [word[1:] for word in words[2:] if word.startswith("~")]
    return None


async def _clients(session: RedisSession) -> list[dict[str, str]]:
    lines = await session.ask("CLIENT", "LIST")
    if isinstance(lines, bytes):
        return [dict(pair.partition("=")[::2] for pair in line.split()) for line in _text(lines).splitlines()]
    return [{_text(name): _text(value) for name, value in each.items()} for each in lines]


async def _writers(session: RedisSession, ours: str) -> list[str]:
    """Users of clients that are no replicas and not this program."""
    others = [each for each in await _clients(session) if "S" not in each["flags"]]
    return [each["user"] for each in others if (each["user"], each.get("name")) != (ours, CLIENT_NAME)]


def refuse_default(place: RedisPlace) -> None:
    """Raises StoreRefusedError: whoever has the password alone is that user, and no fence would hold anybody back."""
    if place.user == "default":
        what = "this login is the default user, which clients are too, and a rule cannot tell them apart"
        remedy = "give operators a user of their own: ACL SETUSER dr on >PASSWORD ~* &* +@all"
        raise StoreRefusedError.at(place.shown, what, remedy)


async def _refuse_our_own(session: RedisSession, user: str) -> None:
    if user in await _writers(session, user):
        what = f"clients are connected as {user}, as this session is, and a rule cannot tell them apart"
        remedy = "give writers their own user (ACL), or end those sessions and fence again"
        raise StoreRefusedError.at(session.shown, what, remedy)


async def _end_sessions(session: RedisSession, ours: str, within_s: float) -> int:
    """Until none comes back."""
    ended, clean, end = 0, 0, time.monotonic() + within_s
    while clean < _CLEAN_LOOKS:
        if time.monotonic() > end:
            what = f"clients still get in {within_s:g} s after the fence"
            raise StoreRefusedError.at(session.shown, what, "check the active users with ACL LIST")
        gone = 0
        for user in sorted(set(await _writers(session, ours)) - {ours}):
            gone += int(await session.ask("CLIENT", "KILL", "USER", user, "TYPE", "normal", "SKIPME", "yes"))
            gone += int(await session.ask("CLIENT", "KILL", "USER", user, "TYPE", "pubsub"))
        ended, clean = ended + gone, 0 if gone else clean + 1
        await asyncio.sleep(_PAUSE_S)
    return ended


async def _keep_role(session: RedisSession) -> None:
    """So that a restart leaves its role as it is, where the server has a file to write it to."""
    with suppress(StoreRefusedError):
        await session.ask("CONFIG", "REWRITE")


async def _kept(session: RedisSession) -> bool:
    """Whether the access list was written to a file of the server's."""
    for command in (("ACL", "SAVE"), ("CONFIG", "REWRITE")):
        try:
            await session.ask(*command)
        except StoreRefusedError:
            continue
        return True
    return False


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
