"""Every way in which a backup can be broken is found, is named, and leaves no restored stream behind."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyrage
import pytest
from nats_world import Server, connect, fill, run

from secondsite.backup.codec import Keys, read_keys
from secondsite.backup.inventory import choose_backup, read_manifest, take_inventory
from secondsite.backup.manifest import BackupManifest
from secondsite.backup.progress import Silent
from secondsite.backup.restore import RestorePlan, run_restore
from secondsite.backup.run import BackupPlan, run_backup
from secondsite.backup.verify import run_verify
from secondsite.model.errors import InputError
from secondsite.nats.scratch import find_server
from secondsite.objects.store import ObjectStorage

pytestmark = pytest.mark.slow
NO_KEYS = Keys()
Break = Callable[[Path, Path], None]


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    identity = pyrage.x25519.Identity.generate()
    (tmp_path / "key").write_text(f"{identity}\n")
    return read_keys([str(identity.to_public())], [tmp_path / "key"])


async def _saved(server: Server, store: ObjectStorage, keys: Keys = NO_KEYS) -> BackupManifest:
    client = await connect(server.url)
    await fill(client, "A", 300, 1000)
    await fill(client, "B", 300, 1000)
    return await run_backup(server.place, store, BackupPlan(keys=keys), Silent())


def flip(path: Path, _: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


def truncate(path: Path, _: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def remove(path: Path, _: Path) -> None:
    path.unlink()


def swap(path: Path, other: Path) -> None:
    mine, theirs = path.read_bytes(), other.read_bytes()
    path.write_bytes(theirs)
    other.write_bytes(mine)


def empty(path: Path, _: Path) -> None:
    path.write_bytes(b"")


DAMAGES: list[tuple[Break, str]] = [
    (flip, "corrupted"),
    (truncate, "truncated"),
    (empty, "truncated"),
    (remove, "missing"),
    (swap, "swapped"),
]


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "encrypted"])
def test_each_damage_to_each_object_is_named(
    start: Any, store: ObjectStorage, tmp_path: Path, keys: Keys, encrypted: bool
) -> None:
    server = start()
    used = keys if encrypted else Keys()
    folder = tmp_path / "backups"

    async def work() -> None:
        manifest = await _saved(server, store, used)
        record = manifest.stream("A")
        other = manifest.stream("B")
        assert record
        assert other
        pairs = list(zip(record.objects, other.objects, strict=True))
        for mine, theirs in pairs[2:] if encrypted else (pairs[0], pairs[2]):  # both consumers.json are the same
            for damage, name in DAMAGES:
                paths = [folder / mine.key, folder / theirs.key]
                kept = [path.read_bytes() for path in paths]
                damage(*paths)
                found = await run_verify(store, manifest, used, None, Silent(), record=False)
                errors = {outcome.stream: outcome.error for outcome in found.outcomes}
                assert not found.ok
                assert f"{mine.key}: {name}: " in errors["A"], (damage, errors)
                assert bool(errors["B"]) is (damage is swap)
                for path, content in zip(paths, kept, strict=True):
                    path.write_bytes(content)
        assert (await run_verify(store, manifest, used, None, Silent(), record=False)).ok

    run(work())


def test_a_corrupt_archive_leaves_no_stream_and_the_others_are_restored(
    start: Any, store: ObjectStorage, tmp_path: Path
) -> None:
    source, target = start("source"), start("target")

    async def work() -> None:
        manifest = await _saved(source, store)
        record = manifest.stream("A")
        assert record
        flip(tmp_path / "backups" / record.archive.key, Path())
        outcomes = {
            item.stream: item for item in await run_restore(target.place, store, manifest, RestorePlan(), Silent())
        }
        assert (outcomes["A"].ok, outcomes["B"].ok) == (False, True)
        client = await connect(target.url)
        assert [info.config.name for info in await client.jetstream().streams_info()] == ["B"]

    run(work())


def test_what_is_overwritten_is_deleted_only_for_a_whole_archive(
    start: Any, store: ObjectStorage, tmp_path: Path
) -> None:
    source, target = start("source"), start("target")

    async def work() -> None:
        manifest = await _saved(source, store)
        record = manifest.stream("A")
        assert record
        truncate(tmp_path / "backups" / record.archive.key, Path())
        client = await connect(target.url)
        await fill(client, "A", 5)
        plan = RestorePlan(streams={"A": "A"}, overwrite=frozenset({"A"}))
        (outcome,) = await run_restore(target.place, store, manifest, plan, Silent())
        assert "truncated" in outcome.error
        assert (await client.jetstream().stream_info("A")).state.messages == 5

    run(work())


def test_the_wrong_key_is_told_before_anything_is_read(
    start: Any, store: ObjectStorage, keys: Keys, tmp_path: Path
) -> None:
    server = start()
    wrong = Keys((), (pyrage.x25519.Identity.generate(),))

    async def work() -> None:
        manifest = await _saved(server, store, keys)
        for given, told in ((Keys(), "no key"), (wrong, f"the wrong key: {wrong.own[0]}")):
            with pytest.raises(InputError) as refused:
                await run_verify(store, manifest, given, None, Silent())
            assert told in str(refused.value)
            assert keys.recipients[0] in str(refused.value)
        everything = b"".join(path.read_bytes() for path in (tmp_path / "backups").rglob("*") if path.is_file())
        assert b"NATSARC1" not in everything
        assert b'"subjects"' not in everything

    run(work())


def test_a_key_that_is_named_and_does_not_open(start: Any, store: ObjectStorage, keys: Keys, tmp_path: Path) -> None:
    """The manifest names our key, and the object was encrypted for another: the object is at fault, and named."""
    server = start()

    async def work() -> None:
        manifest = await _saved(server, store, keys)
        record = manifest.stream("A")
        assert record
        path = tmp_path / "backups" / record.archive.key
        stranger = pyrage.x25519.Identity.generate().to_public()
        path.write_bytes(pyrage.encrypt(b"x" * 1000, [stranger]))
        found = await run_verify(store, manifest, keys, None, Silent(), record=False)
        assert "truncated: " in next(outcome.error for outcome in found.outcomes if outcome.stream == "A")

    run(work())


def test_manifests_that_are_corrupt_swapped_or_absent(start: Any, store: ObjectStorage, tmp_path: Path) -> None:
    server = start()
    folder = tmp_path / "backups"

    async def work() -> None:
        one = await _saved(server, store)
        two = await run_backup(server.place, store, BackupPlan(), Silent())
        paths = [folder / manifest.id / "manifest.json" for manifest in (one, two)]
        good = [path.read_bytes() for path in paths]
        swap(paths[0], paths[1])
        with pytest.raises(InputError, match=f"the manifest is that of {one.id}: it was swapped"):
            await read_manifest(store, two.id)
        for broken in (good[1][:-50], b"", b"[]", good[1].replace(b'"messages": 300', b'"messages": 299')):
            paths[1].write_bytes(broken)
            with pytest.raises(InputError, match="the manifest is corrupt"):
                await read_manifest(store, two.id)
        paths[0].write_bytes(good[0])
        assert (await choose_backup(store)).id == one.id
        paths[1].unlink()
        with pytest.raises(InputError, match="this is not a backup"):
            await read_manifest(store, two.id)
        inventory = await take_inventory(store)
        assert ([entry.id for entry in inventory.entries], inventory.incomplete) == ([one.id], (two.id,))
        newer = json.loads(good[0]) | {"schema": "secondsite/backup/9"}
        paths[0].write_text(json.dumps(newer))
        with pytest.raises(InputError, match="corrupt"):
            await read_manifest(store, one.id)

    run(work())


def test_a_proof_is_kept_and_a_bad_one_makes_the_backup_bad(start: Any, store: ObjectStorage, tmp_path: Path) -> None:
    server = start()

    async def work() -> None:
        manifest = await _saved(server, store)
        found = await run_verify(store, manifest, Keys(), find_server(), Silent())
        assert found.ok
        assert found.restore_s > 0
        proof = (await take_inventory(store)).entries[0].proof
        assert proof
        assert (proof["ok"], proof["server"], proof["messages"]) == (True, "2.15.1", 600)
        assert (await take_inventory(store)).entries[0].good
        record = manifest.stream("A")
        assert record
        flip(tmp_path / "backups" / record.archive.key, Path())
        await asyncio.sleep(1)  # proofs are named by the second
        await run_verify(store, manifest, Keys(), None, Silent())
        assert not (await take_inventory(store)).entries[0].good

    run(work())
