"""A step in the hands of a person: the command that shows that it is done, and how long a person takes for it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence

from secondsite.model.procedure import Step, Verb
from secondsite.operate.action import ManualContext
from secondsite.operate.actions.fence import to_fence
from secondsite.operate.actions.manual import login
from secondsite.operate.actions.promote import wanted_subjects
from secondsite.operate.actions.resynchronise import to_follow
from secondsite.operate.actions.services import same_digests
from secondsite.operate.layout import Reach, StreamFamily, StreamPlacement, fenced_subject
from secondsite.operate.shell import kubectl, nats, read, until_it_has, word
from secondsite.strategies.stores import REDIS, following

NO_HOST = '"$HOST"'
READ_S, PASTE_S = 60, 20
BASIS = (
    f"{READ_S} s to read the step and find its place, {PASTE_S} s for each command, and what the step itself takes; to "
    "settle it: time people at a drill"
)
SHOWS_ITSELF = frozenset(
    {
        *(Verb.DETECT, Verb.DECIDE, Verb.CONVERGE, Verb.VERIFY_PATH, Verb.ANNOUNCE, Verb.WAIT),
        *(Verb.START_SERVICES, Verb.SCALE_SERVICES, Verb.RESTART, Verb.RESTORE_STORES),
        *(Verb.CREATE_CLUSTER, Verb.SALVAGE, Verb.RESTORE_ORIGINS),
    }
)
"""The commands of the step show by themselves whether it is done."""


def by_hand_s(step: Step, typed: Sequence[str]) -> float:
    """To the half minute, upwards."""
    seconds = READ_S + PASTE_S * len(typed) + step.duration.quantile(0.5)
    return 30.0 * -(-seconds // 30)


def checks(context: ManualContext, step: Step) -> tuple[str, ...]:
    """Commands that end with 0 once the step is done; none where its own commands show it."""
    shown = _CHECKS.get(step.verb)
    return tuple(shown(context, step, context.region_of(step))) if shown else ()


def _fenced(context: ManualContext, _step: Step, region: str) -> Iterable[str]:
    for _, placement in to_fence(context, region):
        yield _is(placement, f".config.subjects == {json.dumps([fenced_subject(placement)])}")


def _recorded(context: ManualContext, _step: Step, _region: str) -> Iterable[str]:
    yield f"jq -es {word(f'length >= {len(context.families)}')} sequences.jsonl"


def _take_writes(context: ManualContext, step: Step, region: str) -> Iterable[str]:
    for family, placement in _copies(context, step, region):
        subjects = json.dumps(list(wanted_subjects(step, family)))
        yield _is(placement, f".config.mirror == null and .config.subjects == {subjects}")


def _have_consumers(context: ManualContext, step: Step, region: str) -> Iterable[str]:
    for family, placement in _copies(context, step, region):
        for consumer in (one for one in family.origin.stream.consumers if one.durable):
            yield read(region, f"CONSUMER.INFO.{placement.name}.{consumer.name}", ".name")


def _follow(context: ManualContext, _step: Step, region: str) -> Iterable[str]:
    """Clients write meanwhile: a copy has to get as far as what it follows was when it was asked."""
    for _, copy, of in to_follow(context, region):
        yield until_it_has(copy, of)


def _are_copies(context: ManualContext, _step: Step, _region: str) -> Iterable[str]:
    for family in context.families:
        for copy in family.copies:
            yield until_it_has(copy, family.origin)


def _have_leaders(_context: ManualContext, _step: Step, region: str) -> Iterable[str]:
    yield f"{nats(region, system=True)} server report jetstream"


def _leads(context: ManualContext, _step: Step, _region: str) -> Iterable[str]:
    host = context.deployment.traffic.host
    yield f"dig +short {word(host) if host else NO_HOST}"


def _is(placement: StreamPlacement, program: str) -> str:
    return read(placement.region, f"STREAM.INFO.{placement.name}", program, flags="-e")


def _copies(context: ManualContext, step: Step, region: str) -> Iterable[tuple[StreamFamily, StreamPlacement]]:
    """A consumer is named with its stream."""
    names = {target.partition("/")[0] for target in step.targets}
    for family in context.families:
        placement = family.at(region)
        if placement is not None and family.reach is Reach.MIRRORED and (not names or family.name in names):
            yield family, placement


def _promoted(context: ManualContext, _step: Step, region: str) -> Iterable[str]:
    system = context.deployment.system
    pods = {service.name: service for service in system.services}
    for name in following(system):
        store = next(one for one in system.stores if one.name == name)
        service = pods.get(store.service)
        if service and store.engine == "postgres":
            pod = f"{kubectl(region, service.namespace)} exec {word(f'{service.object_name}-0')} --"
            yield f"[ \"$({pod} psql -U postgres -Atc 'select pg_is_in_recovery()')\" = f ]"
        elif store.engine in REDIS:
            state = f"secondsite redis status {login(region, store.engine)} --json"
            yield f"{state} | jq -e {word('(.replica or .fenced) | not')}"


def _receive(context: ManualContext, step: Step, region: str) -> Iterable[str]:
    """What has replayed everything may follow nobody all the same."""
    engines = {store.name: store.engine for store in context.deployment.system.stores}
    for store in step.targets:
        verb, receives = ("redis", ".linked") if engines[store] in REDIS else ("postgres", ".receiving")
        yield f"secondsite {verb} status {login(region, engines[store])} --json | jq -e {word(receives)}"


_CHECKS: Mapping[Verb, Callable[[ManualContext, Step, str], Iterable[str]]] = {
    Verb.FENCE: _fenced,
    Verb.RECORD_STATE: _recorded,
    Verb.PROMOTE_STREAMS: _take_writes,
    Verb.DELETE_ORIGIN: _take_writes,
    Verb.RESTORE_STREAMS: _take_writes,
    Verb.RESTORE_CONSUMERS: _have_consumers,
    Verb.RESYNCHRONISE: _follow,
    Verb.REMAKE_COPIES: _are_copies,
    Verb.ELECT: _have_leaders,
    Verb.RESTORE_QUORUM: _have_leaders,
    Verb.CHANGE_TRAFFIC: _leads,
    Verb.PROMOTE_STORES: _promoted,
    Verb.VERIFY_SECRETS: same_digests,
    Verb.FOLLOW_STORES: _receive,
}
