"""Bases, merged segments and bundles make an archive smaller, and change nothing of what comes back."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pyrage
import pytest
from moments import PLAIN, bring_back, now, ship
from nats_world import connect, publish, run
from stream_kinds import facts

from secondsite.archive.chain import Chain
from secondsite.archive.check import restore_newest, verify_archive
from secondsite.archive.compact import Compacted, CompactPlan, compact
from secondsite.archive.entries import nanoseconds, rfc3339
from secondsite.archive.plan import ArchivePlan
from secondsite.archive.travel import Wanted
from secondsite.backup.codec import Keys
from secondsite.backup.progress import Silent
from secondsite.model.errors import InputError
from secondsite.objects.store import ObjectStorage

pytestmark = pytest.mark.slow
FOREVER = 2**62


async def _compact(store: ObjectStorage, keep: timedelta | None = None, now_ns: int = FOREVER) -> Compacted:
    return await compact(store, CompactPlan(PLAIN, keep), now_ns, await Chain(store).read())


async def _work(client: Any, place: Any, store: ObjectStorage, count: int = 6) -> list[tuple[Any, Any]]:
    """So many checkpoints, each with a moment and what was there at it."""
    moments = []
    for number in range(count):
        await publish(client, "ORDERS", 10, headers=True)
        last = (await client.jetstream().stream_info("ORDERS")).state.last_seq
        await client.jetstream().delete_msg("ORDERS", last - 3)
        if number % 3 == 2:
            await client.jetstream().purge_stream("ORDERS", keep=15)
        await ship(place, store)
        moments.append((now(), await facts(client, "ORDERS")))
    return moments


def _objects(tmp_path: Path) -> int:
    return sum(path.is_file() for path in (tmp_path / "archive").rglob("*"))


def test_every_moment_is_there_before_and_after(start: Any, store: ObjectStorage, tmp_path: Path) -> None:
    source, target = start("source"), start("target")

    async def work() -> None:
        client, other = await connect(source.url), await connect(target.url)
        await client.jetstream().add_stream(name="ORDERS", subjects=["orders.>"])
        moments = []
        for _ in range(3):
            moments += await _work(client, source.place, store)
            before = _objects(tmp_path)
            made = await _compact(store)
            assert (made.merged_from, made.merged_into) == (6 if len(moments) == 6 else 7, 1)
        assert _objects(tmp_path) < before
        assert (await _compact(store)).number == 0
        moments += await _work(client, source.place, store, 2)
        for at, expected in moments[::3]:
            outcomes = await bring_back(target.place, store, Wanted(at))
            assert {name: item.why_not for name, item in outcomes.items()} == {"ORDERS": ""}
            assert await facts(other, "ORDERS") == expected
            await other.jetstream().delete_stream("ORDERS")
        checked = await verify_archive(await Chain(store).read(), Keys())
        assert (checked.problems, checked.messages) == ((), 180)

    run(work())


def test_what_is_older_than_asked_for_goes(start: Any, store: ObjectStorage) -> None:
    source, target = start("source"), start("target")

    async def work() -> None:
        client, other = await connect(source.url), await connect(target.url)
        await client.jetstream().add_stream(name="ORDERS", subjects=["orders.>"])
        await client.jetstream().add_stream(name="OLD", subjects=["old.>"])
        await publish(client, "OLD", 5)
        moments = await _work(client, source.place, store, 3)
        await _compact(store)
        await client.jetstream().delete_stream("OLD")
        moments += await _work(client, source.place, store, 3)
        await _compact(store)
        kept_ns = int(moments[-1][0].timestamp() * 10**9)
        for _ in range(2):
            moments += await _work(client, source.place, store, 3)
            await _compact(store, timedelta(seconds=1), kept_ns + 10**9)
        with pytest.raises(InputError, match="is before the archive; it begins at"):
            await bring_back(target.place, store, Wanted(moments[0][0]))
        for at, expected in (moments[6], moments[-1]):
            await bring_back(target.place, store, Wanted(at))
            assert await facts(other, "ORDERS") == expected
            await other.jetstream().delete_stream("ORDERS")
        assert {segment.split("/")[2] for segment in [item.key for item in await store.listing("packs")]} == {"ORDERS"}
        assert (await verify_archive(await Chain(store).read(), Keys())).problems == ()

    run(work())


def test_an_archiver_goes_on_from_a_base(start: Any, store: ObjectStorage) -> None:
    source = start("source")

    async def work() -> None:
        client = await connect(source.url)
        await client.jetstream().add_stream(name="ORDERS", subjects=["orders.>"])
        await _work(client, source.place, store, 3)
        await _compact(store)
        assert (await ship(source.place, store)).messages == 0
        await publish(client, "ORDERS", 4)
        assert (await ship(source.place, store)).messages == 4
        chain = await Chain(store).read()
        outcomes = await restore_newest(chain, Keys(), None, Silent())
        assert [(item.stream, item.proof.verdict) for item in outcomes] == [("ORDERS", "equal")]

    run(work())


def test_verify_reads_what_older_moments_need(start: Any, store: ObjectStorage, tmp_path: Path) -> None:
    source = start("source")

    async def work() -> None:
        client = await connect(source.url)
        await client.jetstream().add_stream(name="ORDERS", subjects=["orders.>"])
        moments = []
        for _ in range(2):
            moments += await _work(client, source.place, store, 3)
            await _compact(store)
        await ship(source.place, store)
        checked = await verify_archive(await Chain(store).read(), Keys())
        assert (checked.problems, checked.checkpoints) == ((), 7)
        assert checked.first_ns < int(moments[0][0].timestamp() * 10**9)
        (bundle,) = (tmp_path / "archive" / "bundles").glob("000000000001-*")
        (base,) = (tmp_path / "archive" / "bases").glob("000000000003*")
        kept = bundle.read_bytes()
        bundle.write_bytes(kept[:-3])
        (problem,) = (await verify_archive(await Chain(store).read(), Keys())).problems
        assert f"{bundle.name}: corrupted" in problem
        bundle.write_bytes(kept)
        base.write_text("{}")
        (problem,) = (await verify_archive(await Chain(store).read(), Keys())).problems
        assert f"{base.name}: corrupted" in problem

    run(work())


def test_a_key_that_was_replaced_is_missed_for_older_moments_alone(start: Any, store: ObjectStorage) -> None:
    source = start("source")
    old, new = pyrage.x25519.Identity.generate(), pyrage.x25519.Identity.generate()
    both = (old, new)

    async def work() -> None:
        client = await connect(source.url)
        await client.jetstream().add_stream(name="ORDERS", subjects=["orders.>"])
        for identity in both:
            await publish(client, "ORDERS", 5)
            await ship(source.place, store, ArchivePlan(keys=Keys((str(identity.to_public()),))))
        plan = CompactPlan(ArchivePlan(keys=Keys((str(new.to_public()),), both)))
        await compact(store, plan, FOREVER, await Chain(store).read())
        checked = await verify_archive(await Chain(store).read(), Keys((), (new,)))
        assert (checked.ok, checked.messages) == (True, 10)
        (why,) = checked.unread
        assert f"the archive is encrypted for {old.to_public()}" in why
        assert (await verify_archive(await Chain(store).read(), Keys((), both))).unread == ()

    run(work())


def test_verify_names_every_damage(start: Any, store: ObjectStorage, tmp_path: Path) -> None:
    source = start("source")

    async def work() -> None:
        client = await connect(source.url)
        await client.jetstream().add_stream(name="ORDERS", subjects=["orders.>"])
        await _work(client, source.place, store, 4)
        one, two, *_ = sorted(path for path in (tmp_path / "archive" / "packs").rglob("*.zst"))
        one.unlink()
        two.write_bytes(two.read_bytes()[:-1])
        (tmp_path / "archive" / "index" / "000000000004.json").write_text("{}")
        checked = await verify_archive(await Chain(store).read(), Keys())
        assert not checked.ok
        text = "\n".join(checked.problems)
        assert "000000000004.json: corrupted" in text
        assert f"{one.name}: missing" in text
        assert f"{two.name}: truncated" in text
        assert len(checked.problems) == 3

    run(work())


def test_times_go_there_and_back() -> None:
    for told in ("2026-11-28T02:40:05.711711642Z", "2026-11-28T02:40:05.000000000Z"):
        assert rfc3339(nanoseconds(told)) == told
    assert nanoseconds("2026-11-28T02:40:05.5+01:00") == nanoseconds("2026-11-28T01:40:05.5Z")
    assert nanoseconds("nonsense") == 0
