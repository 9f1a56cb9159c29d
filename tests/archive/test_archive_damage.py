"""Every damage to an archive is named, and no half restore looks whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyrage
import pytest
from moments import bring_back, ship
from nats_world import connect, publish, run

from secondsite.archive.chain import Chain
from secondsite.archive.cut import Segments
from secondsite.archive.layout import index_key
from secondsite.archive.plan import ArchivePlan
from secondsite.archive.records import ArchiveSegment, DamagedArchiveError
from secondsite.archive.travel import Wanted, reader_of, travel
from secondsite.backup.codec import Keys
from secondsite.backup.progress import Silent
from secondsite.backup.restore import RestorePlan, restore_from
from secondsite.backup.signing import Trust, of_identity
from secondsite.model.errors import InputError
from secondsite.objects.store import ObjectStorage

pytestmark = pytest.mark.slow
IDENTITY = pyrage.x25519.Identity.generate()
OTHER = pyrage.x25519.Identity.generate()
OWN = Keys((str(IDENTITY.to_public()),), (IDENTITY,))
SEALED = ArchivePlan(keys=Keys(OWN.recipients), signing=of_identity(IDENTITY))
MINE = Trust(frozenset({of_identity(IDENTITY).public}), encrypted=True)


async def _three_looks(source: Any, store: ObjectStorage, plan: ArchivePlan) -> None:
    client = await connect(source.url)
    await client.jetstream().add_stream(name="ORDERS", subjects=["orders.>"])
    for _ in range(3):
        await publish(client, "ORDERS", 5, 20)
        await ship(source.place, store, plan)


async def _segments(store: ObjectStorage, trust: Trust = MINE) -> list[ArchiveSegment]:
    chain = await Chain(store, trust).read()
    return [
        part
        async for linked in chain.checkpoints(None)
        for stream in linked.checkpoint.streams
        for part in stream.segments
    ]


def _file(tmp_path: Path, key: str) -> Path:
    return tmp_path / "archive" / key


def test_each_flipped_byte_is_found(start: Any, store: ObjectStorage, tmp_path: Path) -> None:
    """Of a segment and of a checkpoint, one after the other."""
    source = start("source")

    async def work() -> None:
        await _three_looks(source, store, SEALED)
        first, *_ = await _segments(store)
        path = _file(tmp_path, first.key)
        for place, damaged in _flips(path):
            with pytest.raises(DamagedArchiveError, match=f"{path.name}: corrupted"):
                await Segments(store, OWN).plain(first)
            assert damaged, place
        checkpoint = _file(tmp_path, index_key(2))
        for place, _ in _flips(checkpoint, step=7):
            with pytest.raises(InputError) as told:
                await _segments(store)
            assert "00000000000" in str(told.value), place
        assert sum(part.messages for part in await _segments(store)) == 15

    run(work())


def _flips(path: Path, step: int = 1) -> Any:
    whole = path.read_bytes()
    for at in range(0, len(whole), step):
        path.write_bytes(whole[:at] + bytes((whole[at] ^ 1,)) + whole[at + 1 :])
        yield at, True
    path.write_bytes(whole)


def test_a_damaged_segment_brings_nothing_back(start: Any, store: ObjectStorage, tmp_path: Path) -> None:
    source, target = start("source"), start("target")

    async def work() -> None:
        await _three_looks(source, store, SEALED)
        short, missing, _ = await _segments(store)
        path = _file(tmp_path, short.key)
        whole = path.read_bytes()
        path.write_bytes(whole[:-7])
        with pytest.raises(DamagedArchiveError, match=f"truncated: {len(whole) - 7} of {len(whole)} bytes"):
            await Segments(store, OWN).plain(short)
        path.write_bytes(whole)
        _file(tmp_path, missing.key).unlink()
        other = await connect(target.url)
        outcomes = await bring_back(target.place, store, keys=OWN, trust=MINE)
        assert f"{missing.key}: missing: no such object" in outcomes["ORDERS"].error
        assert not outcomes["ORDERS"].ok
        assert await other.jetstream().streams_info() == []

    run(work())


def test_a_moment_before_the_damage_replaces_a_stream(start: Any, store: ObjectStorage, tmp_path: Path) -> None:
    source = start("source")

    async def work() -> None:
        await _three_looks(source, store, SEALED)
        *_, last = await _segments(store)
        _file(tmp_path, last.key).unlink()
        chain = await Chain(store, MINE).read()
        reader = reader_of(chain, OWN, await travel(chain, OWN, Wanted(None, "ORDERS", 7)))
        plan = RestorePlan(keys=OWN, overwrite=frozenset({"ORDERS"}))
        (outcome,) = await restore_from(source.place, reader, plan, Silent())
        assert (outcome.error, outcome.messages, outcome.proof.verdict) == ("", 7, "equal")

    run(work())


def _lost(folder: Path) -> None:
    (folder / index_key(2)).unlink()


def _swapped(folder: Path) -> None:
    (folder / index_key(2)).write_bytes((folder / index_key(1)).read_bytes())


def _forged(folder: Path) -> None:
    """By somebody who may write, and has no key."""
    content = json.loads((folder / index_key(3)).read_bytes())
    content["streams"] = []
    (folder / index_key(3)).write_text(json.dumps(content))


def _unsigned(folder: Path) -> None:
    from secondsite.archive.records import checkpoint_from_json, to_json

    path = folder / index_key(3)
    path.write_bytes(to_json(checkpoint_from_json(path.read_bytes(), 3, "here"), None))


@pytest.mark.parametrize(
    ("hurt", "what"),
    [
        (_lost, "2.json: missing: no such checkpoint"),
        (_swapped, "2.json: swapped: it is number 1"),
        (_forged, "3.json: corrupted: its checksum"),
        (_unsigned, "3.json: this archive is rejected from here on: it is not signed"),
    ],
)
def test_a_chain_that_is_broken_is_named(
    hurt: Callable[[Path], None], what: str, start: Any, store: ObjectStorage, tmp_path: Path
) -> None:
    source, target = start("source"), start("target")

    async def work() -> None:
        await _three_looks(source, store, SEALED)
        hurt(_file(tmp_path, ""))
        with pytest.raises(InputError, match=what):
            await bring_back(target.place, store, keys=OWN, trust=MINE)

    run(work())


def test_who_has_no_key_is_told_so(start: Any, store: ObjectStorage) -> None:
    source, target = start("source"), start("target")

    async def work() -> None:
        await _three_looks(source, store, SEALED)
        with pytest.raises(InputError, match=r"the archive is encrypted for age1.*; you gave no key"):
            await bring_back(target.place, store)
        wrong = Keys((), (OTHER,))
        with pytest.raises(InputError, match=r"you gave the wrong key: age1"):
            await bring_back(target.place, store, keys=wrong)
        stranger = Trust(frozenset({of_identity(OTHER).public}))
        with pytest.raises(InputError, match="signed by a key that you did not give"):
            await bring_back(target.place, store, keys=OWN, trust=stranger)
        outcomes = await bring_back(target.place, store, keys=OWN, trust=MINE)
        assert outcomes["ORDERS"].ok

    run(work())
