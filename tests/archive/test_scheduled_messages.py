"""Scheduled messages and rollups: what they removed stays removed, and what fires again after a restore is told."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from moments import bring_back, now, ship
from nats.aio.client import Client
from nats_world import binary_of, connect, eventually, everything, run
from stream_kinds import api, facts

from secondsite.archive.entries import rfc3339
from secondsite.archive.limits import dropped_by_limits
from secondsite.archive.travel import Wanted
from secondsite.backup.archive import entry
from secondsite.backup.progress import Silent
from secondsite.backup.restore import RestorePlan, run_restore
from secondsite.backup.run import BackupPlan, run_backup
from secondsite.backup.scheduled import fires_again
from secondsite.objects.store import ObjectStorage

CONFIG = {"name": "S", "subjects": ["s.>"], "storage": "file", "allow_msg_schedules": True, "allow_rollup_hdrs": True}


async def _schedule(client: Client, subject: str, seconds: float) -> str:
    at = (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
    headers = {"Nats-Schedule": f"@at {at}", "Nats-Schedule-Target": f"{subject}.fired"}
    await client.jetstream().publish(subject, b"do it", headers=headers)
    return at


async def _fired(client: Client, count: int) -> None:
    async def all_of_them() -> bool:
        return sum(subject.endswith(".fired") for _, subject, _, _ in await everything(client, "S")) == count

    await eventually(all_of_them, f"{count} have fired")


@pytest.mark.slow
@pytest.mark.parametrize("version", ["2.12.8", "2.15.1"])
def test_a_schedule_that_had_fired_since_the_backup_fires_again_and_is_told(
    version: str, start: Any, store: ObjectStorage
) -> None:
    source, target = (start(name, binary=binary_of(version)) for name in ("source", "target"))

    async def work() -> None:
        client, other = await connect(source.url), await connect(target.url)
        await api(client, "STREAM.CREATE.S", CONFIG)
        at = await _schedule(client, "s.soon", 2)
        await _schedule(client, "s.later", 3600)
        manifest = await run_backup(source.place, store, BackupPlan(), Silent())
        await _fired(client, 1)
        (outcome,) = await run_restore(target.place, store, manifest, RestorePlan(), Silent())
        assert outcome.ok, outcome.why_not
        (told,) = outcome.notes
        assert told.startswith("a scheduled message that was due fires once it is there")
        assert told.endswith(f": s.soon ({at})")
        await _fired(other, 1)
        assert {subject for _, subject, _, _ in await everything(other, "S")} == {"s.soon.fired", "s.later"}

    run(work())


@pytest.mark.slow
def test_between_two_checkpoints_what_fired_or_was_rolled_up_stays_gone(start: Any, store: ObjectStorage) -> None:
    source, target = start("source"), start("target")

    async def work() -> None:
        client, other = await connect(source.url), await connect(target.url)
        await api(client, "STREAM.CREATE.S", CONFIG)
        bucket = await client.jetstream().create_key_value(bucket="b", history=3)
        for number in range(3):
            await bucket.put("a", b"%d" % number)
            await bucket.put("b", b"%d" % number)
        await _schedule(client, "s.soon", 2)
        await ship(source.place, store)
        await bucket.purge("a")
        await _fired(client, 1)
        between, then = now(), {name: await facts(client, name) for name in ("S", "KV_b")}
        await client.jetstream().publish("s.more", b"")
        await bucket.put("a", b"new")
        await ship(source.place, store)
        outcomes = await bring_back(target.place, store, Wanted(between))
        assert {name: (item.why_not, item.notes) for name, item in outcomes.items()} == {
            "S": ("", ()),
            "KV_b": ("", ()),
        }
        assert {name: await facts(other, name) for name in ("S", "KV_b")} == then
        await asyncio.sleep(1.5)
        assert await facts(other, "S") == then["S"], "nothing fires a second time"

    run(work())


def _dropped(config: dict[str, Any], *messages: tuple[str, bytes]) -> list[int]:
    plain = b"".join(
        entry(subject.encode(), number, number, headers, b"") for number, (subject, headers) in enumerate(messages, 1)
    )

    async def plains() -> Any:
        yield plain

    spans = asyncio.run(dropped_by_limits(config, plains(), 1, len(messages), ()))
    return [sequence for first, last in spans for sequence in range(first, last + 1)]


def _headers(**named: str) -> bytes:
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in named.items())
    return f"NATS/1.0\r\n{lines}\r\n".encode()


def test_a_rollup_removes_its_subject_or_all_before_it_where_the_stream_allows_it() -> None:
    of_one, of_all = _headers(Nats_Rollup="sub"), _headers(Nats_Rollup="all")
    messages = (("a", b""), ("b", b""), ("a", b""), ("a", of_one), ("b", b""))
    assert _dropped({"allow_rollup_hdrs": True}, *messages) == [1, 3]
    assert _dropped({}, *messages) == []
    assert _dropped({"allow_rollup_hdrs": True}, *messages, ("c", of_all), ("a", b"")) == [1, 2, 3, 4, 5]


def test_a_schedule_that_fires_once_removes_itself_and_one_that_goes_on_stays() -> None:
    fired = _headers(Nats_Scheduler="a", Nats_Schedule_Next="purge")
    goes_on = _headers(Nats_Scheduler="b", Nats_Schedule_Next=rfc3339(10**18))
    messages = (("a", b""), ("b", b""), ("a.out", fired), ("b.out", goes_on))
    assert _dropped({"allow_msg_schedules": True}, *messages) == [1]


def test_what_is_due_later_or_at_no_time_is_not_told() -> None:
    at = datetime(2026, 11, 28, 12, tzinfo=UTC)
    assert (
        fires_again(
            [
                ("a", "@at 2026-11-28T12:00:01Z"),
                ("b", "@at noon"),
                ("c", "@at 2026-11-28T11:00:00"),
                ("d", "@every 1s"),
            ],
            at,
        )
        == ""
    )
    told = fires_again([(f"s.{number}", "@at 2026-11-28T11:00:00Z") for number in range(12)], at)
    assert told.startswith("12 scheduled messages that were due fire once it is there")
    assert told.endswith(" and 2 more")
