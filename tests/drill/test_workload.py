"""The client's loop with a sender that does what it is told: what is in the ledger is what happened."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attrs import define, evolve, field
from hypothesis import given
from hypothesis import strategies as st

from secondsite.dns.lookup import Resolved
from secondsite.drill.ledger.history import read_history
from secondsite.drill.ledger.ledger import Ledger, LedgerHeader, LedgerStream, read_chunks
from secondsite.drill.ledger.record import RecordKind, Status
from secondsite.drill.load.client_config import ClientConfig, HttpTarget, NatsTarget, load_config
from secondsite.drill.load.http_sender import HttpSender
from secondsite.drill.load.sending import Attempt, Write
from secondsite.drill.load.service_name import ServiceName
from secondsite.drill.load.tally import Summary, read_summary
from secondsite.drill.load.workload import LoadClient, StopSignal
from secondsite.drill.play.clients import share_out
from secondsite.model.errors import InputError, MachineError

STREAMS = (LedgerStream("EVENTS", "events.load"),)


@define
class Scripted:
    """Answers as ``script`` says for the n-th sending of a message, after ``takes_s``."""

    script: Callable[[int], Attempt]
    takes_s: float = 0.0
    opens: bool = True
    sent: list[Write] = field(factory=list)
    closed: bool = False

    async def open(self) -> None:
        if not self.opens:
            await asyncio.Event().wait()

    async def send(self, message: Write, user: int) -> Attempt:
        nth = sum(each.id == message.id for each in self.sent)
        self.sent.append(message)
        await asyncio.sleep(self.takes_s)
        return self.script(nth)

    async def close(self) -> None:
        self.closed = True


def _config(folder: Path, **more: Any) -> ClientConfig:
    base = ClientConfig("r1", 2, str(folder), STREAMS, HttpTarget("api.example", 8080), rate_per_s=200, duration_s=0.2)
    return evolve(base, **{"keys": 5, "payload_bytes": 64, "retry_pause_s": 0.0, **more})


def _run(config: ClientConfig, sender: Scripted, stop_after_s: float | None = None) -> Summary:
    async def run() -> Summary:
        with Ledger.create(config.ledger, LedgerHeader(config.run, config.client, config.streams)) as ledger:
            stop = StopSignal()
            if stop_after_s is not None:
                asyncio.get_running_loop().call_later(stop_after_s, stop.ask, "test")
            return await LoadClient(config, ledger, sender, stop).run()

    return asyncio.run(run())


def test_arrivals_come_at_their_rate_and_each_is_in_the_ledger(tmp_path: Path) -> None:
    config = _config(tmp_path)
    sender = Scripted(lambda _: Attempt(Status.STORED, 7, "127.1.0.81"))
    summary = _run(config, sender)
    history = read_history([config.ledger])
    assert summary.arrivals == len(history) == len(sender.sent) == 40
    assert summary.acknowledged == 40
    assert summary.stopped == "duration"
    assert summary.latency_ms.keys() == {"p50", "p95", "p99"}
    assert history.acknowledged.all()
    assert set(history.stream_sequence.tolist()) == {7}
    assert {message.subject for message in sender.sent} == {f"events.load.{key}" for key in range(5)}
    assert all(len(message.data) == 64 and message.data.startswith(f"{message.id} ") for message in sender.sent)
    assert sender.closed


def test_the_same_seed_writes_the_same_keys(tmp_path: Path) -> None:
    keys = []
    for name in "abc":
        (tmp_path / name).mkdir()
        config = _config(tmp_path / name, seed=1 if name < "c" else 2)
        _run(config, Scripted(lambda _: Attempt(Status.STORED, 1)))
        keys.append(read_history([config.ledger]).key.tolist())
    assert keys[0] == keys[1] != keys[2]


def test_a_retry_has_the_same_id_and_its_own_records(tmp_path: Path) -> None:
    config = _config(tmp_path, rate_per_s=20, retries=3)
    sender = Scripted(lambda nth: Attempt([Status.UNKNOWN, Status.ERROR, Status.BUFFERED][nth]))
    summary = _run(config, sender)
    assert Counter(message.id for message in sender.sent) == {f"r1.2.{number}": 3 for number in range(4)}
    assert summary.outcomes == {"stored": 0, "buffered": 4, "refused": 0, "unknown": 4, "error": 4}
    records = [record for chunk in read_chunks(config.ledger) for record in chunk]
    first = [
        (RecordKind(int(record["kind"])).name, int(record["attempt"]), int(record["status"]))
        for record in records
        if record["sequence"] == 0
    ]
    assert first == [
        ("INTENT", 0, 0),
        ("OUTCOME", 0, Status.UNKNOWN),
        ("INTENT", 1, 0),
        ("OUTCOME", 1, Status.ERROR),
        ("INTENT", 2, 0),
        ("OUTCOME", 2, Status.BUFFERED),
    ]


def test_retries_end(tmp_path: Path) -> None:
    sender = Scripted(lambda _: Attempt(Status.REFUSED))
    summary = _run(_config(tmp_path, rate_per_s=20, retries=2), sender)
    assert summary.acknowledged == 0
    assert summary.outcomes["refused"] == 12


def test_what_finds_too_much_under_way_is_withheld_and_counted(tmp_path: Path) -> None:
    config = _config(tmp_path, max_in_flight=3, drain_s=0.05)
    summary = _run(config, Scripted(lambda _: Attempt(Status.STORED), takes_s=60))
    assert (summary.arrivals, summary.withheld, summary.most_in_flight, summary.unfinished) == (40, 37, 3, 3)
    history = read_history([config.ledger])
    assert len(history) == 3
    assert not history.acknowledged.any()


def test_a_stop_lets_what_is_under_way_end(tmp_path: Path) -> None:
    config = _config(tmp_path, duration_s=0)
    summary = _run(config, Scripted(lambda _: Attempt(Status.STORED), takes_s=0.2), stop_after_s=0.1)
    assert summary.stopped == "test"
    assert summary.unfinished == 0
    assert summary.acknowledged == summary.arrivals > 5


def test_a_client_that_never_gets_in_can_be_stopped(tmp_path: Path) -> None:
    summary = _run(_config(tmp_path), Scripted(lambda _: Attempt(Status.STORED), opens=False), stop_after_s=0.05)
    assert (summary.arrivals, summary.stopped) == (0, "test")


def test_a_ledger_that_cannot_be_written_stops_the_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Ledger, *_: object, **__: object) -> None:
        raise MachineError.at("c.ledger", "No space left on device", "free space")

    monkeypatch.setattr(Ledger, "outcome", full)
    sender = Scripted(lambda _: Attempt(Status.STORED))
    with pytest.raises(MachineError, match="No space left"):
        _run(_config(tmp_path, duration_s=5), sender)
    assert len(sender.sent) < 5
    assert sender.closed


def test_a_full_disk_at_the_first_intent_stops_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Ledger, *_: object, **__: object) -> int:
        raise MachineError.at("c.ledger", "No space left on device", "free space")

    monkeypatch.setattr(Ledger, "intend", full)
    sender = Scripted(lambda _: Attempt(Status.STORED))
    with pytest.raises(MachineError, match="No space left"):
        _run(_config(tmp_path, duration_s=5), sender)
    assert not sender.sent


@pytest.mark.parametrize(
    "target",
    [
        HttpTarget("api.example", 8080, resolver=("127.0.53.2", 5300), ignoring_ttl=0.3),
        HttpTarget("api.example", 8080, addresses=("127.1.0.81",)),
        HttpTarget("api.example", 8080, resolver=("127.0.0.1", 5), ends={"127.201.0.81": ("127.0.0.1", 11081)}),
        NatsTarget(("nats://127.1.0.10:4222", "nats://127.2.0.10:4222")),
    ],
)
def test_a_configuration_survives_its_file(target: HttpTarget | NatsTarget, tmp_path: Path) -> None:
    config = evolve(_config(tmp_path), target=target)
    assert load_config(config.save()) == config


def test_an_address_is_dialled_where_its_region_has_it_and_evidence_names_the_address() -> None:
    """As in a lab on 127.0.0.1 alone."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"}")
        writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{"sequence":7}')
        await writer.drain()
        writer.close()

    async def run() -> Attempt:
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            end = ("127.0.0.1", int(server.sockets[0].getsockname()[1]))
            target = HttpTarget("api.example", 1, addresses=("127.201.0.81",), users=1, ends={"127.201.0.81": end})
            sender = HttpSender(target, 0, 2.0)
            sent = await sender.send(Write("r1.2.0.0", "events.load", "k", "data"), 0)
            await sender.close()
            return sent

    assert asyncio.run(run()) == Attempt(Status.STORED, 7, "127.201.0.81")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"kind": "http", "target": {}, "streams": []}'])
def test_a_file_that_is_no_configuration_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(InputError, match="not a client's configuration"):
        load_config(tmp_path / "c.json")
    with pytest.raises(InputError, match="cannot be read"):
        load_config(tmp_path / "none.json")


def test_a_summary_survives_its_file(tmp_path: Path) -> None:
    summary = _run(_config(tmp_path), Scripted(lambda _: Attempt(Status.STORED)))
    summary.save(tmp_path / "s.json")
    assert read_summary(tmp_path / "s.json") == summary


def test_a_load_is_shared_out_whole(tmp_path: Path) -> None:
    parts = share_out(_config(tmp_path, max_in_flight=900), 3)
    assert [part.client for part in parts] == [2, 3, 4]
    assert sum(part.rate_per_s for part in parts) == pytest.approx(200)
    assert sum(part.max_in_flight for part in parts) == 900
    assert len({part.ledger for part in parts}) == 3


# --- names


@define
class Zone:
    addresses: tuple[str, ...] = ("127.1.0.81",)
    ttl_s: float = 5.0
    asked: int = 0
    now_s: float = 100.0

    async def look_up(self) -> Resolved | None:
        self.asked += 1
        await asyncio.sleep(0)
        return Resolved(self.addresses, self.ttl_s) if self.addresses else None


def _names(zone: Zone, *, ignoring_ttl: bool = False) -> ServiceName:
    return ServiceName(zone.look_up, ignoring_ttl=ignoring_ttl, clock=lambda: zone.now_s)


def test_an_answer_is_kept_for_its_ttl_and_not_longer() -> None:
    async def run() -> None:
        zone = Zone()
        name = _names(zone)
        assert await asyncio.gather(*(name.addresses() for _ in range(5))) == [("127.1.0.81",)] * 5
        assert zone.asked == 1
        zone.addresses = ("127.2.0.81",)
        zone.now_s += 4.99
        assert await name.addresses() == ("127.1.0.81",)
        zone.now_s += 0.01
        assert await name.addresses() == ("127.2.0.81",)
        assert zone.asked == 2

    asyncio.run(run())


def test_who_ignores_ttls_stays_with_the_first_answer() -> None:
    async def run() -> None:
        zone = Zone(addresses=())
        name = _names(zone, ignoring_ttl=True)
        assert await name.addresses() == ()
        zone.addresses = ("127.1.0.81",)
        assert await name.addresses() == ("127.1.0.81",)
        zone.addresses = ("127.2.0.81",)
        zone.now_s += 1e6
        assert await name.addresses() == ("127.1.0.81",)

    asyncio.run(run())


@given(share=st.floats(0, 1), processes=st.integers(1, 5), users=st.integers(1, 30))
def test_the_share_that_ignores_ttls_holds_over_all_processes(share: float, processes: int, users: int) -> None:
    from secondsite.drill.load.http_sender import ignores_ttl

    total = processes * users
    ignoring = sum(ignores_ttl(share, client * users + user) for client in range(processes) for user in range(users))
    assert abs(ignoring - total * share) < 1 + 1e-6
