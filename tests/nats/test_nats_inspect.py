"""A live server is read as it is: every kind of stream, every way to authenticate, every refusal."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import nats.errors
import pytest
from identities import USER, Identity, Operated
from nats.js import api
from nats.js.client import JetStreamContext

import nats
from secondsite.discover.live import LiveNats, cluster_from_live, merge_live
from secondsite.discover.system_file.schema import paths
from secondsite.model.errors import InputError, MachineError
from secondsite.model.mark import Knowledge, Mark
from secondsite.model.nats import Consumer, Discard, NatsCluster, Retention, Storage, Stream, StreamOrigin
from secondsite.model.region import Region
from secondsite.model.settings import Settings
from secondsite.model.system import System
from secondsite.model.units import Seconds
from secondsite.nats.address import parse_addresses
from secondsite.nats.connection import Connection
from secondsite.nats.inspect import inspect
from secondsite.nats.options import ConnectOptions
from secondsite.nats.tasks import end_tasks

pytestmark = pytest.mark.slow

QUICK = ConnectOptions(timeout_s=3, sample_s=0.5)
JETSTREAM = (
    "jetstream { store_dir: STORE, max_file_store: 10G, max_memory_store: 1G, sync_interval: always, domain: eu }"
)


def look(url: str, options: ConnectOptions = QUICK, monitor: str | None = None) -> LiveNats:
    return asyncio.run(inspect(url, options=options, monitor=monitor))


def prepare(url: str, work: Callable[[JetStreamContext], Coroutine[Any, Any, None]], **login: Any) -> None:
    async def run() -> None:
        client = await nats.connect(url, **login)
        try:
            await work(client.jetstream(timeout=5))
        finally:
            await client.close()

    asyncio.run(run())


async def insist(create: Callable[[], Coroutine[Any, Any, object]]) -> None:
    """A replicated creation on a busy machine may be answered late, and its subjects be known late to other servers.

    Asking again changes nothing: nothing was stored where nobody listened.
    """
    for _ in range(20):
        try:
            await create()
        except nats.errors.TimeoutError:
            continue
        except nats.js.errors.NoStreamResponseError:
            await asyncio.sleep(0.2)
            continue
        return
    pytest.fail("the cluster does not create what it is asked to")


async def fill(js: JetStreamContext) -> None:
    """One stream of each kind, replicated three times where that is what the kind is about."""
    brief = {"name": "BRIEF", "subjects": ["brief"], "allow_msg_ttl": True, "duplicate_window": 30 * 10**9}
    far = api.StreamSource(name="far", external=api.ExternalStream(api="$JS.us.API"))
    streams = [
        api.StreamConfig(
            "kgent-events", subjects=["kgent.>"], max_age=168 * 3600, max_msgs_per_subject=10_000, num_replicas=3
        ),
        api.StreamConfig("JOBS", subjects=["jobs"], retention=api.RetentionPolicy.WORK_QUEUE, num_replicas=3),
        api.StreamConfig(
            "SEEN", subjects=["s.*"], retention=api.RetentionPolicy.INTEREST, storage=api.StorageType.MEMORY
        ),
        api.StreamConfig("FULL", subjects=["full"], discard=api.DiscardPolicy.NEW, max_bytes=2**20, max_msgs=500),
        api.StreamConfig("COPY", mirror=api.StreamSource(name="kgent-events")),
        api.StreamConfig("BOTH", sources=[api.StreamSource(name="FULL"), far]),
    ]
    for config in streams:
        await insist(lambda config=config: js.add_stream(config))  # type: ignore[misc]
    await insist(lambda: js.add_consumer("kgent-events", durable_name="sse", max_deliver=3, filter_subject="kgent.a"))
    metering = api.ConsumerConfig(durable_name="metering", filter_subjects=["kgent.b", "kgent.c"])
    await insist(lambda: js.add_consumer("kgent-events", metering))
    for number in range(200):
        await insist(
            partial(js.publish, f"kgent.{'abc'[number % 3]}", b"x" * 1000, headers={"Nats-Msg-Id": f"{number}"})
        )
    await insist(lambda: js._api_request("$JS.API.STREAM.CREATE.BRIEF", json.dumps(brief).encode(), timeout=5))
    await insist(lambda: js.create_key_value(bucket="config", replicas=3))
    await insist(lambda: js.create_object_store("files"))


@pytest.fixture(scope="module")
def cluster(start_nats_once: Callable[..., list[Any]], tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    servers: list[Any] = start_nats_once(tmp_path_factory.mktemp("eu"), JETSTREAM, 3)
    prepare(servers[0].url, fill)
    return servers


@pytest.fixture(scope="module")
def found(cluster: list[Any]) -> tuple[NatsCluster, dict[str, Mark]]:
    return cluster_from_live(look(cluster[0].url, monitor=cluster[0].monitor))


def test_the_cluster_is_read(found: tuple[NatsCluster, dict[str, Mark]], cluster: list[Any]) -> None:
    told, marks = found
    assert (told.name, told.servers, told.version, told.domain) == ("eu", 3, "2.15.1", "eu")
    assert (told.sync_interval_s, told.max_file_bytes, told.max_memory_bytes) == (0.0, 10**10, 10**9)
    assert (told.jetstream, told.self_route, told.route_tls, told.system_account) == (True, True, False, "$SYS")
    assert told.store_dir == str(cluster[0].folder / "store"), "the server adds a folder of its own below"
    assert str(marks["sync_interval"]) == f"read {cluster[0].monitor}"
    assert str(marks["version"]) == f"read {cluster[0].url}"


def test_streams_of_every_kind_are_read(found: tuple[NatsCluster, dict[str, Mark]]) -> None:
    streams = {stream.name: stream for stream in found[0].streams}
    assert set(streams) == {"kgent-events", "JOBS", "SEEN", "FULL", "COPY", "BOTH", "BRIEF", "KV_config", "OBJ_files"}
    events = streams["kgent-events"]
    assert (events.subjects, events.replicas, events.max_age_s) == (("kgent.>",), 3, Seconds(168 * 3600))
    assert (events.max_messages_per_subject, events.max_messages, events.max_bytes) == (10_000, None, None)
    assert (events.messages, events.retention, events.storage) == (200, Retention.LIMITS, Storage.FILE)
    assert 1000 <= (events.message_bytes or 0) < 1200
    assert set(events.consumers) == {
        Consumer("sse", filter_subject="kgent.a", max_deliver=3),
        Consumer("metering", settings=Settings({"filter_subjects": ["kgent.b", "kgent.c"]})),
    }
    assert (streams["JOBS"].retention, streams["SEEN"].retention) == (Retention.WORKQUEUE, Retention.INTEREST)
    assert streams["SEEN"].storage is Storage.MEMORY
    full = streams["FULL"]
    assert (full.discard, full.max_bytes, full.max_messages, full.replicas) == (Discard.NEW, 2**20, 500, 1)
    assert streams["COPY"].mirror == StreamOrigin("kgent-events")
    assert streams["BOTH"].sources == (StreamOrigin("FULL"), StreamOrigin("far", domain="us"))
    assert (streams["BRIEF"].message_ttl, streams["BRIEF"].duplicate_window_s) == (True, Seconds(30))
    assert (streams["KV_config"].kind, streams["KV_config"].replicas, streams["OBJ_files"].kind) == ("kv", 3, "object")


def test_all_that_was_read_is_marked(found: tuple[NatsCluster, dict[str, Mark]]) -> None:
    told, marks = found
    assert set(marks) <= set(paths(told, ""))
    assert all(mark.origin is Knowledge.READ for mark in marks.values())
    of_streams = {path for path in paths(told, "") if path.startswith("streams.")}
    assert len(of_streams) > 100
    assert all(path.endswith(".erasure_duty") for path in of_streams - set(marks))


def test_a_rate_is_seen_between_two_readings(cluster: list[Any]) -> None:
    """However fast this machine publishes: no more is counted than was published meanwhile, and nothing from before."""
    before, sample_s = 200, 1.0

    async def both() -> tuple[LiveNats, int]:
        client = await nats.connect(cluster[1].url)
        js = client.jetstream()
        for _ in range(before):
            await js.publish("jobs", b"x")
        sent = 0

        async def publish() -> None:
            nonlocal sent
            while True:
                sent += 1
                await js.publish("jobs", b"x")
                await asyncio.sleep(0.02)

        publishing = asyncio.create_task(publish())
        try:
            live = await inspect(cluster[0].url, options=ConnectOptions(sample_s=sample_s), monitor=cluster[0].monitor)
            return live, sent
        finally:
            await end_tasks(publishing)
            await client.close()

    live, sent = asyncio.run(both())
    rates = {stream.info["config"]["name"]: stream.rate_per_s for stream in live.streams}
    assert 0 < (rates["JOBS"] or 0) <= sent / sample_s
    assert rates["FULL"] == 0


def test_live_facts_win_over_manifests(found: tuple[NatsCluster, dict[str, Mark]]) -> None:
    told, marks = found
    manifest = NatsCluster(
        name="nats",
        service="nats",
        servers=1,
        version="2.10",
        streams=(Stream("kgent-events", replicas=1, erasure_duty=True), Stream("OTHER")),
    )
    system = System(
        "kgents", Region("aws", "eu-west-1"), nats=(manifest,), marks={"nats.nats.version": Mark(Knowledge.ASSUMED)}
    )
    (merged,) = merge_live(system, told, marks).nats
    assert (merged.name, merged.service, merged.servers, merged.version) == ("nats", "nats", 3, "2.15.1")
    streams = {stream.name: stream for stream in merged.streams}
    assert (streams["kgent-events"].replicas, streams["kgent-events"].erasure_duty) == (3, True)
    assert "OTHER" in streams
    after = merge_live(system, told, marks)
    assert after.marks["nats.nats.version"].origin is Knowledge.READ
    assert "nats.nats.streams.JOBS.retention" in after.marks


def test_five_hundred_streams_are_paged(start_nats: Callable[..., list[Any]], tmp_path: Path) -> None:
    (server,) = start_nats(tmp_path, JETSTREAM)

    async def many(js: JetStreamContext) -> None:
        for number in range(500):
            await js.add_stream(name=f"S{number}", subjects=[f"s{number}"], storage=api.StorageType.MEMORY)
        for number in range(300):
            await js.add_consumer("S7", durable_name=f"c{number}")

    prepare(server.url, many)
    cluster, _ = cluster_from_live(look(server.url, monitor=server.monitor))
    assert {stream.name for stream in cluster.streams} == {f"S{number}" for number in range(500)}
    assert len(next(stream for stream in cluster.streams if stream.name == "S7").consumers) == 300
    assert cluster.servers == 1


ACCOUNTS = """
accounts {
  APP { jetstream: enabled, users: [
    { user: app, password: hunter2 },
    { user: half, password: hunter2, permissions { publish: "other", subscribe: ">" } },
    { user: deaf, password: hunter2, permissions { publish: ">", subscribe: "other" } } ] }
  PLAIN { users: [ { user: plain, password: hunter2 } ] }
}
"""


@pytest.fixture(scope="module")
def guarded(start_nats_once: Callable[..., list[Any]], tmp_path_factory: pytest.TempPathFactory) -> Any:
    return start_nats_once(tmp_path_factory.mktemp("guarded"), JETSTREAM + ACCOUNTS)[0]


PASSWORD = "hunter2"


def as_user(user: str, password: str = PASSWORD) -> ConnectOptions:
    return ConnectOptions(user=user, timeout_s=3, sample_s=0.1).with_environment({"NATS_PASSWORD": password})


def test_user_and_password(guarded: Any) -> None:
    live = look(guarded.url, as_user("app"), guarded.monitor)
    assert "hunter2" not in repr(live)
    by_url = look(guarded.url.replace("//", "//app:hunter2@"), monitor=guarded.monitor)
    assert by_url.url == guarded.url
    assert "hunter2" not in repr(by_url)


@pytest.mark.parametrize(
    ("user", "password", "what"),
    [
        ("app", "wrong-secret", "does not know these credentials"),
        ("plain", "hunter2", "JetStream is not enabled for this account"),
        ("half", "hunter2", "no permission for $JS.API.INFO"),
        ("deaf", "hunter2", "no permission for $JS.API.INFO"),
    ],
)
def test_a_refusal_says_what_to_do(guarded: Any, user: str, password: str, what: str) -> None:
    with pytest.raises(MachineError) as caught:
        look(guarded.url, as_user(user, password))
    (problem,) = caught.value.problems
    assert problem.place.file == guarded.url
    assert what in problem.what
    assert problem.remedy
    assert password not in str(caught.value)


@pytest.mark.parametrize(
    ("noted", "last", "what"),
    [
        ([], BrokenPipeError(), "ended the connection"),
        ([nats.errors.UnexpectedEOF()], nats.errors.NoServersError(), "ended the connection"),
        ([Exception("nats: 'Authorization Violation'")], ConnectionResetError(), "does not know these credentials"),
        ([ConnectionRefusedError()], nats.errors.NoServersError(), "was refused"),
        ([], nats.errors.NoServersError(), "no connection (NoServersError)"),
    ],
)
def test_the_most_telling_word_counts(noted: list[Exception], last: Exception, what: str) -> None:
    """A hang-up says the least, and it may come last."""
    connection = Connection(parse_addresses("nats://somewhere:4222"), ConnectOptions())
    for error in noted:
        asyncio.run(connection.note(error))
    assert what in str(connection.refusal(last))


def test_no_jetstream_at_all(start_nats: Callable[..., list[Any]], tmp_path: Path) -> None:
    (server,) = start_nats(tmp_path, "")
    with pytest.raises(MachineError, match="JetStream is not enabled"):
        look(server.url)


def test_nobody_there(start_nats: Callable[..., list[Any]], tmp_path: Path) -> None:
    (server,) = start_nats(tmp_path, JETSTREAM)
    with pytest.raises(MachineError, match=r"no answer in time|no connection"):
        look(f"nats://127.0.0.1:{server.http}", ConnectOptions(timeout_s=1))
    with pytest.raises(MachineError, match=r"not a NATS monitoring endpoint|does not answer"):
        look(server.url, monitor=f"http://127.0.0.1:{server.port}")
    os.killpg(server.process.pid, signal.SIGSTOP)
    with pytest.raises(MachineError, match=r"no answer (in time|to .* within 1 s)"):
        look(server.url, ConnectOptions(timeout_s=1))
    os.killpg(server.process.pid, signal.SIGKILL)
    server.process.wait(60)
    with pytest.raises(MachineError, match="refused"):
        look(server.url)
    with pytest.raises(MachineError, match="unknown host"):
        look("nats://nowhere.invalid:4222")


def test_a_monitoring_endpoint_of_another_cluster_is_refused(guarded: Any, cluster: list[Any]) -> None:
    with pytest.raises(MachineError, match="another NATS cluster"):
        look(guarded.url, as_user("app"), cluster[0].monitor)


def test_a_cluster_without_a_leader_says_so(start_nats: Callable[..., list[Any]], tmp_path: Path) -> None:
    servers = start_nats(tmp_path, JETSTREAM, 3)
    for server in servers[1:]:
        os.killpg(server.process.pid, signal.SIGKILL)
    told = ""
    deadline = time.monotonic() + 60  # a survivor that led takes some 20 s to see that it is alone
    while "10008" not in told and time.monotonic() < deadline:
        try:
            look(servers[0].url, ConnectOptions(timeout_s=2, sample_s=0))
        except MachineError as error:
            told = str(error)
    assert "(10008); there is no meta leader: bring back a majority" in told


def test_a_stream_that_lost_its_server_is_named(start_nats: Callable[..., list[Any]], tmp_path: Path) -> None:
    servers = start_nats(tmp_path, JETSTREAM, 3)

    async def one_on_each(js: JetStreamContext) -> None:
        for number in range(6):
            await insist(lambda number=number: js.add_stream(name=f"S{number}", subjects=[f"s{number}"]))  # type: ignore[misc]

    prepare(servers[0].url, one_on_each)
    before = look(servers[0].url, QUICK, servers[0].monitor)
    assert (len(before.streams), before.notes) == (6, ())
    lost = {stream.info["config"]["name"] for stream in before.streams if stream.info["cluster"]["leader"] == "n2"}
    assert lost
    os.killpg(servers[2].process.pid, signal.SIGKILL)
    deadline = time.monotonic() + 60  # until there is a meta leader again
    after = None
    while after is None and time.monotonic() < deadline:
        with suppress(MachineError):
            after = look(servers[0].url, ConnectOptions(timeout_s=6, sample_s=0), servers[0].monitor)
    assert after is not None
    assert {stream.info["config"]["name"] for stream in after.streams} == {f"S{number}" for number in range(6)} - lost
    assert all(name in after.notes[0] for name in lost)


def test_tls(start_nats: Callable[..., list[Any]], tmp_path: Path, certificates: Any) -> None:
    files = certificates
    tls = f"tls {{ cert_file: '{files.server}', key_file: '{files.server_key}', ca_file: '{files.ca}', verify: true }}"
    (server,) = start_nats(tmp_path, f"{JETSTREAM}\n{tls}")
    options = ConnectOptions(
        tls_ca=files.ca, tls_cert=files.client, tls_key=files.client_key, timeout_s=3, sample_s=0.1
    )
    for url in (server.url, server.url.replace("nats:", "tls:")):
        assert look(url, options, server.monitor).varz
    with pytest.raises(MachineError, match="TLS"):
        look(server.url)
    with pytest.raises(MachineError, match=r"TLS|no connection"):
        look(server.url, ConnectOptions(tls_ca=files.ca, timeout_s=3))
    with pytest.raises(InputError, match="needs its key"):
        look(server.url, ConnectOptions(tls_cert=files.client))
    with pytest.raises(InputError, match="cannot be read"):
        look(server.url, ConnectOptions(tls_ca=tmp_path / "none.pem"))


def test_nkey(start_nats: Callable[..., list[Any]], tmp_path: Path) -> None:
    user = Identity(USER)
    assert user.seed.startswith("SU")
    (server,) = start_nats(tmp_path, f"{JETSTREAM}\nauthorization {{ users: [ {{ nkey: {user.public} }} ] }}")
    (tmp_path / "user.nk").write_text(f"{user.seed}\n")
    assert look(server.url, ConnectOptions(nkey=tmp_path / "user.nk", sample_s=0.1), server.monitor).varz
    (tmp_path / "other.nk").write_text(Identity(USER).seed)
    with pytest.raises(MachineError, match="does not know these credentials"):
        look(server.url, ConnectOptions(nkey=tmp_path / "other.nk"))


def test_a_credentials_file(start_nats: Callable[..., list[Any]], tmp_path: Path) -> None:
    operated = Operated()
    (server,) = start_nats(tmp_path, f"{JETSTREAM}\n{operated.config}")
    operated.write_credentials(tmp_path / "user.creds")
    environment = {"NATS_CREDS": str(tmp_path / "user.creds")}
    live = look(server.url, ConnectOptions(sample_s=0.1).with_environment(environment), server.monitor)
    assert cluster_from_live(live)[0].system_account == operated.system.public
