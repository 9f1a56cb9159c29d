"""The doors to a record, one suite for each: Knot DNS and BIND by RFC 2136, PowerDNS by its API, a server of Route 53's
API that enforces the policy of docs/rights.md, fakes of Cloudflare's and Google's. What somebody else changed is never
overrun, and nothing beside the record is touched."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

import boto3
import dns.flags
import dns.rcode
import dns.update
import pytest
from attrs import evolve, frozen
from fake_dns_apis import EDITS, MANAGED, PROJECT, READS, ZONE_ID, FakeCloudflare, FakeGoogle, served
from knot_server import SECRET, ZONE, knot, values
from name_servers import API_KEY, bind, powerdns
from nats_world import free_port, process
from rights_page import policy

from secondsite.dns.cloudflare import CloudflareRecord
from secondsite.dns.google import GoogleRecord
from secondsite.dns.google_login import GoogleLogin
from secondsite.dns.powerdns import PowerDnsRecord
from secondsite.dns.record import (
    HostRecord,
    RecordConflictError,
    RecordRefusedError,
    RecordSource,
    WantedRecord,
    owner_of,
)
from secondsite.dns.rfc2136 import DynamicRecord, TsigKey, tsig_key
from secondsite.dns.route53 import Route53Record
from secondsite.model.access import DnsProvider, RecordAccess, RecordSwitch
from secondsite.model.endpoint import Endpoint
from secondsite.model.errors import InputError, MachineError
from secondsite.model.operate import Operate, RegionEntrance
from secondsite.model.traffic import Traffic
from secondsite.operate.record_door import record_doorway

pytestmark = pytest.mark.slow
HOST = f"api.{ZONE}"
HOME, AWAY = HostRecord("A", ("192.0.2.1",), 60), WantedRecord(("192.0.2.9",))
OWNER = "heritage=external-dns,external-dns/owner=kgents,external-dns/resource=ingress/kgents/api"
ROUTE53 = Path(__file__).parents[1] / "support" / "route53_server.py"
OTHER = TsigKey("secondsite", "hmac-sha256", base64.b64encode(b"another one, of the same length.").decode())
SETUP_CALLS = 4


class Kept(Protocol):
    """A record with who keeps it; ``stranger`` may not change it."""

    @property
    def source(self) -> RecordSource: ...

    @property
    def stranger(self) -> RecordSource: ...

    def written(self, values: list[str]) -> None: ...

    def beside(self) -> list[str]: ...


@frozen
class AtKnot:
    source: DynamicRecord
    stranger: DynamicRecord
    port: int

    def written(self, values: list[str]) -> None:
        """By somebody else, who has the same key."""
        state = asyncio.run(self.source.look())
        asyncio.run(self.source.change(state, WantedRecord(tuple(values)), 60))

    def beside(self) -> list[str]:
        return values(self.port, "www")


@frozen
class AtPowerDns:
    source: PowerDnsRecord
    stranger: PowerDnsRecord
    port: int

    def written(self, values: list[str]) -> None:
        state = asyncio.run(self.source.look())
        asyncio.run(self.source.change(state, WantedRecord(tuple(values)), 60))

    def beside(self) -> list[str]:
        return values(self.port, "www")


@frozen
class AtCloudflare:
    source: CloudflareRecord
    stranger: CloudflareRecord
    fake: FakeCloudflare

    def written(self, values: list[str]) -> None:
        for one in [each for each in self.fake.records.values() if each["name"] == HOST]:
            del self.fake.records[one["id"]]
        for value in values:
            self.fake.put(HOST, "A", value)

    def beside(self) -> list[str]:
        """Every record of another name, not only one: a plan of the zone would delete them."""
        return [one["content"] for one in self.fake.records.values() if one["name"] != HOST]


@frozen
class AtGoogle:
    source: GoogleRecord
    stranger: GoogleRecord
    fake: FakeGoogle

    def written(self, values: list[str]) -> None:
        self.fake.put(f"{HOST}.", "A", *values)

    def beside(self) -> list[str]:
        return [value for (name, _), one in self.fake.sets.items() if name != f"{HOST}." for value in one["rrdatas"]]


@frozen
class AtRoute53:
    source: Route53Record
    stranger: Route53Record
    anybody: Any

    def written(self, values: list[str]) -> None:
        self._sets("api", "UPSERT", values)

    def beside(self) -> list[str]:
        found = self.anybody.list_resource_record_sets(HostedZoneId=self.source.zone)["ResourceRecordSets"]
        return [v["Value"] for one in found if one["Name"] == f"www.{ZONE}." for v in one["ResourceRecords"]]

    def _sets(self, name: str, action: str, values: list[str], kind: str = "A") -> None:
        record = {"Name": f"{name}.{ZONE}.", "Type": kind, "TTL": 60, "ResourceRecords": [{"Value": v} for v in values]}
        changes = [{"Action": action, "ResourceRecordSet": record}]
        self.anybody.change_resource_record_sets(HostedZoneId=self.source.zone, ChangeBatch={"Changes": changes})

    def begun(self) -> None:
        for one in self.anybody.list_resource_record_sets(HostedZoneId=self.source.zone)["ResourceRecordSets"]:
            if one["Type"] in ("A", "CNAME"):
                batch = {"Changes": [{"Action": "DELETE", "ResourceRecordSet": one}]}
                self.anybody.change_resource_record_sets(HostedZoneId=self.source.zone, ChangeBatch=batch)
        for name, value in (("api", "192.0.2.1"), ("www", "192.0.2.2")):
            self._sets(name, "CREATE", [value])


@pytest.fixture(scope="module")
def route53() -> Iterator[AtRoute53]:
    port = free_port()
    endpoint = {"endpoint_url": f"http://127.0.0.1:{port}", "region_name": "us-east-1"}
    anybody = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
    with pytest.MonkeyPatch.context() as given:
        given.setenv("INITIAL_NO_AUTH_ACTION_COUNT", str(SETUP_CALLS))
        with process(Path(sys.executable), ROUTE53, "-H", "127.0.0.1", "-p", str(port), port=port):
            iam: Any = boto3.client("iam", **endpoint, **anybody)
            clients = []
            zone = boto3.client("route53", **endpoint, **anybody).create_hosted_zone(Name=ZONE, CallerReference="x")
            zone_id = zone["HostedZone"]["Id"].rpartition("/")[2]
            everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
            iam.create_user(UserName="admin")
            iam.put_user_policy(UserName="admin", PolicyName="all", PolicyDocument=json.dumps(everything))
            keys = iam.create_access_key(UserName="admin")["AccessKey"]
            login = {"aws_access_key_id": keys["AccessKeyId"], "aws_secret_access_key": keys["SecretAccessKey"]}
            iam = boto3.client("iam", **endpoint, **login)
            looks = policy("swap", ZONE=zone_id, HOST=HOST)
            reads = {**looks, "Statement": looks["Statement"][1:]}
            for name, document in (("swap", looks), ("reads", reads)):
                iam.create_user(UserName=name)
                iam.put_user_policy(UserName=name, PolicyName=name, PolicyDocument=json.dumps(document))
                made = iam.create_access_key(UserName=name)["AccessKey"]
                login_of = {"aws_access_key_id": made["AccessKeyId"], "aws_secret_access_key": made["SecretAccessKey"]}
                clients.append(boto3.client("route53", **endpoint, **login_of))
            sources = [Route53Record(HOST, zone_id, made={"client": client}) for client in clients]
            yield AtRoute53(sources[0], sources[1], boto3.client("route53", **endpoint, **login))


@pytest.fixture(params=["knot", "bind", "powerdns-updates", "powerdns", "route53", "cloudflare", "google"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kept]:
    """The last two are fakes (`fake_dns_apis.py`), the others servers."""
    if request.param == "route53":
        zone: AtRoute53 = request.getfixturevalue("route53")
        zone.begun()
        yield zone
        return
    with KEEPERS[request.param](tmp_path) as keeper:
        yield keeper


@contextmanager
def at_knot(folder: Path) -> Iterator[Kept]:
    with knot(folder, f'a-api TXT "{OWNER}"\n') as port:
        yield by_updates(port)


@contextmanager
def at_bind(folder: Path) -> Iterator[Kept]:
    with bind(folder, f'a-api TXT "{OWNER}"\n') as port:
        yield by_updates(port)


def by_updates(port: int) -> AtKnot:
    key = tsig_key(f"hmac-sha256:secondsite:{SECRET}", "key")
    source = DynamicRecord(HOST, ZONE, Endpoint("127.0.0.1", port), key)
    return AtKnot(source, evolve(source, key=OTHER), port)


@contextmanager
def at_powerdns(folder: Path) -> Iterator[Kept]:
    with powerdns(folder) as (port, url):
        source = PowerDnsRecord(HOST, ZONE, url, API_KEY)
        yield AtPowerDns(source, evolve(source, key="another"), port)


@contextmanager
def at_powerdns_by_updates(folder: Path) -> Iterator[Kept]:
    with powerdns(folder) as (port, _):
        yield by_updates(port)


@contextmanager
def at_cloudflare(_folder: Path) -> Iterator[Kept]:
    fake = FakeCloudflare()
    fake.put(HOST, "A", "192.0.2.1")
    fake.put(f"www.{ZONE}", "A", "192.0.2.2")
    with served(fake):
        source = CloudflareRecord(HOST, ZONE_ID, EDITS, fake.url)
        yield AtCloudflare(source, evolve(source, token=READS), fake)


@contextmanager
def at_google(_folder: Path) -> Iterator[Kept]:
    fake = FakeGoogle()
    fake.put(f"{HOST}.", "A", "192.0.2.1")
    fake.put(f"www.{ZONE}.", "A", "192.0.2.2")
    with served(fake):
        source = GoogleRecord(HOST, f"{PROJECT}/{MANAGED}", GoogleLogin(EDITS).token, fake.url)
        yield AtGoogle(source, evolve(source, token=GoogleLogin(READS).token), fake)


KEEPERS: Mapping[str, Callable[[Path], AbstractContextManager[Kept]]] = {
    "knot": at_knot,
    "bind": at_bind,
    "powerdns": at_powerdns,
    "powerdns-updates": at_powerdns_by_updates,
    "cloudflare": at_cloudflare,
    "google": at_google,
}


def look(source: RecordSource) -> HostRecord | None:
    return asyncio.run(source.look())


def change(source: RecordSource, expected: HostRecord | None, wanted: WantedRecord) -> None:
    asyncio.run(source.change(expected, wanted, expected.ttl_s if expected else 60))


def test_a_record_is_swapped_and_nothing_beside_it_touched(kept: Kept) -> None:
    assert look(kept.source) == HOME
    change(kept.source, HOME, AWAY)
    assert look(kept.source) == HostRecord("A", ("192.0.2.9",), 60)
    assert kept.beside() == ["192.0.2.2"]


def test_what_somebody_else_changed_is_not_overrun(kept: Kept) -> None:
    kept.written(["192.0.2.7", "192.0.2.8"])
    with pytest.raises(RecordConflictError, match="somebody else changed it"):
        change(kept.source, HOME, AWAY)
    assert look(kept.source) == HostRecord("A", ("192.0.2.7", "192.0.2.8"), 60)
    with pytest.raises(RecordConflictError):
        change(kept.source, None, AWAY)


def test_an_address_becomes_a_name_and_again_an_address(kept: Kept) -> None:
    """A load balancer has a name at one provider and an address at another."""
    change(kept.source, HOME, WantedRecord(("lb.us-west-2.example.com",)))
    alias = look(kept.source)
    assert alias == HostRecord("CNAME", ("lb.us-west-2.example.com",), 60)
    change(kept.source, alias, WantedRecord(("192.0.2.1",)))
    assert look(kept.source) == HOME


def test_whether_we_may_is_asked_and_changes_nothing(kept: Kept) -> None:
    assert asyncio.run(kept.source.may()) == ""
    assert look(kept.source) == HOME
    assert "no permission to change api.example.io" in asyncio.run(kept.stranger.may())
    with pytest.raises(RecordRefusedError):
        change(kept.stranger, HOME, AWAY)
    assert look(kept.source) == HOME


def test_the_door_waits_for_what_servers_say_and_follows_the_owner(tmp_path: Path) -> None:
    """The whole way as the block has it: key in a file, entrance by region, a second server that is asked too."""
    with knot(tmp_path, f'a-api TXT "{OWNER}"\n') as port:
        (tmp_path / "key").write_text(f'key "secondsite" {{\n algorithm hmac-sha256;\n secret "{SECRET}";\n}};\n')
        server = f"127.0.0.1:{port}"
        record = RecordAccess(
            DnsProvider.RFC2136,
            ZONE,
            server,
            key=f"file:{tmp_path / 'key'}",
            authoritative=(server,),
            resolvers=(server,),
        )
        operate = Operate(dns=record, entrances=(RegionEntrance("west", "192.0.2.9"),))
        door = record_doorway(Traffic(host=HOST), operate, {})
        assert door is not None
        assert asyncio.run(door.owner()) == "external-dns kgents (ingress/kgents/api)"
        assert set(asyncio.run(door.authoritative()).values()) == {("192.0.2.1",)}
        wanted = asyncio.run(door.addresses("west"))
        asyncio.run(door.change(wanted))
        asyncio.run(door.change(wanted))  # again: the same end
        assert (
            set(asyncio.run(door.authoritative()).values())
            == {("192.0.2.9",)}
            == set(asyncio.run(door.resolved()).values())
        )
        with pytest.raises(InputError, match="at which clients enter east"):
            asyncio.run(door.addresses("east"))
        checked = evolve(record, switch=RecordSwitch.FAILOVER_RECORDS)
        nobody = record_doorway(Traffic(host=HOST), evolve(operate, dns=checked), {})
        assert nobody is not None
        asyncio.run(nobody.change(("192.0.2.1",)))  # health checks move such records: nobody else does
        assert asyncio.run(nobody.authoritative()) == {server: ("192.0.2.9",)}


def test_a_silent_server_is_no_refusal() -> None:
    source = DynamicRecord(HOST, ZONE, Endpoint("127.0.0.1", free_port()), timeout_s=0.2)
    for ask in (source.look, source.may, lambda: source.change(HOME, AWAY, 60)):
        with pytest.raises(MachineError) as caught:
            asyncio.run(ask())
        assert not isinstance(caught.value, RecordRefusedError)


@pytest.mark.parametrize(("code", "refused"), [(dns.rcode.NOERROR, False), (dns.rcode.REFUSED, True)])
def test_that_it_was_done_is_believed_of_a_signed_answer_only(code: dns.rcode.Rcode, refused: bool) -> None:
    """Somebody in between could say it; a refusal does no harm where it is believed."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = int.from_bytes(await reader.readexactly(2), "big")
        head = await reader.readexactly(size)
        update = dns.update.UpdateMessage(ZONE)
        update.id = int.from_bytes(head[:2], "big")
        update.flags |= dns.flags.QR
        update.set_rcode(code)
        wire = update.to_wire()
        writer.write(len(wire).to_bytes(2, "big") + wire)
        writer.close()

    async def asked() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            await DynamicRecord(HOST, ZONE, Endpoint("127.0.0.1", port), OTHER).change(HOME, AWAY, 60)

    with pytest.raises(MachineError) as caught:
        asyncio.run(asked())
    assert isinstance(caught.value, RecordRefusedError) is refused


@pytest.mark.parametrize("text", ["", "hmac-sha256:secondsite", 'key "x" { secret "YQ=="; };', "of nobody"])
def test_what_is_no_key_is_told_without_showing_it(text: str) -> None:
    with pytest.raises(InputError, match="is not a TSIG key") as caught:
        tsig_key(text, "operate.dns.key")
    assert "YQ==" not in str(caught.value)


def test_whose_record_it_is() -> None:
    assert owner_of(("v=spf1 -all",)) == ""
    assert owner_of((f'"{OWNER}"',)) == "external-dns kgents (ingress/kgents/api)"
