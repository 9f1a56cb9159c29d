"""What came after the last good message: wrong, on a subject that was written wrongly, or independent of both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from moments import ship
from nats_world import connect, run
from stream_kinds import facts

from secondsite.archive.after import Dependence, LaterMessage, WrongWrites, judged
from secondsite.backup.progress import Silent
from secondsite.backup.run import BackupPlan, run_backup
from secondsite.cli.__main__ import app
from secondsite.objects.store import ObjectStorage
from secondsite.operate.restorer import BackupRestorer


def _message(sequence: int, subject: str, message_id: str = "") -> LaterMessage:
    return LaterMessage(sequence, sequence, subject, message_id, 1, b"x")


@pytest.mark.parametrize(
    "wrong", [WrongWrites(ids=("release-7-*",)), WrongWrites(subjects=("orders.eu",))], ids=["by id", "by subject"]
)
def test_a_subject_is_touched_by_the_first_wrong_message_on_it(wrong: WrongWrites) -> None:
    by_subject = bool(wrong.subjects)
    found = judged(
        [
            _message(11, "orders.us", "a"),
            _message(12, "orders.eu", "" if by_subject else "release-7-1"),
            _message(13, "orders.us", "b"),
            _message(14, "orders.eu", "c"),
        ],
        wrong,
    )
    last = Dependence.WRONG if by_subject else Dependence.TOUCHED
    independent = Dependence.INDEPENDENT
    assert [each.dependence for each in found] == [independent, Dependence.WRONG, independent, last]


def test_a_message_without_an_id_is_wrong_by_no_pattern_of_ids() -> None:
    (found,) = judged([_message(1, "orders.eu")], WrongWrites(ids=("*",)))
    assert found.dependence is Dependence.INDEPENDENT


def _told(command: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        app(command, result_action="sys_exit")
    assert ended.value.code in (0, None)
    return capsys.readouterr().out


@pytest.mark.slow
def test_a_wrong_write_is_undone_to_the_message_and_the_good_ones_after_it_are_listed(
    start: Any, store: ObjectStorage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = start("source")
    url = f"file://{tmp_path / 'archive'}"

    async def write() -> None:
        client = await connect(source.url)
        stream = client.jetstream()
        await stream.add_stream(name="ORDERS", subjects=["orders.>"])
        for subject, name in (("us", "a"), ("eu", "b"), ("eu", "bad-1"), ("us", "c"), ("eu", "d"), ("asia", "e")):
            await stream.publish(f"orders.{subject}", name.encode(), headers={"Nats-Msg-Id": name})
        await ship(source.place, store.below("archive"))

    run(write())
    asked = ["archive", "after", "ORDERS=2", "--from", url, "--wrong-id", "bad-*"]
    told = _told(asked, capsys).splitlines()
    assert [line.split()[0] for line in told[:-1]] == ["4", "6"]
    assert told[-1].startswith("4 messages after ORDERS=2: 1 wrong, 1 on subjects that were written wrongly before")
    machine = [json.loads(line) for line in _told([*asked, "--json"], capsys).splitlines()]
    assert [(each["sequence"], each["standing"]) for each in machine] == [
        (3, "wrong"),
        (4, "independent"),
        (5, "touched"),
        (6, "independent"),
    ]
    restored = _told(
        [
            *("restore", "--nats", source.url, "--from", url, "--at-sequence", "ORDERS=2"),
            *("--stream", "ORDERS", "--overwrite", "ORDERS"),
        ],
        capsys,
    )
    assert "every message is identical" in restored

    async def look() -> None:
        client = await connect(source.url)
        state = (await client.jetstream().stream_info("ORDERS")).state
        assert (state.first_seq, state.last_seq, state.messages) == (1, 2, 2)

    run(look())


@pytest.mark.slow
def test_a_failover_restores_from_whatever_reaches_further(start: Any, store: ObjectStorage) -> None:
    """The executor's restore is that of the command: an archive that goes on is newer than the last backup."""
    source, target = start("source"), start("target")

    async def work() -> None:
        client, other = await connect(source.url), await connect(target.url)
        await client.jetstream().add_stream(name="ORDERS", subjects=["orders.>"])
        await client.jetstream().publish("orders.a", b"1")
        await run_backup(source.place, store, BackupPlan(), Silent())
        await client.jetstream().publish("orders.a", b"2")
        await ship(source.place, store.below("archive"))
        outcomes = await BackupRestorer(store, {"west": target.place}).restore("west", ("ORDERS",))
        assert outcomes == {"ORDERS": ""}
        assert await facts(other, "ORDERS") == await facts(client, "ORDERS")

    run(work())
