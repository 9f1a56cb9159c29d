"""One business event in two stores: what stands on one side alone is named, and delivery twice is no disagreement."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from in_loop import in_loop
from nats_world import BIN, free_port, process
from postgres_pair import postgres_pair

import nats
from secondsite.cli.__main__ import app
from secondsite.lab.postgres_files import TABLE
from secondsite.model.errors import InputError
from secondsite.stores.agreement import compare
from secondsite.strategies.store_servers import FOLLOWER


@pytest.mark.parametrize(
    ("rows", "events", "holds", "lost_rows", "lost_events", "repeated"),
    [
        ((), (), True, (), (), ()),
        (("a", "b"), ("b", "a"), True, (), (), ()),
        (("a",), ("a", "b", "c"), False, ("b", "c"), (), ()),
        (("a", "b", "c"), ("a",), False, (), ("b", "c"), ()),
        (("a",), ("b",), False, ("b",), ("a",), ()),
        (("a",), ("a", "a"), True, (), (), ("a",)),
    ],
)
def test_what_stands_on_one_side_alone_is_named(
    rows: tuple[str, ...],
    events: tuple[str, ...],
    holds: bool,
    lost_rows: tuple[str, ...],
    lost_events: tuple[str, ...],
    repeated: tuple[str, ...],
) -> None:
    found = compare(rows, events)
    assert found.holds is holds
    assert (found.events_without_row, found.rows_without_event, found.repeated) == (lost_rows, lost_events, repeated)


@pytest.mark.slow
@in_loop
async def test_a_table_and_a_stream_are_compared_after_a_loss(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    url = f"nats://127.0.0.1:{port}"
    given = ["--table", f"public.{TABLE}", "--key", "id", "--stream", "EVENTS", "--nats", url]

    async def compared() -> tuple[int, str]:
        code = await asyncio.to_thread(app, ["postgres", "events", "env:DR_PG", *given], result_action="return_value")
        return code, capsys.readouterr().out

    with process(BIN / "nats-server", "-js", "-sd", tmp_path, "-a", "127.0.0.1", "-p", str(port), port=port):
        client = await nats.connect(url)
        stream = client.jetstream()
        await stream.add_stream(name="EVENTS", subjects=["events"])
        async with postgres_pair() as pair:
            monkeypatch.setenv("DR_PG", pair.server(pair.home).place.conninfo)
            for name in ("a", "b"):
                await pair.write(pair.home, name)
                await stream.publish("events", b"", headers={"Nats-Msg-Id": name})
            await pair.caught_up()
            assert await compared() == (0, "2 rows, 2 events\n")
            async with pair.server(pair.home).place.open() as session:
                await session.rows(f"ALTER ROLE {FOLLOWER} NOLOGIN")
                await session.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_replication")
            await pair.write(pair.home, "only there")
            await stream.publish("events", b"", headers={"Nats-Msg-Id": "only there"})
            pair.lab.kill(pair.name(pair.home))
            await pair.server(pair.away).promote()
            await pair.write(pair.away, "told to nobody")
            monkeypatch.setenv("DR_PG", pair.server(pair.away).place.conninfo)
            code, told = await compared()
            assert code == 1
            assert "1 events without a row: only there" in told
            assert "1 rows without an event: told to nobody" in told
            await stream.publish("events", b"no id")
            with pytest.raises(InputError, match="1 messages have no Nats-Msg-Id, the first at sequence 4"):
                await compared()
        await client.close()
