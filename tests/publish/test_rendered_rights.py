"""The logins of our own programs, on rendered servers: enough for their work, and not one thing more."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from identities import Certificates, certificates
from nats_world import wait_until
from rendered_pair import PASSWORDS, Pair

from secondsite.backup.codec import Keys
from secondsite.backup.progress import Silent
from secondsite.backup.run import BackupPlan, run_backup
from secondsite.model.deployment import Deployment
from secondsite.nats.connection import Connection, DeniedError
from secondsite.nats.jetstream import JetStream
from secondsite.nats.options import ConnectOptions
from secondsite.nats.place import NatsPlace, nats_place
from secondsite.nats.streams import StreamApi
from secondsite.objects.address import parse_store
from secondsite.objects.store import ObjectStorage
from secondsite.operate.agent import Agent, agent_config
from secondsite.strategies.rights import AGENT_INBOX, BACKUP_INBOX, POSITIONS
from secondsite.strategies.server_config import CLIENT_PORT

pytestmark = pytest.mark.slow
__all__ = ["certificates"]

INBOXES = {"backup": BACKUP_INBOX, "agent": AGENT_INBOX}
CONSUMER: Mapping[str, Any] = {
    "durable_name": "worker",
    "name": "worker",
    "ack_policy": "explicit",
    "deliver_policy": "all",
}


@pytest.fixture(scope="module")
def pair(
    laid_out: Callable[[str], Deployment], tmp_path_factory: pytest.TempPathFactory, certificates: Certificates
) -> Iterator[Pair]:
    """Linked, with a message in the first region and a consumer of it."""
    made = Pair(laid_out("warm-standby/leafnode-mirror"), tmp_path_factory.mktemp("pair"), certificates)
    with made.running():
        wait_until(lambda: made.page("us-west-2", "leafz")["leafnodes"] == 1, 20)
        made.create_streams()
        asyncio.run(made.publish("us-east-1", "events.a"))
        request = {"stream_name": "EVENTS", "config": CONSUMER}
        asyncio.run(made.ask("us-east-1", "CONSUMER.CREATE.EVENTS.worker", request))
        wait_until(lambda: made.messages("us-west-2", "EVENTS") == 1, 20)
        yield made


def place(pair: Pair, user: str, region: str = "us-east-1") -> NatsPlace:
    options = ConnectOptions(user=user, password=PASSWORDS[user.upper()], timeout_s=2, inbox_prefix=INBOXES[user])
    return nats_place(f"nats://127.0.0.1:{pair.port(region, CLIENT_PORT)}", options)


def refused(pair: Pair, user: str, tried: Callable[[JetStream], Awaitable[object]]) -> None:
    async def one() -> None:
        async with place(pair, user).open() as jetstream:
            await tried(jetstream)

    with pytest.raises(DeniedError, match="no permission"):
        asyncio.run(one())


def test_a_backup_needs_no_more_than_to_read(pair: Pair, tmp_path: Path) -> None:
    store = ObjectStorage(parse_store(f"file://{tmp_path}"), make=True)
    made = asyncio.run(run_backup(place(pair, "backup"), store, BackupPlan(keys=Keys()), Silent()))
    assert {"EVENTS"} <= {stream.name for stream in made.streams}
    assert made.messages >= 1


def test_an_agent_needs_no_more_than_to_look_and_to_note(pair: Pair) -> None:
    config = agent_config(pair.deployment, "us-west-2")
    assert config
    west = place(pair, "agent", "us-west-2")

    async def round_of() -> int:
        async with west.open() as jetstream:
            return await Agent(config, west, 1.0, lambda _: None).round(StreamApi(jetstream))

    copied = asyncio.run(round_of())
    assert copied >= 1
    assert pair.messages("us-west-2", POSITIONS) == copied


@pytest.mark.parametrize("user", ["backup", "agent"])
@pytest.mark.parametrize(
    "tried",
    [
        pytest.param(lambda js: js.ask("STREAM.DELETE.EVENTS"), id="delete a stream"),
        pytest.param(lambda js: js.ask("STREAM.PURGE.EVENTS"), id="purge it"),
        pytest.param(lambda js: js.ask("STREAM.UPDATE.EVENTS", {"name": "EVENTS"}), id="change it"),
        pytest.param(lambda js: js.ask("STREAM.CREATE.OTHER", {"name": "OTHER"}), id="create one"),
        pytest.param(lambda js: js.ask("STREAM.RESTORE.OTHER", {}), id="restore one"),
        pytest.param(lambda js: js.ask("STREAM.MSG.DELETE.EVENTS", {"seq": 1}), id="delete a message"),
        pytest.param(lambda js: js.ask("CONSUMER.DELETE.EVENTS.worker"), id="delete a consumer"),
        pytest.param(lambda js: js.ask("CONSUMER.CREATE.EVENTS.x", {"config": CONSUMER}), id="create a consumer"),
        pytest.param(lambda js: js.ask("STREAM.MSG.GET.EVENTS", {"seq": 1}), id="read a single message"),
        pytest.param(lambda js: js.connection.request("events.a", b"x", 1), id="publish as the application"),
    ],
)
def test_one_thing_more_is_refused(pair: Pair, user: str, tried: Callable[[JetStream], Awaitable[object]]) -> None:
    refused(pair, user, tried)
    assert pair.messages("us-east-1", "EVENTS") == 1


@pytest.mark.parametrize("tried", [lambda js: js.ask("STREAM.SNAPSHOT.EVENTS", {}), lambda js: js.ask("STREAM.LIST")])
def test_an_agent_reads_no_stream(pair: Pair, tried: Callable[[JetStream], Awaitable[object]]) -> None:
    refused(pair, "agent", tried)


@pytest.mark.parametrize("user", ["backup", "agent"])
@pytest.mark.parametrize("subject", ["events.>", "_INBOX.>", ">", "$JS.EVENT.>"])
def test_nobody_listens_to_others(pair: Pair, user: str, subject: str) -> None:
    """Not to the application's messages, and not to the answers that others get."""

    async def listen() -> str:
        async with place(pair, user).open() as jetstream:
            connection: Connection = jetstream.connection
            await connection.client.subscribe(subject)
            async with asyncio.timeout(5):
                await connection._noted.wait()
            return str(connection._errors[-1]).lower()

    assert f'permissions violation for subscription to "{subject.lower()}"' in asyncio.run(listen())


def test_the_agents_own_stream_is_all_that_it_may_create(pair: Pair) -> None:
    async def create(name: str) -> None:
        async with place(pair, "agent", "us-west-2").open() as jetstream:
            await StreamApi(jetstream).create({"name": name, "subjects": [f"{name}.>"]})

    with pytest.raises(DeniedError):
        asyncio.run(create("secondsite-positions-2"))
    assert json.dumps(asyncio.run(pair.ask("us-west-2", "STREAM.NAMES", {}))["streams"]).count(POSITIONS) == 1
