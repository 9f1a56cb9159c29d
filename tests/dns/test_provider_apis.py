"""What is peculiar to a provider's API: what it keeps of a record, what it calls a refusal, how one logs in.

Both are fakes (`fake_dns_apis.py`), as is whoever gives tokens."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from attrs import define, evolve, field
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from fake_dns_apis import EDITS, MANAGED, PROJECT, ZONE_ID, FakeCloudflare, FakeGoogle, served
from knot_server import ZONE
from nats_world import free_port

from secondsite.dns.cloudflare import CloudflareRecord
from secondsite.dns.google import GoogleRecord
from secondsite.dns.google_login import SCOPE, GoogleLogin
from secondsite.dns.powerdns import PowerDnsRecord
from secondsite.dns.record import (
    HostRecord,
    RecordConflictError,
    RecordRefusedError,
    RecordSource,
    WantedRecord,
    owner_names,
    owner_of,
)
from secondsite.model.access import DnsProvider, RecordAccess
from secondsite.model.errors import InputError, MachineError
from secondsite.operate.record_door import record_source

HOST = f"api.{ZONE}"
AWAY = WantedRecord(("192.0.2.9",))
OWNER = '"heritage=external-dns,external-dns/owner=kgents,external-dns/resource=ingress/kgents/api"'


@pytest.fixture
def cloudflare() -> Iterator[FakeCloudflare]:
    fake = FakeCloudflare()
    with served(fake):
        yield fake


@pytest.fixture
def google() -> Iterator[FakeGoogle]:
    fake = FakeGoogle()
    with served(fake):
        yield fake


def at_cloudflare(fake: FakeCloudflare) -> CloudflareRecord:
    return CloudflareRecord(HOST, ZONE_ID, EDITS, fake.url)


def at_google(fake: FakeGoogle) -> GoogleRecord:
    return GoogleRecord(HOST, f"{PROJECT}/{MANAGED}", GoogleLogin(EDITS).token, fake.url)


def test_a_proxied_record_and_a_ttl_of_cloudflare_s_stay_so(cloudflare: FakeCloudflare) -> None:
    cloudflare.put(HOST, "A", "192.0.2.1", ttl=1, proxied=True)
    door = at_cloudflare(cloudflare)
    state = asyncio.run(door.look())
    assert state == HostRecord("A", ("192.0.2.1",), 300)
    asyncio.run(door.change(state, AWAY, 300))
    (now,) = cloudflare.records.values()
    assert (now["content"], now["ttl"], now["proxied"]) == ("192.0.2.9", 1, True)


def test_only_the_one_name_is_ever_asked_for(cloudflare: FakeCloudflare) -> None:
    """A plan of the whole zone would list, and might delete, what is beside it."""
    cloudflare.put(HOST, "A", "192.0.2.1")
    door = at_cloudflare(cloudflare)
    asyncio.run(door.change(HostRecord("A", ("192.0.2.1",), 60), AWAY, 60))
    asyncio.run(door.may())
    looks = {line for line in cloudflare.asked if line.startswith("GET")}
    assert looks == {f"GET /zones/{ZONE_ID}/dns_records {HOST}"}


def test_who_writes_in_the_same_instant_is_told(cloudflare: FakeCloudflare) -> None:
    """Cloudflare knows no precondition: what came between is seen by looking again."""
    cloudflare.put(HOST, "A", "192.0.2.1")

    def another() -> None:
        cloudflare.between = None
        cloudflare.put(HOST, "A", "192.0.2.7")

    cloudflare.between = another
    with pytest.raises(RecordConflictError, match=r"192\.0\.2\.7, 192\.0\.2\.9"):
        asyncio.run(at_cloudflare(cloudflare).change(HostRecord("A", ("192.0.2.1",), 60), AWAY, 60))


def test_a_record_deleted_in_the_same_instant_is_no_longer_swapped(cloudflare: FakeCloudflare) -> None:
    cloudflare.put(HOST, "A", "192.0.2.1")
    cloudflare.between = cloudflare.records.clear
    with pytest.raises(RecordConflictError, match="Record does not exist"):
        asyncio.run(at_cloudflare(cloudflare).change(HostRecord("A", ("192.0.2.1",), 60), AWAY, 60))
    assert cloudflare.records == {}


@pytest.mark.slow
def test_a_change_of_google_s_is_followed_until_it_is_done(google: FakeGoogle) -> None:
    google.put(f"{HOST}.", "A", "192.0.2.1")
    google.pending = 2
    asyncio.run(at_google(google).change(HostRecord("A", ("192.0.2.1",), 60), AWAY, 60))
    assert sum("/changes/7" in line for line in google.asked) == 2
    google.pending = 10**6
    slow = evolve(at_google(google), done_s=0.05)
    with pytest.raises(MachineError, match=r"not reached all of its servers after 0\.05 s"):
        asyncio.run(slow.change(HostRecord("A", ("192.0.2.9",), 60), WantedRecord(("192.0.2.1",)), 60))


def test_what_a_policy_chooses_is_not_changed(google: FakeGoogle) -> None:
    google.sets[f"{HOST}.", "A"] = {"name": f"{HOST}.", "type": "A", "ttl": 60, "routingPolicy": {"geo": {}}}
    with pytest.raises(RecordRefusedError, match="routing policy"):
        asyncio.run(at_google(google).look())


def test_whose_record_it_is_is_read(cloudflare: FakeCloudflare, google: FakeGoogle) -> None:
    cloudflare.put(f"a-{HOST}", "TXT", OWNER)
    google.put(f"a-{HOST}.", "TXT", OWNER)
    for door in (at_cloudflare(cloudflare), at_google(google)):
        found = [owner_of(asyncio.run(door.texts(name))) for name in owner_names(HOST)]
        assert found == ["", "external-dns kgents (ingress/kgents/api)", ""]


def test_a_login_or_zone_that_is_none_is_a_refusal(cloudflare: FakeCloudflare, google: FakeGoogle) -> None:
    doors: list[tuple[RecordSource, str]] = [
        (evolve(at_cloudflare(cloudflare), token="x"), "Invalid access token"),
        (evolve(at_cloudflare(cloudflare), zone="f" * 32), "has no such zone"),
        (evolve(at_google(google), token=GoogleLogin("x").token), "Invalid Credentials"),
        (evolve(at_google(google), zone=f"{PROJECT}/another"), "has no such zone"),
    ]
    for door, words in doors:
        with pytest.raises(RecordRefusedError, match=words):
            asyncio.run(door.look())


def test_silence_is_no_refusal() -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    doors: list[RecordSource] = [
        CloudflareRecord(HOST, ZONE_ID, EDITS, nowhere),
        GoogleRecord(HOST, f"{PROJECT}/{MANAGED}", GoogleLogin(EDITS).token, nowhere),
        PowerDnsRecord(HOST, ZONE, nowhere, EDITS),
    ]
    for door in doors:
        with pytest.raises(MachineError, match="does not answer") as caught:
            asyncio.run(door.look())
        assert not isinstance(caught.value, RecordRefusedError)


@pytest.mark.parametrize(
    "answer",
    [{}, {"result": None, "rrsets": None}, {"result": [7], "rrsets": [7]}, {"result": [{}], "rrsets": [{}]}],
)
def test_what_cannot_be_read_is_unknown_and_no_record_that_is_gone(answer: dict[str, object]) -> None:
    class Odd(FakeCloudflare):
        def answer(self, *_: object) -> tuple[int, dict[str, object]]:
            return 200, answer

    fake = Odd()
    with served(fake):
        doors: list[RecordSource] = [at_cloudflare(fake), PowerDnsRecord(HOST, ZONE, fake.url, EDITS)]
        if answer:  # Google leaves a list out that is empty
            doors.append(evolve(at_google(FakeGoogle()), base=fake.url))
        for door in doors:
            with pytest.raises(MachineError, match="answers without"):
                asyncio.run(door.look())


@pytest.mark.parametrize(
    ("record", "kind"),
    [
        (RecordAccess(DnsProvider.CLOUDFLARE, ZONE_ID, key="file:KEY"), CloudflareRecord),
        (RecordAccess(DnsProvider.GOOGLE, "p/z", key="file:KEY"), GoogleRecord),
        (RecordAccess(DnsProvider.POWERDNS, ZONE, "http://ns1:8081", key="file:KEY"), PowerDnsRecord),
    ],
)
def test_the_block_leads_to_the_door(record: RecordAccess, kind: type, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("worth nothing elsewhere\n")
    made = record_source(HOST, evolve(record, key=f"file:{tmp_path / 'key'}"))
    assert isinstance(made, kind)
    assert "worth nothing" not in repr(made)


@define
class Tokens:
    """Whoever gives tokens. ``forms`` are what it was sent."""

    url: str = ""
    status: int = 200
    forms: list[dict[str, list[str]]] = field(factory=list)
    given: int = 0


@contextmanager
def tokens() -> Iterator[Tokens]:
    held = Tokens()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            held.given += 1
            if self.command == "GET" and self.headers.get("Metadata-Flavor") != "Google":
                held.status = 403
            said = {"error": "invalid_grant"} if held.status != 200 else {"access_token": f"t{held.given}"}
            content = json.dumps({**said, "expires_in": 3600}).encode()
            self.send_response(held.status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            held.forms.append(parse_qs(body))
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Nowhere."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        held.url = f"http://127.0.0.1:{server.server_port}/token"
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield held
        finally:
            server.shutdown()


def test_a_service_account_proves_itself_by_its_key() -> None:
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    with tokens() as giver:
        account = {"client_email": "dr@shop", "private_key": pem, "token_uri": giver.url, "private_key_id": "k1"}
        now = [1000.0]
        login = GoogleLogin(json.dumps(account), wall=lambda: now[0])
        assert asyncio.run(login.token()) == asyncio.run(login.token()) == "t1"  # kept while it lives
        now[0] += 3600
        assert asyncio.run(login.token()) == "t2"
        head, claims, signature = giver.forms[0]["assertion"][0].split(".")
        key.public_key().verify(_plain(signature), f"{head}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256())
        assert json.loads(_plain(claims)) == {
            "iss": "dr@shop",
            "scope": SCOPE,
            "aud": giver.url,
            "iat": 1000,
            "exp": 4600,
        }
        giver.status = 400
        with pytest.raises(RecordRefusedError, match="invalid_grant"):
            asyncio.run(GoogleLogin(json.dumps(account)).token())


def test_a_machine_of_google_s_has_an_account_of_its_own() -> None:
    with tokens() as giver:
        assert asyncio.run(GoogleLogin(metadata=giver.url).token()) == "t1"
    with pytest.raises(MachineError, match="gives no token"):
        asyncio.run(GoogleLogin(metadata=f"http://127.0.0.1:{free_port()}/").token())


@pytest.mark.parametrize("key", ["{", "{}", '{"client_email": "a", "private_key": "b", "token_uri": "http://x"}'])
def test_what_is_no_key_is_told_without_showing_it(key: str) -> None:
    with pytest.raises(InputError, match=r"is not a service account key|has no private key") as caught:
        asyncio.run(GoogleLogin(key).token())
    assert key not in str(caught.value)


def _plain(coded: str) -> bytes:
    return base64.urlsafe_b64decode(coded + "=" * (-len(coded) % 4))
