"""Whatever stands in a store, it is one backup's problem and has a name: no parse of it ends in a traceback."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from command import secondsite
from manifests import manifest, sealed
from nats_world import connect, everything, run

from secondsite.backup.documents import check_document
from secondsite.backup.inventory import choose_backup, take_inventory
from secondsite.backup.keep import KeepRules
from secondsite.backup.layout import encoded
from secondsite.backup.manifest import from_json, to_json
from secondsite.backup.progress import Silent
from secondsite.backup.prune import plan_pruning
from secondsite.backup.restore import RestorePlan, run_restore
from secondsite.backup.run import BackupPlan, run_backup
from secondsite.backup.strict import MisfitError
from secondsite.cli.backup_summary import content_line, summary
from secondsite.model.errors import InputError
from secondsite.objects.address import parse_store
from secondsite.objects.store import ObjectStorage

VALUES: tuple[Any, ...] = (
    *(None, "", "x", "../../etc", "\ud800", "2026-11-23T17:27:48", "99999999T999999Z-000000", True, False, 0, -1),
    *(2**70, 1.5, 1e308, [], {}, [None], {"a": 1}, [[[[]]]]),
)


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [at] if at else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return found + [place for key, item in items for place in places(item, (*at, key))]


def mutated(content: Any, rng: random.Random) -> Any:
    changed = json.loads(json.dumps(content))
    *way, last = rng.choice(places(changed))
    parent = changed
    for key in way:
        parent = parent[key]
    if rng.random() < 0.2:
        del parent[last]
    else:
        parent[last] = rng.choice(VALUES)
    return changed


def test_no_manifest_under_a_right_checksum_ends_in_a_traceback() -> None:
    rng, good, refused = random.Random(13), json.loads(to_json(manifest())), 0
    for _ in range(3000):
        data = sealed(mutated(good, rng))
        try:
            found = from_json(data, manifest().id, "x")
        except InputError:
            refused += 1
            continue
        assert found.finished.tzinfo
        json.dumps(summary(found)).encode(), content_line(found), repr(found).encode()
        assert all(item.key.startswith(f"{found.id}/") for stream in found.streams for item in stream.objects)
    assert refused > 1500
    assert content_line(from_json(to_json(manifest()), manifest().id, "x")).endswith((" bytes", " MB"))
    for data in (b"", b"\xff", b"[]", b"1", b"null", b"[" * 100_000, b'{"sha256": 1}', json.dumps(good).encode()[:-9]):
        with pytest.raises(InputError, match="corrupt"):
            from_json(data, manifest().id, "x")


def test_no_document_that_does_not_fit_goes_on() -> None:
    rng = random.Random(13)
    position = {"stream_seq": 5, "consumer_seq": 5}
    consumers = [{"name": "c", "config": {"durable_name": "c"}, "ack_floor": position, "delivered": position}]
    state = {"messages": 1, "bytes": 9, "first_seq": 1, "last_seq": 1}
    config = {"name": "S", "subjects": ["s.>"], "metadata": {"a": "b"}, "max_age": 0}
    for file, content in (("consumers.json", consumers), ("backup.json", {"config": config, "state": state})):
        check_document(file, content)
        for _ in range(1000):
            try:
                check_document(file, mutated(content, rng))
            except MisfitError:
                continue


def test_one_bad_manifest_is_one_backup_s_problem(store: ObjectStorage, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    good = manifest("20261123T172748Z-3f2a1c")

    async def work() -> None:
        await store.create(f"{good.id}/manifest.json", to_json(good))
        for entropy, content in (("000001", b"{}"), ("000002", b"[" * 50_000), ("000003", sealed({"schema": None}))):
            await store.create(f"20261124T000000Z-{entropy}/manifest.json", content)
        null = {**json.loads(to_json(manifest("20261124T000000Z-000004"))), "streams": None}
        await store.create("20261124T000000Z-000004/manifest.json", sealed(null))
        await store.create("99999999T000000Z-000000/manifest.json", to_json(good))
        for strange in (b"\x01\x02", b"\xff\xfe", b"a#12"):
            (folder / good.id).joinpath("x").parent.mkdir(exist_ok=True)
            with open(bytes(folder / good.id) + b"/" + strange, "wb") as file:  # noqa: ASYNC230, PTH123 # names that are no text
                file.write(b"x")
        inventory = await take_inventory(store)
        assert [entry.id for entry in inventory.entries if entry.manifest] == [good.id]
        assert sum(bool(entry.problem) for entry in inventory.entries) == 4
        assert (await choose_backup(store)).id == good.id
        assert plan_pruning(inventory, KeepRules(last=1), good.finished).doomed == ()

    run(work())
    out, _ = secondsite("backup", "list", "--from", f"file://{folder}")
    assert out.count("the manifest ") == 4


@pytest.mark.parametrize("name", ["ORDERS", "a-b_C9"])
def test_ordinary_names_are_their_own_keys(name: str) -> None:
    assert encoded(name) == name


def test_every_name_is_a_key_of_its_own() -> None:
    names = ["a", "a=01", "a\x01", "ä", "日" * 80, "日" * 81, "x" * 255, "a%41", "aA", "a#1", "a?b", "é" * 127 + "a"]
    keys = {encoded(name) for name in names}
    assert len(keys) == len(names)
    assert all(len(key) <= 250 and key.isascii() and key.isprintable() and "/" not in key for key in keys)


@pytest.mark.slow
def test_streams_of_any_name_are_saved_and_come_back(start: Any, store: ObjectStorage) -> None:
    source, target = start("source"), start("target")
    names = ["a\x01b", "ä日", "x#12", "p%2e"]

    async def work() -> None:
        client, other = await connect(source.url), await connect(target.url)
        for number, name in enumerate(names):
            request = {"name": name, "subjects": [f"n{number}.>"]}
            answer = await client.request(f"$JS.API.STREAM.CREATE.{name}", json.dumps(request).encode())
            assert b'"error"' not in answer.data
            await client.publish(f"n{number}.x", name.encode())  # the server's acknowledgement of the first is no JSON
            await client.flush()
        found = await run_backup(source.place, store, BackupPlan(), Silent())
        assert {stream.name for stream in found.streams} == set(names)
        outcomes = await run_restore(target.place, store, found, RestorePlan(), Silent())
        assert all(outcome.ok and outcome.proof.verdict == "equal" for outcome in outcomes)
        for name in names:
            assert await everything(other, name) == await everything(client, name)

    run(work())


def test_a_user_without_a_home_is_no_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME")
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)

    def nobody(*_: object) -> None:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nobody)
    monkeypatch.setattr(Path, "expanduser", nobody)
    from secondsite.nats.options import ConnectOptions
    from secondsite.nats.place import nats_place

    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    ObjectStorage(parse_store("s3://bucket/prefix"))
    with pytest.raises(InputError, match="no home directory"):
        nats_place("nats://x", ConnectOptions(), context="prod")


def test_a_killed_run_s_probes_are_removed(store: ObjectStorage, tmp_path: Path) -> None:
    import os
    from datetime import UTC, datetime

    from secondsite.backup.prune import apply_pruning

    async def work() -> None:
        await store.create("probes/old", b"first")
        await store.create("probes/new", b"first")
        os.utime(tmp_path / "backups" / "probes" / "old", (1_600_000_000, 1_600_000_000))
        now = datetime.now(UTC)
        await apply_pruning(store, plan_pruning(await take_inventory(store), KeepRules(last=1), now), now)
        assert [stored.key for stored in await store.listing("probes")] == ["probes/new"]

    run(work())
