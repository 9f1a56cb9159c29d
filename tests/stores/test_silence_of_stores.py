"""What may be taken for silence of a database's server, and what may not: a lost primary is promoted beside.

Servers here are sockets that say the first words of a protocol, or none.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Thread

import pytest
from in_loop import in_loop
from nats_world import free_port
from needed import missing

from secondsite.lab.postgres_files import tools
from secondsite.model.errors import InputError, MachineError
from secondsite.operate.actions.stores import state_of
from secondsite.stores.postgres import PostgresServer
from secondsite.stores.postgres_place import PostgresPlace, StoreRefusedError, postgres_place
from secondsite.stores.redis import RedisServer
from secondsite.stores.redis_place import RedisPlace

NO_TLS, ASKS_FOR_A_PASSWORD = b"N", b"R" + (8).to_bytes(4, "big") + (3).to_bytes(4, "big")
Login = Callable[[int], str]


@contextmanager
def answering(*words: bytes) -> Iterator[int]:
    """The port of a server that gives one of the words for each packet, and then hangs up."""

    def serve() -> None:
        with suppress(OSError):  # it is closed
            while True:
                connection, _ = listening.accept()
                with connection, suppress(OSError):
                    connection.settimeout(10.0)
                    for each in words:
                        connection.recv(1000)
                        connection.sendall(each)
                    connection.recv(1000)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(10.0)


def without_tls(port: int) -> str:
    return f"host=127.0.0.1 port={port} user=dr sslmode=disable"


def with_tls(port: int) -> str:
    return f"host=127.0.0.1 port={port} user=dr sslmode=require"


@pytest.fixture(autouse=True)
def _no_login_from_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    if tools() is None:
        missing("psycopg is not installed: pip install 'secondsite[lab]'")
    monkeypatch.delenv("PGPASSWORD", raising=False)
    monkeypatch.setenv("PGPASSFILE", "/dev/null")


@pytest.mark.parametrize(
    ("words", "login", "remedy"),
    [
        ((ASKS_FOR_A_PASSWORD,), without_tls, "PGPASSWORD"),
        ((NO_TLS,), with_tls, "sslmode"),
        ((b"HTTP/1.1 400 Bad Request\r\n\r\n",), with_tls, "sslmode"),
    ],
)
@in_loop
async def test_a_postgres_that_answered_is_no_lost_one(words: tuple[bytes, ...], login: Login, remedy: str) -> None:
    with answering(*words) as port, pytest.raises(StoreRefusedError, match=remedy):
        await state_of(PostgresServer(PostgresPlace(login(port), 10.0)))


@in_loop
async def test_a_login_that_leads_nowhere_was_asked_of_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StoreRefusedError, match="service file"):
        await state_of(PostgresServer(postgres_place("service:nowhere", "DSN", 10.0)))

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    for server in (
        PostgresServer(PostgresPlace("host=db.example user=dr", 10.0)),
        RedisServer(RedisPlace("redis://cache.example:6379", 10.0)),
    ):
        with pytest.raises(StoreRefusedError, match="host name"):
            await state_of(server)


@in_loop
async def test_a_redis_with_a_certificate_that_nobody_takes_is_no_lost_one() -> None:
    with answering(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port, pytest.raises(StoreRefusedError, match="certificate"):
        await state_of(RedisServer(RedisPlace(f"rediss://127.0.0.1:{port}", 10.0)))


@in_loop
async def test_nobody_there_or_somebody_who_hangs_up_is_silent() -> None:
    with answering() as hangs_up:
        for port in (free_port(), hangs_up):
            assert await state_of(PostgresServer(PostgresPlace(without_tls(port), 10.0))) is None
            assert await state_of(RedisServer(RedisPlace(f"redis://127.0.0.1:{port}", 10.0))) is None


def test_the_password_of_a_key_is_a_password_too() -> None:
    with pytest.raises(InputError, match="every user"):
        postgres_place("host=db user=dr sslkey=client.key sslpassword=s3cret", "DSN")


def test_a_variable_without_a_name_is_told() -> None:
    with pytest.raises(InputError, match="names no variable"):
        postgres_place("env:", "DSN")


@in_loop
async def test_what_is_wrong_names_the_server_and_never_the_password() -> None:
    with pytest.raises(MachineError) as told:
        await PostgresServer(PostgresPlace(f"{without_tls(free_port())} password=s3cret", 10.0)).look()
    assert "127.0.0.1" in str(told.value)
    assert "s3cret" not in str(told.value)
