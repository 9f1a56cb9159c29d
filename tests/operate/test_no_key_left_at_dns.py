"""Who keeps a record is given a key or a token: none is left in evidence, journal, logs, output or process list."""

from __future__ import annotations

import asyncio
import base64
import logging
import secrets
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import fake_dns_apis
import name_servers
import pytest
from attrs import evolve
from drilled import MANIFEST
from fake_dns_apis import MANAGED, PROJECT, ZONE_ID, FakeCloudflare, FakeGoogle, served
from knot_server import ZONE
from left_behind import held_in, watched
from name_servers import bind, powerdns

from secondsite.catalogue.bundle import load_catalogue
from secondsite.discover.system_file.reading import load_system
from secondsite.dns.cloudflare import CloudflareRecord
from secondsite.dns.google import GoogleRecord
from secondsite.drill.evidence.folder import EvidenceWriter
from secondsite.model.access import DnsProvider, RecordAccess
from secondsite.model.errors import MachineError
from secondsite.model.fault import Fault
from secondsite.model.operate import Operate, RegionEntrance
from secondsite.model.procedure import Procedure, Verb
from secondsite.model.strategy import Strategy
from secondsite.model.traffic import Traffic
from secondsite.operate import record_door
from secondsite.operate.executor import Options, execute
from secondsite.operate.journal import Journal
from secondsite.operate.live import LiveWorld
from secondsite.operate.plan import make_plan
from secondsite.operate.record_door import RecordDoorway, record_doorway
from secondsite.operate.world import Decision
from secondsite.strategies.compose import lay_out, procedures
from secondsite.strategies.design import Kit

pytestmark = pytest.mark.slow
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "kgents" / "secondsite.yaml"
HOST = f"api.{ZONE}"
Keeper = Callable[[Path, str, pytest.MonkeyPatch], AbstractContextManager[RecordAccess]]


@contextmanager
def at_bind(folder: Path, secret: str, patch: pytest.MonkeyPatch) -> Iterator[RecordAccess]:
    patch.setattr(name_servers, "SECRET", secret)
    with bind(folder) as port:
        key = f"hmac-sha256:secondsite:{secret}"
        yield RecordAccess(DnsProvider.RFC2136, ZONE, f"127.0.0.1:{port}", key=_file(folder, key))


@contextmanager
def at_powerdns(folder: Path, secret: str, patch: pytest.MonkeyPatch) -> Iterator[RecordAccess]:
    patch.setattr(name_servers, "API_KEY", secret)
    with powerdns(folder) as (_, url):
        yield RecordAccess(DnsProvider.POWERDNS, ZONE, url, key=_file(folder, secret))


@contextmanager
def at_cloudflare(folder: Path, secret: str, patch: pytest.MonkeyPatch) -> Iterator[RecordAccess]:
    fake = FakeCloudflare()
    fake.put(HOST, "A", "192.0.2.1")
    patch.setattr(fake_dns_apis, "EDITS", secret)
    with served(fake):
        patch.setattr(record_door, "CloudflareRecord", partial(CloudflareRecord, base=fake.url))
        yield RecordAccess(DnsProvider.CLOUDFLARE, ZONE_ID, key=_file(folder, secret))


@contextmanager
def at_google(folder: Path, secret: str, patch: pytest.MonkeyPatch) -> Iterator[RecordAccess]:
    fake = FakeGoogle()
    fake.put(f"{HOST}.", "A", "192.0.2.1")
    patch.setattr(fake_dns_apis, "EDITS", secret)
    with served(fake):
        patch.setattr(record_door, "GoogleRecord", partial(GoogleRecord, base=fake.url))
        yield RecordAccess(DnsProvider.GOOGLE, f"{PROJECT}/{MANAGED}", key=_file(folder, secret))


KEEPERS: dict[str, Keeper] = {
    "bind": at_bind,
    "powerdns": at_powerdns,
    "cloudflare": at_cloudflare,
    "google": at_google,
}


def _file(folder: Path, key: str) -> str:
    (folder / "key").write_text(key, encoding="utf-8")
    return f"file:{folder / 'key'}"


def door_to(record: RecordAccess, region: str) -> RecordDoorway:
    door = record_doorway(Traffic(host=HOST), Operate(dns=record, entrances=(RegionEntrance(region, "192.0.2.9"),)), {})
    assert door is not None
    return door


async def _changed(door: RecordDoorway, folder: Path) -> None:
    """Planned and executed by the step that a failover has; plan and journal go to evidence."""
    kit = Kit.of(load_system(EXAMPLE), load_catalogue())
    deployment = evolve(lay_out(Strategy.parse("warm-standby/leafnode-mirror"), kit), clusters=())
    whole = procedures(deployment, kit)[Fault.REGION]
    steps = tuple(evolve(step, after=()) for step in whole.steps if step.verb is Verb.CHANGE_TRAFFIC)
    world = LiveWorld({}, Decision("tester", 1.0, "a test"), dns=door)
    procedure = Procedure("the record alone", Fault.REGION, steps)
    plan = await make_plan(procedure, deployment, world)
    (folder / "plan.txt").write_text(f"{plan!r} {world!r} {door!r}", encoding="utf-8")
    with EvidenceWriter.create(folder / "evidence", MANIFEST, []) as writer:
        with Journal(writer.journal, world.clock) as journal:
            outcome = await execute(procedure, deployment, world, journal, options=Options(approved=plan.hash))
        assert outcome.finished, outcome.problems
        writer.take_journal()
        writer.close()
    assert set((await door.authoritative()).values()) == {("192.0.2.9",)}


async def _problem(asked: Awaitable[str]) -> str:
    try:
        return await asked
    except MachineError as error:
        return f"{error} {error!r}"


@pytest.mark.parametrize("keeper", KEEPERS)
def test_no_key_of_whoever_keeps_the_record_is_left(
    keeper: str,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Neither by a change nor by what is refused to another key, or answered by nobody."""
    caplog.set_level(logging.DEBUG)
    secret, other = (base64.b64encode(secrets.token_bytes(24)).decode() for _ in range(2))
    servers, problems = tmp_path_factory.mktemp("servers"), list[str]()

    async def work(record: RecordAccess) -> list[bytes]:
        async with watched(secret, other) as found:
            await _changed(door_to(record, "us-west-2"), tmp_path)
            wrong = f"hmac-sha256:secondsite:{other}" if keeper == "bind" else other
            refused = door_to(evolve(record, key=_file(tmp_path_factory.mktemp("wrong"), wrong)), "us-west-2")
            problems.append(await _problem(refused.may()))
            return found

    with KEEPERS[keeper](servers, secret, monkeypatch) as record:
        found = asyncio.run(work(record))
    problems.append(asyncio.run(_problem(door_to(record, "us-west-2").owner())))  # nobody is there any more
    said = capfd.readouterr()
    (tmp_path / "said.txt").write_text("".join([said.out, said.err, caplog.text, *problems]), encoding="utf-8")
    assert all(problems)
    assert found == []
    assert [held_in(tmp_path, each) for each in (secret, other)] == [[], []]
    assert held_in(servers, secret) != [], "where it has to be, it is seen"
