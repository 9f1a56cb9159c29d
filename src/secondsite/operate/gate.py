"""Keeps a region's write gate: open while nobody else took over, shut from the moment that somebody did.

Who may write is nowhere written down twice: a region still may as long as every copy elsewhere is a mirror, or fenced.
What cannot be asked leaves the gate as it is: a primary that is cut off from the other region goes on, one that was
started while it cannot ask takes no writes. It is opened on two equal looks only, so that a promotion between the
first look and the opening is seen; and looked at for ever, so that one that comes later is.

Under `writers: one` it is open only while this server holds a lease (`writer_lease.py`). What is to shut it may stand
still itself, so while it is open a timer in the kernel runs that ends this process, and the server with it; it is stood
down only once the server said that it read the shut gate.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from pathlib import Path

from attrs import define, evolve, field, frozen

from secondsite.discover.nats_conf import parse_conf
from secondsite.model.errors import InputError, MachineError
from secondsite.nats.place import NatsPlace
from secondsite.nats.servers import Servers
from secondsite.nats.streams import StreamApi, StreamState
from secondsite.operate.gate_config import GateConfig, GuardedStream
from secondsite.operate.kernel_timer import KernelTimer, now_s
from secondsite.operate.layout import FENCED
from secondsite.operate.writer_lease import WriterLease
from secondsite.strategies.write_gate import LOOK_EVERY_S, OPEN, SHUT, LeaseTerms, gate_file, shut

_ANSWER_S = 1.0


@frozen
class GateView:
    """``writable``: this stream takes writes of its family. ``displaced``: a copy does, or will. None: not known."""

    writable: bool | None = None
    displaced: bool | None = None


def may_write(views: tuple[GateView, ...]) -> bool | None:
    """Whether the region may take writes; None where that is not known."""
    if any(view.writable and view.displaced for view in views):
        return False
    if all(view.writable is False or (view.writable and view.displaced is False) for view in views):
        return True
    return None


def next_state(is_open: bool, before: bool | None, now: bool | None) -> bool:
    if now is None:
        return is_open
    return now and (is_open or before is True)


def displaces(copy: StreamState) -> bool:
    return not copy.is_mirror and not all(subject.startswith(f"{FENCED}.") for subject in copy.subjects)


@frozen
class GateLease:
    """``prefix`` is the JetStream API of the region that keeps the record; ``timer`` ends this process after it."""

    lease: WriterLease
    prefix: str
    timer: KernelTimer


@define
class Gate:
    """``place`` is the region's, as the operator; ``system`` its system account. ``folder`` holds nats.conf.

    With a lease (``held``) it keeps one server, the one at ``place``, which is a child of this process; one look is
    enough, and nobody looks at streams. ``denied``: what writers use.
    """

    region: str
    place: NatsPlace
    system: NatsPlace
    streams: tuple[GuardedStream, ...]
    denied: tuple[str, ...]
    folder: Path
    report: Callable[[str], None]
    held: GateLease | None = None
    _before: bool | None = None
    _took: set[str] = field(factory=set)

    async def keep(self) -> None:
        """Until cancelled. Servers that do not answer are asked again; ``beat`` tells that somebody looks."""
        while True:
            self._beat()
            try:
                async with self.place.open() as jetstream, self.system.open() as system:
                    while True:
                        self._beat()
                        await self._round(StreamApi(jetstream), Servers(system))
                        await asyncio.sleep(self._pause_s)
            except MachineError as error:
                self._before = None
                self.report(str(error.problems[0]))
            await asyncio.sleep(LOOK_EVERY_S)

    @property
    def _pause_s(self) -> float:
        return min(LOOK_EVERY_S, self.held.lease.terms.answer_s) if self.held else LOOK_EVERY_S

    @property
    def file(self) -> Path:
        return self.folder / gate_file(self.region)

    @property
    def beat(self) -> Path:
        """Touched with each look: one that is old is of a keeper that stands still, and a liveness probe sees it."""
        return self.file.with_suffix(".beat")

    def _beat(self) -> None:
        self.beat.parent.mkdir(parents=True, exist_ok=True)
        self.beat.touch()

    async def _round(self, streams: StreamApi, servers: Servers) -> None:
        now = await self._may(streams)
        state = self._state()
        is_open = state is GateState.OPEN
        wanted = next_state(is_open, True if self.held else self._before, now)
        self._before = now
        if wanted and self.held:
            self.held.timer.end_at(self.held.lease.until)
        if wanted != is_open or not (wanted or self._denies()):
            write_gate_file(self.file, self.denied, is_open=wanted)
            self._took.clear()
        if wanted != is_open:
            self.report(f"{self.region} {'takes writes' if wanted else 'accepts no writes: ' + self._why()}")
        for server in sorted(await self._kept(streams, servers) - self._took):
            await servers.reload(server)
            self._took.add(server)
        if not wanted and self.held:
            self.held.timer.stand_down()

    def _state(self) -> GateState:
        state = gate_state(self.file)
        if state is GateState.UNKNOWN:
            what = "its format is from another release, so it is treated as closed and rewritten"
            self.report(f"{self.file}: {what}; roll out the servers' configuration and their gates together")
        return state

    def _denies(self) -> bool:
        """All that this gate has to, and not what one of an earlier configuration had."""
        with suppress(OSError, UnicodeDecodeError):
            return self.file.read_text(encoding="utf-8") == shut(self.denied)
        return False

    async def _may(self, streams: StreamApi) -> bool | None:
        """By the lease alone, where there is one: what a stream looks like may be somebody's doing who never asked."""
        held = self.held
        if held is not None:
            await held.lease.renew(_through(streams, held.prefix))
            return held.lease.writes
        return may_write(tuple(await asyncio.gather(*(_look(streams, stream, _ANSWER_S) for stream in self.streams))))

    def _why(self) -> str:
        return "it holds no lease" if self.held else "somebody else does"

    async def _kept(self, streams: StreamApi, servers: Servers) -> set[str]:
        """The ids of the servers that have to read the file."""
        if self.held is not None:
            return {str(streams.jetstream.connection.server["server_id"])}
        return set(await servers.running())


def gate_of(
    config: GateConfig,
    place: NatsPlace,
    system: NatsPlace,
    folder: Path,
    report: Callable[[str], None],
    *,
    keeper: str = "",
) -> Gate:
    """``keeper`` is the server whose parent this process is; only with one can a lease be held."""
    held = None
    if config.lease is not None:
        if not keeper:
            what = "`writers: one` is enforced by the process that starts the server"
            raise InputError.at("gate", what, "give --server COMMAND, and run the gate in place of the server")
        terms = LeaseTerms(config.lease.seconds)
        lease = WriterLease(config.region, keeper, terms, config.lease.config, now_s, at_first=config.lease.at_first)
        held = GateLease(lease, config.lease.prefix, KernelTimer())
    return Gate(config.region, place, system, config.streams, config.subjects, folder, report, held)


class GateState(StrEnum):
    OPEN = "open"
    SHUT = "shut"
    UNKNOWN = "unknown"


def gate_state(file: Path) -> GateState:
    """As the server reads it: what denies nothing is open, so that a person can open it by an empty file.

    What says anything else than this release would, or cannot be read, is unknown: nobody is let in by it.
    """
    if not file.exists():
        return GateState.SHUT
    try:
        values = parse_conf(file.read_text(encoding="utf-8"), str(file)).values
    except (InputError, OSError, UnicodeDecodeError):
        return GateState.UNKNOWN
    if not values:
        return GateState.OPEN
    return GateState.SHUT if list(values) == [SHUT] and values[SHUT] else GateState.UNKNOWN


def is_open_file(file: Path) -> bool:
    return gate_state(file) is GateState.OPEN


def write_gate_file(file: Path, subjects: tuple[str, ...], *, is_open: bool) -> None:
    """A server that reads it meanwhile reads all of it; one that could not read it would stay as open as it is."""
    text = OPEN if is_open else shut(subjects)
    _check_gate(text, str(file), () if is_open else subjects)
    file.parent.mkdir(parents=True, exist_ok=True)
    written = file.with_suffix(".new")
    written.write_text(text, encoding="utf-8")
    written.replace(file)


def _check_gate(text: str, file: str, subjects: tuple[str, ...]) -> None:
    """Read back by NATS's grammar, it denies exactly these."""
    denied = parse_conf(text, file).values.get(SHUT)
    if tuple(denied if isinstance(denied, list | tuple) else ()) != subjects:
        what = "the gate would not deny all it must"
        raise InputError.at(file, what, f"check the subjects of the streams: {', '.join(subjects)}")


async def _look(streams: StreamApi, stream: GuardedStream, answer_s: float) -> GateView:
    """Both sides at once; what does not answer soon is not known."""
    answers = await asyncio.gather(
        _answer(streams, stream.name, answer_s),
        *(_answer(_through(streams, prefix), name, answer_s) for prefix, name in stream.copies),
    )
    own, copies = answers[0], answers[1:]
    writable = None if own is None else not own.is_mirror and bool(set(own.subjects) & set(stream.subjects))
    if any(copy is not None and displaces(copy) for copy in copies):
        return GateView(writable, displaced=True)
    return GateView(writable, None if None in copies else False)


def _through(streams: StreamApi, prefix: str) -> StreamApi:
    return StreamApi(evolve(streams.jetstream, prefix=prefix))


async def _answer(streams: StreamApi, name: str, answer_s: float) -> StreamState | None:
    """A stream that is said not to be there may be one that the servers have not read yet."""
    try:
        async with asyncio.timeout(answer_s):
            return await streams.stream(name)
    except (MachineError, TimeoutError):
        return None
