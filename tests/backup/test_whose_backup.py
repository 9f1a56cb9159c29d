"""Encryption says nothing about the writer: what nobody known signed is refused where a key was named."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pyrage
import pytest
from command import secondsite
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from manifests import manifest, sealed
from nats_world import connect, fill, run

from secondsite.backup.codec import Keys
from secondsite.backup.inventory import choose_backup
from secondsite.backup.manifest import from_json, to_json
from secondsite.backup.signing import Trust, of_identity, read_signer, read_signing_key
from secondsite.model.errors import InputError
from secondsite.objects.store import ObjectStorage

NOBODY = Keys()


@pytest.fixture
def team(tmp_path: Path) -> tuple[Path, Path]:
    """A secret and a public key, as openssl writes them."""
    key = Ed25519PrivateKey.generate()
    secret, public = tmp_path / "team.pem", tmp_path / "team.pub"
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    public.write_bytes(
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return secret, public


def test_whatever_is_changed_in_a_signed_manifest_is_found_out(team: tuple[Path, Path]) -> None:
    key = read_signing_key(team[0])
    written = to_json(manifest(), key)
    assert from_json(written, manifest().id, "x").signer == key.public == read_signer(team[1])
    content = json.loads(written)
    other = json.loads(to_json(manifest(), of_identity(pyrage.x25519.Identity.generate())))
    for change in ({"domain": "x"}, {"signature": "00"}, {"signature": None}, {"signature": other["signature"]}):
        with pytest.raises(InputError, match="forged"):
            from_json(sealed({**content, **change}), manifest().id, "x")
    stripped = sealed({**content, "signer": "", "signature": None})
    assert Trust(frozenset({key.public})).distrust(from_json(stripped, manifest().id, "x")) == "it is not signed"


def test_keys_of_openssh_and_what_is_none(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    secret, public = tmp_path / "id", tmp_path / "id.pub"
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption())
    )
    public.write_bytes(
        key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    )
    assert read_signing_key(secret).public == read_signer(public)
    assert secret.read_text() not in repr(read_signing_key(secret))
    for read in (read_signing_key, read_signer):
        with pytest.raises(InputError, match=r"holds no|cannot be read"):
            read(tmp_path / "absent")
        (tmp_path / "x").write_text("hello")
        with pytest.raises(InputError, match="holds no ed25519"):
            read(tmp_path / "x")


def test_a_newer_one_of_a_stranger_is_passed_over_and_named(store: ObjectStorage, team: tuple[Path, Path]) -> None:
    key = read_signing_key(team[0])
    mine, theirs = manifest("20261123T172748Z-3f2a1c"), manifest("20261123T172749Z-ffffff")
    told: list[str] = []

    async def work() -> None:
        await store.create(f"{mine.id}/manifest.json", to_json(mine, key))
        await store.create(f"{theirs.id}/manifest.json", to_json(theirs))
        trust = Trust(frozenset({key.public}))
        assert (await choose_backup(store, trust=trust, report=told.append)).id == mine.id
        with pytest.raises(InputError, match="this backup is rejected: it is not signed"):
            await choose_backup(store, backup_id=theirs.id, trust=trust)
        assert (await choose_backup(store, trust=Trust(frozenset({key.public}), unsigned=True))).id == theirs.id

    run(work())
    assert told == []  # of the same second: not newer


@pytest.mark.slow
def test_what_a_stranger_put_there_is_not_restored(start: Any, tmp_path: Path, team: tuple[Path, Path]) -> None:
    source, evil, target = start("source"), start("evil"), start("target")
    identity = pyrage.x25519.Identity.generate()
    (tmp_path / "key").write_text(str(identity))
    url, public = f"file://{tmp_path / 'store'}", str(identity.to_public())

    async def load() -> None:
        await fill(await connect(source.url), "S", 30)
        await fill(await connect(evil.url), "S", 66)

    run(load())
    secret, signer = map(str, team)
    out, _ = secondsite(
        *("backup", "--nats", source.url, "--to", url, "--recipient", public, "--sign", secret, "--json")
    )
    mine = json.loads(out)["backup"]
    identified = ("--identity", str(tmp_path / "key"), "--signer", signer)
    for flags in ((), ("--recipient", public)):  # plain, and encrypted for the same key by somebody else
        secondsite("backup", "--nats", evil.url, "--to", url, *flags)
        out, told = secondsite("restore", "--nats", target.url, "--from", url, *identified, "--json")
        assert json.loads(out)["backup"] == mine
        assert json.loads(out)["streams"][0]["messages"] == 30
        assert "it is not signed" in told
    _, told = secondsite("restore", "--nats", target.url, "--from", url, "--identity", str(tmp_path / "key"), code=2)
    assert "signed by a key that you did not give" in told
    _, told = secondsite("backup", "verify", "--from", url, *identified[:2], "--allow", "unsigned", "--no-record")
    assert "--allow unsigned: backups without a known signature" in told
    secondsite("backup", "verify", "--from", url, *identified)
    proofs = list((tmp_path / "store" / mine / "proofs").iterdir())
    kept = json.loads(proofs[0].read_text())["outcomes"][0]["proof"]["sha256"]
    shown = json.loads(secondsite("restore", "--nats", target.url, "--from", url, *identified, "--json")[0])["streams"][
        0
    ]["proof"]["sha256"]
    assert kept
    assert shown
    assert kept != shown
    assert subprocess.run(["grep", "-rq", shown, str(tmp_path / "store")], check=False).returncode == 1
