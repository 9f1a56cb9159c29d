"""The keeper of a gate, a look at a time: what it asks, what it writes for the server, and when its timer runs."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from attrs import define, field

from secondsite.model.errors import InputError, MachineError
from secondsite.nats.jetstream import JetStream
from secondsite.nats.servers import Servers
from secondsite.nats.streams import StreamApi
from secondsite.operate.gate import Gate, GateLease, GateView, gate_of, is_open_file, may_write, write_gate_file
from secondsite.operate.gate_config import GateConfig, GuardedStream
from secondsite.operate.writer_lease import WriterLease, WriterRecord
from secondsite.strategies.rights import WRITERS_STREAM
from secondsite.strategies.write_gate import OPEN, SHUT, LeaseTerms, shut

OWN, FAR = "$JS.API", "$JS.west.API"
STREAM = GuardedStream("A", ("a.>", "b"), ((FAR, "A"),))
WRITES, MIRRORS = {"subjects": ["a.>", "b"]}, {"mirror": {"name": "A"}}
FENCED, FENCED_AWAY = (
    {"subjects": ["secondsite.fenced.A"]},
    {"subjects": ["secondsite.fenced.A", "secondsite.fenced.B"]},
)
PROMOTED = {"subjects": ["a.>", "b"]}


@define
class Wire:
    """A connection: the configurations of streams by the API that is asked for them; None does not answer."""

    streams: dict[tuple[str, str], dict[str, Any] | None]
    server: dict[str, Any] = field(factory=lambda: {"server_id": "NOWN", "version": "2.15.1"})
    shown: str = "nats://home"
    record: WriterRecord | None = None
    code: int = 0
    renewed: int = 0

    @property
    def client(self) -> Any:
        return self

    async def request(self, subject: str, payload: bytes, timeout: float = 0, headers: Any = None) -> Any:  # noqa: ASYNC109 # as the client has it
        del payload, timeout
        if headers is not None:
            self.renewed += 1
            error = {"error": {"err_code": self.code, "description": "refused"}} if self.code else {}
            return SimpleNamespace(data=json.dumps({"stream": WRITERS_STREAM, "seq": self.renewed, **error}).encode())
        prefix, _, rest = subject.rpartition(".STREAM.")
        kind, _, name = rest.rpartition(".")
        if kind == "MSG.GET":
            return json.dumps({"error": {"code": 404, "err_code": 10037, "description": "no message"}}).encode()
        found = {"subjects": []} if name == WRITERS_STREAM else self.streams.get((prefix, name), {})
        if found is None:
            await asyncio.Event().wait()
        if not found:
            return json.dumps({"error": {"code": 404, "err_code": 10059, "description": "not found"}}).encode()
        state = {"messages": 0, "first_seq": 0, "last_seq": 0}
        return json.dumps({"config": {"name": name, **found}, "state": state, "created": "x"}).encode()


@define
class Reading:
    """The system account: who runs, and who was told to read its configuration again."""

    ids: tuple[str, ...] = ("N1", "N2")
    reloaded: list[str] = field(factory=list)

    async def running(self) -> tuple[str, ...]:
        return self.ids

    async def reload(self, server: str) -> None:
        self.reloaded.append(server)


@define
class Timer:
    ends: list[float] = field(factory=list)
    stood_down: int = 0

    def end_at(self, until: float) -> None:
        self.ends.append(until)

    def stand_down(self) -> None:
        self.stood_down += 1


@define
class Keeping:
    """A gate, and a round of it."""

    wire: Wire
    folder: Path
    held: GateLease | None = None
    servers: Reading = field(factory=Reading)
    reports: list[str] = field(factory=list)
    gate: Gate = field(init=False)

    def __attrs_post_init__(self) -> None:
        place = cast(Any, None)
        self.gate = Gate("east", place, place, (STREAM,), STREAM.subjects, self.folder, self.reports.append, self.held)

    def round(self, *, own: Any = WRITES, copy: Any = MIRRORS) -> bool:
        self.wire.streams = {(OWN, "A"): own, (FAR, "A"): copy}
        streams = StreamApi(JetStream(cast(Any, self.wire)))
        asyncio.run(self.gate._round(streams, cast(Servers, self.servers)))
        return is_open_file(self.gate.file)


@pytest.fixture
def keeping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Keeping:
    monkeypatch.setattr("secondsite.operate.gate._ANSWER_S", 0.02)
    found = Keeping(Wire({}), tmp_path)
    write_gate_file(found.gate.file, ("a.>", "b"), is_open=False)
    return found


def test_two_equal_looks_open_it_and_every_server_reads_it_once(keeping: Keeping) -> None:
    assert not keeping.round()
    assert keeping.servers.reloaded == ["N1", "N2"]
    assert keeping.round()
    assert keeping.gate.file.read_text() == OPEN
    assert keeping.reports == ["east takes writes"]
    assert keeping.servers.reloaded == ["N1", "N2", "N1", "N2"]
    keeping.servers.ids = ("N1", "N2", "N3")
    assert keeping.round()
    assert keeping.servers.reloaded[4:] == ["N3"], "one that came later"
    assert len(keeping.reports) == 1


@pytest.mark.parametrize("copy", [PROMOTED, {"subjects": ["secondsite.fenced.A", "a.>"]}])
def test_a_copy_that_takes_over_shuts_it_at_the_first_look(keeping: Keeping, copy: dict[str, Any]) -> None:
    keeping.round()
    keeping.round()
    assert not keeping.round(copy=copy)
    assert '"a.>", "b"' in keeping.gate.file.read_text()
    assert keeping.reports[-1] == "east accepts no writes: somebody else does"
    assert keeping.servers.reloaded[-2:] == ["N1", "N2"]
    assert not keeping.round(), "one look is not enough to open it again"
    assert keeping.round()


OLD = 'permissions { publish { deny: ["a.>", "b"] } }\n'
"""As a release before wrote it; today's servers take it for no permission at all."""


@pytest.mark.parametrize("text", [OLD, "deny: []\n", "allow: [a]\n", 'deny: ["a.>"', "\xff"])
def test_a_file_of_another_format_is_shut_and_written_anew(keeping: Keeping, text: str) -> None:
    keeping.gate.file.write_text(text, encoding="latin-1")
    assert not is_open_file(keeping.gate.file)
    assert not keeping.round(copy=None), "what is not known leaves a gate as it is: this one is shut"
    assert '"a.>", "b"' in keeping.gate.file.read_text()
    (told,) = keeping.reports
    assert str(keeping.gate.file) in told
    assert "roll out the servers' configuration and their gates together" in told
    keeping.round()
    assert keeping.round()


def test_a_gate_of_fewer_streams_is_written_anew(keeping: Keeping) -> None:
    keeping.gate.file.write_text(shut(("a.>",)))
    assert not keeping.round(copy=None)
    assert keeping.gate.file.read_text() == shut(("a.>", "b"))


@pytest.mark.parametrize("copy", [MIRRORS, FENCED, FENCED_AWAY])
def test_a_mirror_and_a_fenced_copy_displace_nobody(keeping: Keeping, copy: dict[str, Any]) -> None:
    keeping.round(copy=copy)
    assert keeping.round(copy=copy)


@pytest.mark.parametrize("own", [FENCED, MIRRORS, {"subjects": ["c"]}])
def test_whoever_takes_no_writes_itself_is_displaced_by_nobody(keeping: Keeping, own: dict[str, Any]) -> None:
    keeping.round(own=own, copy=PROMOTED)
    assert keeping.round(own=own, copy=PROMOTED)


@pytest.mark.parametrize(("own", "copy"), [(WRITES, None), (None, MIRRORS), (WRITES, {}), ({}, MIRRORS)])
def test_what_is_not_known_opens_nothing_and_shuts_nothing(keeping: Keeping, own: Any, copy: Any) -> None:
    """No answer, and a stream that is said not to be there."""
    for _ in range(3):
        assert not keeping.round(own=own, copy=copy)
    keeping.round()
    assert not keeping.round(own=own, copy=copy), "between the two looks"
    keeping.round()
    assert keeping.round()
    assert keeping.round(own=own, copy=copy), "cut off, it goes on"


def test_of_several_streams_one_that_is_displaced_shuts_it_and_one_unknown_opens_nothing() -> None:
    free, unknown, displaced = GateView(True, False), GateView(True, None), GateView(True, True)
    assert may_write(()) is True
    assert may_write((free, GateView(False, True))) is True
    assert may_write((free, unknown)) is None
    assert may_write((free, GateView(None, True))) is None
    assert may_write((unknown, displaced, free)) is False


@pytest.fixture
def leased(keeping: Keeping) -> tuple[Keeping, Timer, list[float]]:
    clock, timer = [100.0], Timer()
    lease = WriterLease("east", "n0", LeaseTerms(10.0), {"name": WRITERS_STREAM}, lambda: clock[0])
    held = GateLease(lease, FAR, cast(Any, timer))
    found = Keeping(keeping.wire, keeping.folder, held)
    return found, timer, clock


def test_under_a_lease_it_is_open_while_it_is_held(leased: tuple[Keeping, Timer, list[float]]) -> None:
    """Its own server alone reads it, and the timer runs before it is opened."""
    keeping, timer, clock = leased
    assert keeping.round()
    assert (timer.ends, timer.stood_down) == ([110.0], 0)
    assert set(keeping.servers.reloaded) == {"NOWN"}
    clock[0] = 103.0
    assert keeping.round(copy=None), "cut off from the copy, with a lease in hand"
    assert timer.ends[-1] == keeping.gate.held.lease.until  # type: ignore[union-attr] # it has one
    keeping.wire.code = 10071
    clock[0] += 7.0
    assert not keeping.round()
    assert keeping.reports[-1] == "east accepts no writes: it holds no lease"
    assert timer.stood_down == 1


def test_a_lease_alone_decides_whatever_a_copy_looks_like(leased: tuple[Keeping, Timer, list[float]]) -> None:
    """A controller that gives a fenced copy its subjects back would leave nobody who writes."""
    keeping, _, _ = leased
    for copy in (PROMOTED, None, MIRRORS):
        assert keeping.round(copy=copy)


def test_a_lease_is_kept_by_whoever_starts_the_server(tmp_path: Path) -> None:
    lease = SimpleNamespace(seconds=10.0, prefix=FAR, config={}, at_first=True)
    config = cast(GateConfig, SimpleNamespace(region="east", streams=(STREAM,), subjects=("a.>", "b"), lease=lease))
    place = cast(Any, None)
    with pytest.raises(InputError, match="give --server COMMAND"):
        gate_of(config, place, place, tmp_path, print)
    held = gate_of(config, place, place, tmp_path, print, keeper="n0").held
    assert held
    assert (held.prefix, held.lease.by, held.lease.terms) == (FAR, "n0", LeaseTerms(10.0))
    without = cast(GateConfig, SimpleNamespace(region="east", streams=(STREAM,), subjects=("a.>", "b"), lease=None))
    assert gate_of(without, place, place, tmp_path, print).held is None


@pytest.mark.parametrize(
    ("text", "is_open"), [(None, False), ("", True), ("# a person opened it\n", True), (f"{SHUT}: []\n", False)]
)
def test_a_file_is_open_where_it_denies_nothing(tmp_path: Path, text: str | None, *, is_open: bool) -> None:
    file = tmp_path / "gate.conf"
    if text is not None:
        file.write_text(text)
    assert is_open_file(file) is is_open


class _Away:
    """A server that answers nobody, and a test that has seen enough after some tries."""

    def __init__(self, tries: int) -> None:
        self.left = tries

    def open(self) -> Any:
        self.left -= 1
        if self.left < 0:
            raise asyncio.CancelledError
        raise MachineError.at("east", "no connection", "start it")


def test_servers_that_do_not_answer_are_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And whoever reads its heartbeat sees that it looks."""
    monkeypatch.setattr("secondsite.operate.gate.LOOK_EVERY_S", 0.0)
    reports: list[str] = []
    place = cast(Any, _Away(3))
    gate = Gate("east", place, place, (STREAM,), STREAM.subjects, tmp_path, reports.append)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(gate.keep())
    assert len(reports) == 3
    assert all("no connection" in one for one in reports)
    assert gate.beat.exists()
