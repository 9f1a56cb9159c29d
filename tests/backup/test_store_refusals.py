"""Without a server: what a store holds that cannot be used is refused with its place, its cause and what to do."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyrage
import pytest
from attrs import evolve
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from manifests import manifest, sealed
from nats_world import run

from secondsite.backup.archive import entry
from secondsite.backup.codec import Keys, encode, read_keys
from secondsite.backup.digesting import Archived, DigestError
from secondsite.backup.documents import check_document
from secondsite.backup.hold import end_hold, put_hold
from secondsite.backup.inventory import choose_backup, read_manifest, take_inventory
from secondsite.backup.keep import KeepRules
from secondsite.backup.manifest import BackupManifest, StoredObject, from_json, to_json
from secondsite.backup.objects import BrokenObjectError, Reader
from secondsite.backup.progress import Silent
from secondsite.backup.proof import RestoreProof
from secondsite.backup.prune import apply_pruning, plan_pruning
from secondsite.backup.restore import RestorePlan, run_restore
from secondsite.backup.run import check_store
from secondsite.backup.s2_write import blocks
from secondsite.backup.signing import Trust, keyed, of_identity, read_signer, read_signing_key
from secondsite.backup.stream_restore import StreamOutcome, Work, digest_backup
from secondsite.backup.strict import MisfitError, structure
from secondsite.backup.verify import BackupVerification, proof_json
from secondsite.model.errors import InputError
from secondsite.nats.address import parse_addresses
from secondsite.nats.options import ConnectOptions
from secondsite.nats.place import NatsPlace
from secondsite.objects.address import parse_store
from secondsite.objects.store import READ_BYTES, ObjectStorage

GOOD = manifest()
IDENTITY, STRANGER = pyrage.x25519.Identity.generate(), pyrage.x25519.Identity.generate()
NOWHERE = NatsPlace(parse_addresses("nats://127.0.0.1:1"), ConnectOptions())
ARCHIVE = (
    b"\xff\x06\x00\x00S2sTwO"
    + blocks(b"NATSARC1" + entry(b"state.json", 5, 0, b"", b'{"messages": 1}') + entry(b"s.1", 5, 1, b"", b"hello"))
    + blocks(entry(b"", 0, 0, b"", b""))
)
PACKED = b"\x00" + (600_000).to_bytes(3, "little") + bytes(4) + b"\x80\x80\x40" + bytes(600_000 - 7)
"""A block that says it unpacks to one MiB, for a process of its own."""


async def put(store: ObjectStorage, *backups: BackupManifest) -> None:
    for backup in backups:
        await store.create(f"{backup.id}/manifest.json", to_json(backup))


async def written(store: ObjectStorage, content: bytes, key: str = f"{GOOD.id}/streams/S/backup.json") -> StoredObject:
    await store.create(key, content)
    return StoredObject(key, len(content), hashlib.sha256(content).hexdigest())


# Holds


def test_a_held_backup_outlives_its_rules_until_it_is_released(store: ObjectStorage) -> None:
    newer = manifest("20261124T172748Z-3f2a1c")
    rules = KeepRules(last=1)

    async def work() -> None:
        await put(store, GOOD, evolve(newer, finished_at="2026-11-24T17:27:48+00:00"))
        now = datetime.now(UTC)
        pruning = plan_pruning(await take_inventory(store), rules, now)
        assert pruning.doomed == (GOOD.id,)
        await put_hold(store, GOOD.id, "the audit")
        assert await apply_pruning(store, pruning, now) == ()  # planned before the hold came
        await put_hold(store, GOOD.id, "another reason")
        assert json.loads(await store.read(f"{GOOD.id}/hold.json"))["why"] == "the audit"
        held = await take_inventory(store)
        assert {found.id: found.held for found in held.entries} == {GOOD.id: True, newer.id: False}
        assert plan_pruning(held, rules, now).doomed == ()
        assert await end_hold(store, GOOD.id) is True
        assert await end_hold(store, GOOD.id) is False
        assert await apply_pruning(store, plan_pruning(await take_inventory(store), rules, now), now) == (GOOD.id,)

    run(work())


def test_what_is_no_backup_cannot_be_held(store: ObjectStorage) -> None:
    for backup, told in (("../etc", "is not the id of a backup"), (GOOD.id, "there is no manifest.json")):
        with pytest.raises(InputError, match=told) as refused:
            run(put_hold(store, backup, "why"))
        assert refused.value.problems[0].remedy == "list backups with: secondsite backup list"
        with pytest.raises(InputError, match=told):
            run(end_hold(store, backup))
    assert run(store.listing("")) == []


# Whose, and which


def test_pruning_waits_while_the_newest_is_suspicious(store: ObjectStorage) -> None:
    newest = evolve(
        manifest("20261124T172748Z-3f2a1c"), finished_at="2026-11-24T17:27:48+00:00", suspicious=("S is gone",)
    )
    run(put(store, GOOD, newest))
    pruning = plan_pruning(run(take_inventory(store)), KeepRules(last=1), datetime.now(UTC))
    assert pruning.waits == f"the newest backup {newest.id} is suspicious: S is gone"
    assert pruning.doomed == ()


def test_the_backup_that_is_named_is_taken_and_what_is_none_is_refused(store: ObjectStorage) -> None:
    run(put(store, GOOD))
    assert run(choose_backup(store, backup_id=GOOD.id)) == GOOD
    with pytest.raises(
        InputError, match="--backup: 'yesterday' is not the id of a backup; list backups with: secondsite backup list"
    ):
        run(read_manifest(store, "yesterday"))
    trust = Trust(frozenset({"ab" * 32}))
    for backup_id, told in (
        (None, f"no backup (there are {GOOD.id}: it is not signed)"),
        (GOOD.id, "it is not signed"),
    ):
        with pytest.raises(InputError) as refused:
            run(choose_backup(store, backup_id=backup_id, trust=trust))
        (problem,) = refused.value.problems
        assert problem.what.endswith(told)
        assert problem.remedy == "give the signer's key with --signer, or accept it with --allow unsigned"


def test_distrust_says_why() -> None:
    signed = evolve(GOOD, signer="cd" * 32)
    trust = Trust(frozenset({"ab" * 32}))
    assert trust.distrust(signed) == f"it is signed by a key that you did not give ({'cd' * 8}…)"
    assert Trust(encrypted=True).distrust(signed) == "it is not encrypted, but you gave an identity"
    assert Trust(encrypted=True).distrust(evolve(signed, recipients=("age1x",))) == ""
    assert Trust(frozenset({"cd" * 32})).distrust(signed) == ""
    assert evolve(trust, unsigned=True).distrust(signed) == ""


def test_a_manifest_that_is_too_large_is_one_backup_s_problem(store: ObjectStorage, tmp_path: Path) -> None:
    run(put(store, GOOD))
    other = "20261124T172748Z-3f2a1c"
    path = tmp_path / "backups" / other / "manifest.json"
    path.parent.mkdir()
    with path.open("wb") as file:
        file.truncate(64 * 1024**2 + 1)
    found = {item.id: item for item in run(take_inventory(store)).entries}
    assert found[other].problem == "the manifest is larger than 67108864 bytes"
    assert (found[other].usable, found[GOOD.id].usable) == (None, GOOD)


@pytest.mark.parametrize("content", [b"{", b"[]", b'"yes"'])
def test_a_proof_that_is_none_proves_nothing(content: bytes, store: ObjectStorage) -> None:
    async def work() -> None:
        await put(store, GOOD)
        await store.create(f"{GOOD.id}/proofs/20261124T010000Z.json", content)
        (found,) = (await take_inventory(store)).entries
        assert (found.proof, found.good) == (None, True)

    run(work())


def twice(content: dict[str, Any]) -> None:
    content["streams"] *= 2


def codec(content: dict[str, Any]) -> None:
    content["streams"][0]["codecs"] = ["lzma"]


def kind(content: dict[str, Any]) -> None:
    content["streams"][0]["archive_file"] = "stream.zip"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (twice, "it holds two streams of one name"),
        (codec, "stream 'S': an unknown codec"),
        (kind, "stream 'S': an archive of unknown kind"),
    ],
)
def test_what_no_backup_can_be_is_named(change: Any, why: str) -> None:
    content = json.loads(to_json(GOOD))
    change(content)
    with pytest.raises(InputError, match=f"x: the manifest is corrupt: {why}; use another backup"):
        from_json(sealed(content), GOOD.id, "x")
    with pytest.raises(InputError, match="corrupt: its id is none"):
        from_json(sealed({**json.loads(to_json(GOOD)), "id": "latest"}), "latest", "x")


def test_numbers_and_documents_that_are_none() -> None:
    with pytest.raises(MisfitError, match="not a finite number"):
        structure(float("inf"), float)
    check_document("consumers.json", None)  # they could not be listed
    with pytest.raises(MisfitError, match="it is not a list"):
        check_document("consumers.json", {"name": "c"})


# Objects


def reader_of(store: ObjectStorage, stored: StoredObject, keys: Keys = Keys(), codecs: tuple[str, ...] = ()) -> Reader:  # noqa: B008 # frozen
    stream = evolve(GOOD.streams[0], documents=(stored, stored), archive=stored, codecs=codecs, document_codecs=codecs)
    return Reader(store, evolve(GOOD, streams=(stream,)), keys)


async def consumed(reader: Reader, codecs: tuple[str, ...] = ()) -> bytes:
    return b"".join([piece async for piece in reader.plain(reader.manifest.streams[0].archive, codecs)])


async def encrypted(content: bytes, keys: Keys) -> bytes:
    async def once() -> AsyncIterator[bytes]:
        yield content

    return b"".join([piece async for piece in encode(once(), ("age",), keys)])


def test_an_object_that_is_whole_and_does_not_open_names_the_key(store: ObjectStorage) -> None:
    """The manifest names a recipient of ours; the object was encrypted for somebody else."""
    theirs = Keys((str(STRANGER.to_public()),))

    async def work() -> None:
        stored = await written(store, await encrypted(b"secret", theirs))
        reader = reader_of(store, stored, Keys((), (IDENTITY,)), ("age",))
        with pytest.raises(BrokenObjectError, match=r"S/backup.json: wrong key: .*; use another backup") as broken:
            await consumed(reader, ("age",))
        assert broken.value.damage == "wrong key"
        noise = await written(store, b"no zstd at all", f"{GOOD.id}/streams/S/other")
        with pytest.raises(BrokenObjectError, match="S/other: corrupted: ") as broken:
            await consumed(reader_of(store, noise, codecs=("zstd",)), ("zstd",))
        assert broken.value.damage == "corrupted"

    run(work())


class Flickering(ObjectStorage):
    """Its first read of an object is not what the second one is."""

    seen = 0

    async def stream(self, key: str, piece_bytes: int = READ_BYTES) -> AsyncIterator[bytes]:
        self.seen += 1
        async for piece in super().stream(key):
            yield piece if self.seen > 1 else piece[:-1] + b"?"


def test_an_object_that_changes_under_the_reader_is_no_whole_one(tmp_path: Path) -> None:
    store = Flickering(parse_store(f"file://{tmp_path / 'backups'}"), make=True)
    stored = run(written(store, b"content"))
    with pytest.raises(BrokenObjectError, match="corrupted: it changed while it was read"):
        run(consumed(reader_of(store, stored)))
    assert run(consumed(reader_of(store, stored))) == b"content"


def test_a_document_that_was_written_wrong_is_told_so(store: ObjectStorage) -> None:
    reader = reader_of(store, run(written(store, b'{"config": {"name": "S"}}')))
    with pytest.raises(
        BrokenObjectError, match=r"it was written that way, and is not a backup\.json: it has no state"
    ) as broken:
        run(reader.document(reader.manifest.streams[0], "backup.json"))
    assert broken.value.exit_code == 1


class Overwriting(ObjectStorage):
    """A store that takes every conditional write for an order."""

    async def create(self, key: str, content: bytes) -> None:
        await self.delete([key])
        await super().create(key, content)


def test_a_store_that_overwrites_is_for_one_writer_only(tmp_path: Path) -> None:
    store = Overwriting(parse_store(f"file://{tmp_path / 'backups'}"), make=True)
    with pytest.raises(
        InputError, match=r"ignores conditional writes: two writers .*; use a store that .* --single-writer"
    ):
        run(check_store(store, single_writer=False))
    run(check_store(store, single_writer=True))
    assert run(store.listing("")) == []


# Digests


def archived(content: bytes, times: int = 1) -> Archived:
    async def source() -> AsyncIterator[bytes]:
        for _ in range(times):
            yield content

    return Archived(source)


def test_an_archive_that_cannot_be_read_is_a_digest_error(store: ObjectStorage) -> None:
    assert run(archived(ARCHIVE).digest(1024)).digest.count == 1
    with pytest.raises(DigestError, match="not an S2 stream"):
        run(archived(b"hello there").digest(1024))
    with pytest.raises(DigestError, match="truncated"):
        run(archived(ARCHIVE[:-1]).digest(1024))


def test_a_large_one_is_read_in_a_process_and_its_death_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    true = shutil.which("true")
    assert true
    with monkeypatch.context() as patched:
        patched.setattr(sys, "executable", true)  # it ends at once, and reads nothing
        with pytest.raises(DigestError, match="the process that reads the archive died"):
            run(archived(PACKED, 8).digest(1024))


def test_a_source_that_fails_ends_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reading, pid = tmp_path / "python", tmp_path / "pid"
    reading.write_text(f"#!/bin/sh\necho $$ > '{pid}'\nexec cat > /dev/null\n")
    reading.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(reading))

    async def source() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield PACKED
        raise BrokenObjectError.at("file:///s", "truncated: 5 of 9 bytes are there", "use another backup")

    with pytest.raises(BrokenObjectError, match="truncated: 5 of 9"):
        run(Archived(source).digest(1024))
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_an_old_archive_that_shows_other_messages_than_were_counted(store: ObjectStorage, tmp_path: Path) -> None:
    """A tar tells deleted messages by its tombstones only, so a wrong count is no digest."""
    empty_tar = b"\xff\x06\x00\x00S2sTwO" + blocks(bytes(10240))
    stored = run(written(store, empty_tar, f"{GOOD.id}/streams/S/stream.tar.s2"))
    stream = evolve(GOOD.streams[0], archive=stored, archive_file="stream.tar.s2")
    backup = evolve(GOOD, streams=(stream,))
    work = Work(stream, {"name": "S"}, {"config": {}, "state": {}}, (), prove=True)
    with pytest.raises(DigestError, match="the archive shows 0 messages where 10 were counted"):
        run(digest_backup(Reader(store, backup, Keys()), work))


# Refused before a server is asked


@pytest.mark.parametrize(
    ("streams", "why"),
    [
        ({"T": "T", "U": "U"}, f"--stream: the backup {GOOD.id} holds no stream T, U; it holds S"),
        ({"S": "a.b"}, "--stream: 'a.b' is not the name of a stream"),
    ],
)
def test_streams_that_cannot_be_restored(streams: dict[str, str], why: str, store: ObjectStorage) -> None:
    with pytest.raises(InputError) as refused:
        run(run_restore(NOWHERE, store, GOOD, RestorePlan(streams=streams), Silent()))
    assert str(refused.value).startswith(why)


def test_two_streams_do_not_get_one_name(store: ObjectStorage) -> None:
    both = evolve(GOOD, streams=(*GOOD.streams, evolve(GOOD.streams[0], name="T")))
    with pytest.raises(InputError, match="two streams would get the same name; give each its own name"):
        run(run_restore(NOWHERE, store, both, RestorePlan(streams={"S": "X", "T": "X"}), Silent()))


# Keys


def test_a_signing_key_may_be_an_age_identity(tmp_path: Path) -> None:
    path = tmp_path / "identity"
    path.write_text(f"# created by age-keygen\n{IDENTITY}\n")
    key = read_signing_key(path)
    assert key.public == of_identity(read_keys((), (path,)).identities[0]).public != of_identity(STRANGER).public
    assert str(IDENTITY) not in repr(key)


def test_keys_of_another_kind_are_none(tmp_path: Path) -> None:
    other = generate_private_key(SECP256R1())
    secret, public = tmp_path / "ec", tmp_path / "ec.pub"
    secret.write_bytes(
        other.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    public.write_bytes(
        other.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    )
    with pytest.raises(InputError, match=r"ec: holds no ed25519 secret key; give a key as openssl genpkey"):
        read_signing_key(secret)
    with pytest.raises(InputError, match=r"ec.pub: holds no ed25519 public key; give the public key"):
        read_signer(public)


def verified(backup: BackupManifest, sha256: str) -> BackupVerification:
    proof = RestoreProof("equal", 10, 1, 10, sha256)
    outcomes = (
        StreamOutcome("S", "S", 10, 1, 10, 0, (), proof, 100, 1.0, 1.0),
        StreamOutcome("T", "T", 10, 1, 10, 0, (), RestoreProof("unproven", 10, 1, 10), 100, 1.0, 1.0),
    )
    return BackupVerification(backup.id, True, GOOD.finished_at, "2.15.1", 1.0, 2.0, 200, 20, outcomes)


def test_a_kept_proof_confirms_no_guess_at_what_is_encrypted() -> None:
    plain, keys = "ab" * 32, Keys((), (IDENTITY,))
    secret = evolve(GOOD, recipients=keys.own)
    assert verified(GOOD, plain).unproven == ("T",)

    def kept(backup: BackupManifest, used: Keys) -> list[str]:
        told = json.loads(proof_json(verified(backup, plain), backup, used))
        return [outcome["proof"]["sha256"] for outcome in told["outcomes"]]

    assert kept(GOOD, Keys()) == [plain, ""]
    assert kept(secret, keys) == [keyed(plain, (IDENTITY,)), ""]
    assert keyed(plain, (IDENTITY,)) not in ("", plain, keyed(plain, (STRANGER,)))
    assert kept(secret, Keys()) == ["", ""]
