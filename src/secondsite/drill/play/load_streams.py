"""What a drill writes to: every stream and bucket, on subjects that each takes; and why one takes nothing."""

from __future__ import annotations

from collections.abc import Sequence

from secondsite.drill.ledger.history import History
from secondsite.drill.ledger.ledger import LedgerStream
from secondsite.drill.ledger.record import NEVER
from secondsite.drill.load.client_config import HttpTarget, NatsTarget
from secondsite.drill.load.subjects import templates_of
from secondsite.drill.play.lab_world import has_api
from secondsite.drill.play.setup import Setup
from secondsite.lab.addresses import GATEWAY_HTTP_PORT
from secondsite.lab.world import Lab
from secondsite.model.errors import InputError, MachineError, SecondsiteError
from secondsite.model.nats import StreamKind
from secondsite.nats.jetstream import JetStream
from secondsite.nats.place import NatsPlace
from secondsite.nats.streams import WRONG_LAST_SEQUENCE, NoStreamListensError, StreamApi
from secondsite.operate.layout import families


def load_streams(setup: Setup) -> tuple[LedgerStream, ...]:
    """Every stream and bucket that a client writes to; what only sources others, or counts, takes no plain write."""
    streams = []
    for family in families(setup.deployment):
        stream = family.origin.stream
        if stream.kind is StreamKind.OBJECT or stream.settings.get("allow_msg_counter"):
            continue
        if not stream.sources or stream.subjects:
            templates = templates_of(family.subjects)
            streams.append(LedgerStream(family.name, templates[0], stream.kind is StreamKind.KV, templates))
    if not streams:
        what = "no stream or key-value bucket of the system takes a plain write, so a drill has nothing to write to"
        raise InputError.at("secondsite.yaml", what, "declare its streams under `nats`, or read them: init --nats URL")
    return tuple(streams)


def load_target(setup: Setup, lab: Lab, ignoring_ttl: float) -> HttpTarget | NatsTarget:
    """The system's API by its name; where it has none, its clients speak NATS, to the first region while it answers."""
    if has_api(setup.deployment):
        at = (lab.resolver.host, lab.resolver.port)
        return HttpTarget(lab.host, GATEWAY_HTTP_PORT, at, ignoring_ttl=ignoring_ttl)
    first = setup.deployment.primary.region.name
    regions = sorted(lab.regions, key=lambda region: region != first)
    return NatsTarget(tuple(url for region in regions for url in lab.nats_urls(region)))


async def why_unacknowledged(
    what: str, streams: Sequence[LedgerStream], history: History, place: NatsPlace
) -> SecondsiteError:
    """A stream that takes nothing is the system's matter, and its server says why; else the machine is too slow."""
    acknowledged = set(history.stream[history.ack_ns != NEVER].tolist())
    silent = [stream for number, stream in enumerate(streams) if number not in acknowledged]
    if not silent:
        return MachineError.at("drill", what, "lower --rate, or leave the machine to the drill")
    reasons = []
    try:
        async with place.open() as opened:
            for stream in silent:
                subject = stream.of_key(0)
                reasons.append(f"{stream.name}: a write on {subject} is answered: {await _answer(opened, subject)}")
    except MachineError as error:
        reasons.append(error.problems[0].what)
    return InputError.at(
        "secondsite.yaml", f"{what}; {'; '.join(reasons)}", "correct what the server names, or its limits"
    )


async def _answer(opened: JetStream, subject: str) -> str:
    try:
        answer = await StreamApi(opened).publish(subject, b"", {"Nats-Expected-Last-Sequence": "9223372036854775807"})
    except NoStreamListensError:
        return "no stream listens"
    except MachineError as error:
        return error.problems[0].what
    if answer.code in WRONG_LAST_SEQUENCE:
        return "the stream itself takes it, so what stands before it does not"
    return f"{answer.why} ({answer.code})" if answer.code else f"stored in {answer.stream}"
