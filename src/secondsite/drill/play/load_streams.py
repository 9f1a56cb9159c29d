"""What a drill writes to: every stream and bucket, on subjects that each takes; and why one takes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from attrs import astuple, evolve

from secondsite.drill.ledger.history import History
from secondsite.drill.ledger.ledger import LedgerStream
from secondsite.drill.ledger.record import NEVER
from secondsite.drill.load.client_config import ClientConfig, HttpTarget, NatsTarget
from secondsite.drill.load.subjects import templates_of, transformed
from secondsite.drill.play.clients import share_out
from secondsite.drill.play.databases import store_clients, store_streams
from secondsite.drill.play.keys import key_clients
from secondsite.drill.play.lab_world import has_api
from secondsite.drill.play.points import point_clients
from secondsite.drill.play.setup import Setup
from secondsite.lab.addresses import GATEWAY_HTTP_PORT
from secondsite.lab.world import Lab
from secondsite.model.errors import InputError, MachineError, SecondsiteError
from secondsite.model.nats import Discard, Stream, StreamKind
from secondsite.nats.jetstream import JetStream
from secondsite.nats.place import NatsPlace
from secondsite.nats.streams import NoStreamListensError, StreamApi
from secondsite.operate.layout import families
from secondsite.strategies.stream_config import subjects_of

PROCESSES = 1
OBJECTS = 800
"""The number of the client that puts objects."""
_OBJECTS_PER_S = 10.0


def load_streams(setup: Setup) -> tuple[LedgerStream, ...]:
    """Every stream and bucket that a client writes to; what only sources others, or counts, takes no plain write."""
    held = [family.origin.stream for family in families(setup.deployment)]
    plain = [each for each in held if not each.settings.get("allow_msg_counter")]
    wanted = [load_of(each) for each in plain if not each.sources or each.subjects]
    if not wanted:
        what = "no stream or bucket of the system accepts a plain write, so a drill cannot write to it"
        raise InputError.at(
            setup.system.file, what, "declare its streams under `nats`, or read them with `init --nats URL`"
        )
    # The first is what a failover's probe is written to.
    return tuple(sorted(wanted, key=lambda each: (each.objects, each.retention != "limits", each.kv)))


def load_of(stream: Stream) -> LedgerStream:
    """What is written to it, and what it keeps of that by its own configuration."""
    if stream.kind is StreamKind.OBJECT:
        return LedgerStream(stream.name, f"$O.{stream.name.split('_', 1)[-1]}.C", kv=True, objects=True)
    templates, per_subject = templates_of(subjects_of(stream)), stream.max_messages_per_subject or 0
    bucket = stream.kind is StreamKind.KV
    transform = stream.settings.get("subject_transform") or {}
    stored = tuple(transformed(each, transform.get("src", ""), transform.get("dest", "")) for each in templates)
    discards = stream.discard is Discard.OLD
    return LedgerStream(
        stream.name,
        templates[0],
        kv=bucket or (discards and per_subject > 0),
        templates=templates,
        stored=stored if stored != templates else (),
        history=max(1, per_subject),
        retention=str(stream.retention),
        most_messages=(discards and stream.max_messages) or 0,
        most_bytes=(discards and stream.max_bytes) or 0,
        most_age_s=stream.max_age_s or 0.0,
    )


def clients_of(whole: ClientConfig, nats: NatsTarget) -> tuple[ClientConfig, ...]:
    """Objects are put by a client of their own, as an object is several messages and no service takes it whole."""
    objects = tuple(number for number in whole.written if whole.streams[number].objects)
    others = tuple(number for number in whole.written if not whole.streams[number].objects)
    rate = min(_OBJECTS_PER_S, whole.rate_per_s * len(objects) / len(whole.written))
    putting = evolve(whole, client=OBJECTS, target=nats, writes=objects, rate_per_s=rate)
    writing = evolve(whole, writes=others, rate_per_s=whole.rate_per_s - rate)
    return (*((writing,) if others and objects else ()), *((putting,) if objects else (whole,)))


def load_clients(setup: Setup, lab: Lab, run: str, folder: Path, ignoring_ttl: float = 0.0) -> tuple[ClientConfig, ...]:
    """``run`` stands in the id of every message, ``folder`` is where ledgers and summaries go."""
    streams = load_streams(setup)
    whole = ClientConfig(
        run=run,
        client=0,
        folder=str(folder),
        streams=(*streams, *store_streams(lab)),
        writes=tuple(range(len(streams))),
        target=load_target(setup, lab, ignoring_ttl),
        rate_per_s=setup.rate_per_s,
        payload_bytes=256,
        seed=setup.seed,
    )
    shares = clients_of(whole, nats_target(setup, lab))
    return (
        *(one for share in shares for one in share_out(share, PROCESSES)),
        *store_clients(whole, lab),
        *key_clients(whole, lab),
        *point_clients(whole, lab),
    )


def load_target(setup: Setup, lab: Lab, ignoring_ttl: float) -> HttpTarget | NatsTarget:
    """The system's API by its name; where it has none, its clients speak NATS, to the first region while it answers."""
    if has_api(setup.deployment):
        at = (lab.resolver.host, lab.resolver.port)
        ends = {lab.address(region): astuple(lab.gateway(region)) for region in lab.regions}
        return HttpTarget(lab.host, GATEWAY_HTTP_PORT, at, ignoring_ttl=ignoring_ttl, ends=ends)
    return nats_target(setup, lab)


def nats_target(setup: Setup, lab: Lab) -> NatsTarget:
    first = setup.deployment.primary.region.name
    regions = sorted(lab.regions, key=lambda region: region != first)
    return NatsTarget(tuple(url for region in regions for url in lab.nats_urls(region)))


async def why_unacknowledged(
    what: str, streams: Sequence[LedgerStream], history: History, place: NatsPlace, *, payload_bytes: int
) -> SecondsiteError:
    """A stream that takes nothing is the system's matter, and its server says why; else the machine is too slow.

    It is asked by a write as the load's are: by a smaller one no limit would be met.
    """
    acknowledged = set(history.stream[history.ack_ns != NEVER].tolist())
    silent = [stream for number, stream in enumerate(streams) if number not in acknowledged]
    if not silent:
        return MachineError.at("drill", what, "lower --rate, or stop other work on this machine")
    reasons = [f"{stream.name}: accepts no transaction" for stream in silent if stream.store]
    silent = [stream for stream in silent if not stream.store]
    try:
        async with place.open() as opened:
            for stream in silent:
                subject = stream.of_key(0)
                reasons.append(
                    f"{stream.name}: a write on {subject} is answered: {await _answer(opened, subject, payload_bytes)}"
                )
    except MachineError as error:
        reasons.append(error.problems[0].what)
    return InputError.at(
        "secondsite.yaml", f"{what}; {'; '.join(reasons)}", "fix what the server names, or raise its limits"
    )


async def _answer(opened: JetStream, subject: str, payload_bytes: int) -> str:
    try:
        answer = await StreamApi(opened).publish(subject, bytes(payload_bytes), {})
    except NoStreamListensError:
        return "no stream listens"
    except MachineError as error:
        return error.problems[0].what
    if answer.code:
        return f"{answer.why} ({answer.code})"
    return "the stream itself accepts it, so the service in front of it does not"
