"""What one part of secondsite leaves for another, and others may write too: keys, configurations, leases, positions."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pyrage
import pytest
from attrs import frozen
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fuzz_limits import begins
from mutations import changed_bytes, changed_value, seeds, survives

from secondsite.backup.codec import read_keys
from secondsite.backup.signing import is_signature, read_signer, read_signing_key
from secondsite.nats.streams import StreamState
from secondsite.operate.agent import SCHEMA as AGENT
from secondsite.operate.agent import read_agent
from secondsite.operate.gate_config import SCHEMA as GATE
from secondsite.operate.gate_config import read_gate
from secondsite.operate.lease import Record
from secondsite.operate.positions import read_positions
from secondsite.operate.writer_lease import WriterRecord

NESTED = b"[" * 100_000
CONFIGS = {
    "gate": (
        {
            "schema": GATE,
            "region": "r",
            "streams": [{"name": "E", "subjects": ["e.>"], "copies": [["$JS.API", "E"]]}],
            "subjects": ["e.>"],
            "lease": {"seconds": 10.0, "prefix": "$JS.API", "config": {"name": "W"}},
        },
        read_gate,
    ),
    "agent": (
        {
            "schema": AGENT,
            "region": "r",
            "streams": [{"family": "E", "here": "E", "there": "E", "prefix": "$JS.d.API"}],
            "replicas": 3,
            "cluster": "c",
        },
        read_agent,
    ),
}


@pytest.mark.parametrize("kind", CONFIGS)
def test_configurations_of_programs(tmp_path: Path, kind: str) -> None:
    plain, read = CONFIGS[kind]
    path = tmp_path / "x.json"
    for chance in seeds():
        text = json.dumps(changed_value(plain, chance)).encode()
        path.write_bytes(changed_bytes(text, chance) if chance.random() < 0.4 else text)
        survives(lambda: read(path))
    path.write_bytes(NESTED)
    assert survives(lambda: read(path)) is None


def test_keys(tmp_path: Path) -> None:
    """Secret and public, of OpenSSL, OpenSSH and age."""
    secret = Ed25519PrivateKey.generate()
    pem, ssh = serialization.Encoding.PEM, serialization.Encoding.OpenSSH
    raw, plain = serialization.PrivateFormat, serialization.NoEncryption()
    public = secret.public_key()
    readers: dict[bytes, Callable[[Path], object]] = {
        secret.private_bytes(pem, raw.PKCS8, plain): read_signing_key,
        secret.private_bytes(pem, raw.OpenSSH, plain): read_signing_key,
        str(pyrage.x25519.Identity.generate()).encode(): read_signing_key,
        public.public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo): read_signer,
        public.public_bytes(ssh, serialization.PublicFormat.OpenSSH): read_signer,
        str(pyrage.x25519.Identity.generate()).encode() + b"\n": lambda path: read_keys((), (path,)),
    }
    path = tmp_path / "key"
    for whole, read in readers.items():
        path.write_bytes(whole)
        assert read(path)
        for chance in seeds():
            path.write_bytes(changed_bytes(whole, chance))
            survives(lambda read=read: read(path))  # type: ignore[misc] # bound here


def test_signatures() -> None:
    """What is changed vouches for nothing."""
    key, content = Ed25519PrivateKey.generate(), b"content"
    public, signature = key.public_key().public_bytes_raw().hex(), key.sign(content).hex()
    assert is_signature(public, signature, content)
    for chance in seeds():
        broken = changed_bytes(signature.encode(), chance).decode("latin-1")
        assert broken.lower() == signature or not is_signature(public, broken, content)
        is_signature(changed_bytes(public.encode(), chance).decode("latin-1"), signature, content)


def test_leases() -> None:
    """What is none is nobody's, and grants nothing."""
    record = {"holder": "h", "who": "ann", "host": "x", "operation": "o", "released": False, "entry": {"number": 1}}
    for chance in seeds():
        data = json.dumps(changed_value(record, chance)).encode()
        found = Record.of(data)
        assert found is None or found.summary()
        assert found is None or all(isinstance(text, str) for text in (found.holder, found.who, found.host))
        granted = WriterRecord.of(json.dumps(changed_value({"granted": False, "by": "n"}, chance)).encode())
        assert isinstance(granted.by, str)
        Record.of(changed_bytes(data, chance))
        WriterRecord.of(changed_bytes(data, chance))
    begins("nested")
    assert Record.of(NESTED) is None
    assert not WriterRecord.of(NESTED).granted
    for other in (b"[]", b"3", b"null", b'"granted"', b'{"granted": 1}', b'{"granted": "true"}'):
        assert Record.of(other) is None
        assert not WriterRecord.of(other).granted


@frozen
class _Message:
    subject: str
    data: bytes


@frozen
class _Positions:
    """A stream that anybody may have written to."""

    messages: tuple[_Message, ...]

    async def stream(self, name: str) -> StreamState:
        del name
        return StreamState("P", {}, len(self.messages), 1, len(self.messages), "", "n0")

    async def copied(self, name: str, first: int, last: int) -> AsyncIterator[_Message]:
        del name, first, last
        for message in self.messages:
            yield message


def test_positions() -> None:
    plain = {"floor": 5, "config": {"durable_name": "w"}, "at": 1.0}
    messages = [_Message("secondsite.positions.E.w", NESTED), _Message("secondsite.positions.", b"{}")]
    for chance in seeds():
        data = json.dumps(changed_value(plain, chance)).encode()
        messages.append(_Message("secondsite.positions.E.w", changed_bytes(data, chance)))
        messages.append(_Message("secondsite.positions.E.w", data))
    begins("all of them")
    door = _Positions(tuple(messages))
    for position in asyncio.run(read_positions(door)):  # type: ignore[arg-type] # it has what is asked
        assert 0 <= position.floor < 2**64
