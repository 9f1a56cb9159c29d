"""The logins of our own programs, on rendered servers: enough for their work, and not one thing more."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from identities import Certificates, certificates
from nats_world import wait_until
from rendered_pair import PASSWORDS, Pair

from secondsite.archive.daemon import archive_once
from secondsite.archive.plan import ArchivePlan
from secondsite.backup.codec import Keys
from secondsite.backup.progress import Silent
from secondsite.backup.run import BackupPlan, run_backup
from secondsite.model.deployment import Deployment
from secondsite.model.errors import MachineError
from secondsite.model.jetstream_config import is_internal
from secondsite.model.operate import Operate, Writers
from secondsite.model.strategy import Strategy
from secondsite.nats.connection import Connection, DeniedError
from secondsite.nats.jetstream import JetStream
from secondsite.nats.options import ConnectOptions
from secondsite.nats.place import NatsPlace, nats_place
from secondsite.nats.streams import StreamApi
from secondsite.objects.address import parse_store
from secondsite.objects.store import ObjectStorage
from secondsite.operate.agent import Agent, agent_config
from secondsite.operate.gate import gate_of, is_open_file, write_gate_file
from secondsite.operate.gate_config import gate_config
from secondsite.operate.writer_lease import WriterLease
from secondsite.strategies.compose import lay_out
from secondsite.strategies.design import Kit
from secondsite.strategies.rights import AGENT_INBOX, ARCHIVE_INBOX, BACKUP_INBOX, GATE_INBOX, POSITIONS, lease_subject
from secondsite.strategies.server_config import CLIENT_PORT
from secondsite.strategies.write_gate import LeaseTerms

pytestmark = pytest.mark.slow
__all__ = ["certificates"]

INBOXES = {
    **{"backup": BACKUP_INBOX, "agent": AGENT_INBOX, "archive": ARCHIVE_INBOX},
    **{"gate": GATE_INBOX, "gate-system": GATE_INBOX},
}
OURS = ("backup", "archive", "agent", "gate")
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
        wait_until(lambda: made.page("us-west-2", "leafz")["leafnodes"] == 1, 60)
        made.create_streams()
        asyncio.run(made.publish("us-east-1", "events.a"))
        request = {"stream_name": "EVENTS", "config": CONSUMER}
        asyncio.run(made.ask("us-east-1", "CONSUMER.CREATE.EVENTS.worker", request))
        wait_until(lambda: made.messages("us-west-2", "EVENTS") == 1, 60)
        yield made


def place(pair: Pair, user: str, region: str = "us-east-1") -> NatsPlace:
    password, inbox = PASSWORDS[user.removesuffix("-system").upper()], INBOXES.get(user, "_INBOX")
    options = ConnectOptions(user=user, password=password, timeout_s=2, inbox_prefix=inbox)
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


def test_an_archiver_needs_no_more_than_to_read(pair: Pair, tmp_path: Path) -> None:
    store = ObjectStorage(parse_store(f"file://{tmp_path}"), make=True)
    shipped = asyncio.run(archive_once(place(pair, "archive"), store, ArchivePlan()))
    assert sum(each.messages for each in shipped) >= 1
    assert not any(map(is_internal, asyncio.run(consumers(pair))))


async def consumers(pair: Pair) -> set[str]:
    return set((await pair.ask("us-east-1", "CONSUMER.NAMES.EVENTS", {}))["consumers"])


def test_a_gate_needs_no_more_than_to_look_and_to_reload(pair: Pair) -> None:
    config = gate_config(pair.deployment, "us-east-1")
    assert config
    said: list[str] = []
    folder = pair.folder / "us-east-1" / "nats"
    gate = gate_of(config, place(pair, "gate"), place(pair, "gate-system"), folder, said.append)
    write_gate_file(gate.file, config.subjects, is_open=False)

    async def kept() -> None:
        keeping = asyncio.create_task(gate.keep())
        async with asyncio.timeout(60):
            while not (is_open_file(gate.file) and gate._took):  # noqa: ASYNC110 # the gate tells nobody
                await asyncio.sleep(0.05)
        keeping.cancel()

    asyncio.run(kept())
    assert said == ["us-east-1 takes writes"]


def test_a_gate_keeps_its_lease_and_no_others(kit: Kit, tmp_path: Path, certificates: Certificates) -> None:
    system = evolve(kit.system, operate=Operate(writers=Writers.ONE))
    deployment = lay_out(Strategy.parse("warm-standby/leafnode-mirror"), evolve(kit, system=system))
    linked = Pair(deployment, tmp_path, certificates)
    regions = ("us-east-1", "us-west-2")

    async def kept(region: str, other: str) -> float:
        """As somebody has granted it; the region that takes over has none by itself."""
        config = gate_config(linked.deployment, region)
        assert config
        assert config.lease
        found = config.lease
        assert found.at_first is (region == regions[0])
        lease = WriterLease(region, "n0", LeaseTerms(found.seconds), found.config, time.monotonic)
        async with place(linked, "gate", region).open() as jetstream:
            await lease.renew(StreamApi(evolve(jetstream, prefix=found.prefix)))
            with pytest.raises(DeniedError):
                await jetstream.connection.request(lease_subject(other), b"{}", 1)
        return lease.until

    with linked.running():
        wait_until(lambda: linked.page("us-west-2", "leafz")["leafnodes"] == 1, 60)
        for pair_of in (regions, regions[::-1]):
            wait_until(lambda pair_of=pair_of: asyncio.run(kept(*pair_of)) > time.monotonic(), 60)  # type: ignore[misc]


def test_an_application_needs_no_more_than_its_streams(pair: Pair) -> None:
    """What clients do: publish, look a stream up, fetch, be pushed to, acknowledge, read one message."""

    async def work() -> list[str]:
        async with place(pair, "app").open() as jetstream:
            client = jetstream.connection.client
            js = client.jetstream()
            ack = await js.publish("events.a", b"x")
            reader = await js.pull_subscribe("events.>", durable="reader")
            (first, *_) = await reader.fetch(1, timeout=30)
            await first.ack_sync(timeout=30)
            await reader.unsubscribe()
            pushed = await js.subscribe("events.a", ordered_consumer=True)
            await pushed.next_msg(timeout=30)
            await pushed.unsubscribe()
            assert (await js.get_msg("EVENTS", ack.seq)).data == b"x"
            await js.delete_consumer("EVENTS", "reader")
            errors = [str(error) for error in jetstream.connection._errors]
            await pair.ask("us-east-1", "STREAM.MSG.DELETE.EVENTS", {"seq": ack.seq})
            return errors

    assert asyncio.run(work()) == []


NOT_FOR_CLIENTS = [
    *("STREAM.DELETE.EVENTS", "STREAM.PURGE.EVENTS", "STREAM.UPDATE.EVENTS", "STREAM.CREATE.OTHER"),
    *("STREAM.RESTORE.OTHER", "STREAM.SNAPSHOT.EVENTS", "STREAM.MSG.DELETE.EVENTS", "STREAM.LEADER.STEPDOWN.EVENTS"),
    *("STREAM.PEER.REMOVE.EVENTS", "META.LEADER.STEPDOWN", "CONSUMER.LEADER.STEPDOWN.EVENTS.worker"),
    *(f"STREAM.INFO.{POSITIONS}", f"CONSUMER.CREATE.{POSITIONS}"),
]


@pytest.mark.parametrize("verb", NOT_FOR_CLIENTS)
def test_an_application_manages_no_stream(pair: Pair, verb: str) -> None:
    refused(pair, "app", lambda js: js.ask(verb, {}))


@pytest.mark.parametrize(
    "subject", ["secondsite.positions.EVENTS.x", "secondsite.writers.us-east-1", "rpc.a", "$JS.us-west-2.API.INFO"]
)
def test_an_application_publishes_on_its_streams_alone(pair: Pair, subject: str) -> None:
    refused(pair, "app", lambda js: js.connection.request(subject, b"x", 1))


@pytest.mark.parametrize("subject", [">", "secondsite.>", "$JS.EVENT.>", "_INBOX.backup.>", "rpc.a"])
def test_an_application_hears_its_streams_alone(pair: Pair, subject: str) -> None:
    assert f'permissions violation for subscription to "{subject.lower()}"' in asyncio.run(heard(pair, "app", subject))


@pytest.mark.parametrize("user", OURS)
def test_an_application_hears_no_answer_to_ours(pair: Pair, user: str) -> None:
    """It may listen on `_INBOX.>`, as every client does."""
    prefix = INBOXES[user]

    async def listening() -> list[str]:
        async with place(pair, "app").open() as jetstream:
            client = jetstream.connection.client
            subscription = await client.subscribe("_INBOX.>")
            await client.flush()
            async with place(pair, "operator").open() as other:
                await other.connection.client.publish(f"{prefix}.x", b"secret")
                await other.connection.client.publish("_INBOX.end", b"")
                await other.connection.client.flush()
            told: list[str] = []
            while not told or told[-1] != "_INBOX.end":
                told.append((await subscription.next_msg(timeout=30)).subject)
            return told

    assert asyncio.run(listening()) == ["_INBOX.end"]


@pytest.mark.parametrize("login", ["leaf", "route", "gateway"])
def test_servers_logins_are_none_of_a_client(pair: Pair, login: str) -> None:
    with pytest.raises(MachineError, match="does not know these credentials"):
        asyncio.run(pair.ask("us-east-1", "INFO", {}, user=login))


@pytest.mark.parametrize(
    "subject",
    [
        *(
            "$SYS.REQ.SERVER.PING.CONNZ",
            "$SYS.REQ.SERVER.X.LDM",
            "$SYS.REQ.SERVER.X.KICK",
            "$SYS.REQ.ACCOUNT.APP.CONNZ",
        ),
        *("$SYS.REQ.CLAIMS.LIST", "$JS.API.SERVER.REMOVE", "$JS.API.ACCOUNT.PURGE.APP"),
    ],
)
def test_a_gate_has_servers_reload_and_nothing_more(pair: Pair, subject: str) -> None:
    refused(pair, "gate-system", lambda js: js.connection.request(subject, b"", 1))


@pytest.mark.parametrize("user", OURS)
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
        pytest.param(lambda js: js.ask(f"CONSUMER.CREATE.{POSITIONS}.x", {}), id="create one of another stream"),
        pytest.param(lambda js: js.ask("META.LEADER.STEPDOWN"), id="unseat a leader"),
        pytest.param(lambda js: js.connection.request("secondsite.writers.us-east-1", b"x", 1), id="take the lease"),
        pytest.param(lambda js: js.connection.request("events.a", b"x", 1), id="publish as the application"),
    ],
)
def test_one_thing_more_is_refused(pair: Pair, user: str, tried: Callable[[JetStream], Awaitable[object]]) -> None:
    refused(pair, user, tried)
    assert pair.messages("us-east-1", "EVENTS") == 1


@pytest.mark.parametrize("user", ["agent", "gate"])
@pytest.mark.parametrize("verb", ["STREAM.SNAPSHOT.EVENTS", "STREAM.LIST", "STREAM.MSG.GET.EVENTS"])
def test_who_only_looks_reads_no_stream(pair: Pair, user: str, verb: str) -> None:
    refused(pair, user, lambda js: js.ask(verb, {}))


def test_a_backup_reads_no_single_message(pair: Pair) -> None:
    refused(pair, "backup", lambda js: js.ask("STREAM.MSG.GET.EVENTS", {"seq": 1}))


@pytest.mark.parametrize("user", [*OURS, "gate-system"])
@pytest.mark.parametrize("subject", ["events.>", "_INBOX.>", ">", "$JS.EVENT.>"])
def test_nobody_listens_to_others(pair: Pair, user: str, subject: str) -> None:
    """Not to the application's messages, and not to the answers that others get."""
    assert f'permissions violation for subscription to "{subject.lower()}"' in asyncio.run(heard(pair, user, subject))


async def heard(pair: Pair, user: str, subject: str) -> str:
    """What the server says of the subscription."""
    async with place(pair, user).open() as jetstream:
        connection: Connection = jetstream.connection
        await connection.client.subscribe(subject)
        async with asyncio.timeout(30):
            await connection._noted.wait()
        return str(connection._errors[-1]).lower()


def test_the_agents_own_stream_is_all_that_it_may_create(pair: Pair) -> None:
    async def create(name: str) -> None:
        async with place(pair, "agent", "us-west-2").open() as jetstream:
            await StreamApi(jetstream).create({"name": name, "subjects": [f"{name}.>"]})

    with pytest.raises(DeniedError):
        asyncio.run(create("secondsite-positions-2"))
    assert json.dumps(asyncio.run(pair.ask("us-west-2", "STREAM.NAMES", {}))["streams"]).count(POSITIONS) == 1
