"""Whether a failover could be carried out now: each place is opened and asked who it is and what we may do there.

Three answers: yes, no, and unknown for who is silent, who does not count as either. Nothing is changed.
"""

from __future__ import annotations

import asyncio
import http
from collections.abc import Awaitable, Callable, Iterator, Mapping
from enum import StrEnum
from functools import partial

import httpx2
from attrs import frozen

from secondsite.dns.record import RecordRefusedError
from secondsite.kube.cluster import ClusterPlace, ClusterRefusedError
from secondsite.model.access import RecordAccess
from secondsite.model.deployment import Deployment
from secondsite.model.errors import InputError, MachineError, SecondsiteError
from secondsite.model.operate import Operate, WritePath
from secondsite.model.procedure import Procedure, Verb
from secondsite.model.watching import WatchPolicy
from secondsite.nats.connection import RejectedError
from secondsite.operate.actions.stores import state_of, strange
from secondsite.operate.http_path import client_path, path_resolvers
from secondsite.operate.lease import home_of_journal
from secondsite.operate.live import LiveWorld
from secondsite.operate.places import cluster_places
from secondsite.operate.references import followed, path_of
from secondsite.operate.store_logins import StoreLogins
from secondsite.operate.verbs import left_by_hand
from secondsite.operate.world import Dns, Replicas
from secondsite.secrets.door import SecretPlaces
from secondsite.secrets.entry import SecretsRefusedError
from secondsite.secrets.fingerprints import differing
from secondsite.stores.postgres_place import PostgresPlace, StoreRefusedError
from secondsite.stores.redis import RedisServer, refuse_default
from secondsite.stores.redis_place import RedisPlace
from secondsite.stores.server import StoreState
from secondsite.strategies.stores import StoreReplica, store_replicas


class Answer(StrEnum):
    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@frozen
class PlaceFinding:
    """``what`` was asked, and what was seen; ``remedy`` is empty where the answer is yes."""

    about: str
    answer: Answer
    what: str
    remedy: str = ""


@frozen
class StepLeft:
    """A step that a person has to do, as no configured access to what it changes."""

    procedure: str
    step: str
    title: str
    why: str


@frozen
class Preparation:
    environment: str
    strategy: str
    findings: tuple[PlaceFinding, ...]
    by_hand: tuple[StepLeft, ...]

    @property
    def answer(self) -> Answer:
        answers = {finding.answer for finding in self.findings}
        return next((each for each in (Answer.NO, Answer.UNKNOWN) if each in answers), Answer.YES)


async def prepared(
    deployment: Deployment, world: LiveWorld, procedures: tuple[Procedure, ...], strategy: str
) -> Preparation:
    """Ask everything at once; changes nothing."""
    operate = deployment.system.operate or Operate()
    clusters = cluster_places(operate)
    stores = world.stores.places if isinstance(world.stores, StoreLogins) else {}
    secrets = world.secrets if isinstance(world.secrets, SecretPlaces) else None
    asked = [
        *(_nats(world, region) for region in _regions(deployment)),
        *(_system(world, region) for region in world.system),
        *(_cluster(place, region) for region, place in clusters.items()),
        *(_services(world, region) for region in clusters),
        *(_entrance(world.dns, region) for region in operate.entered if world.dns),
        *([_record(world.dns, deployment.traffic.host)] if world.dns else []),
        *([_secrets(secrets, region) for region in secrets.regions] if secrets else []),
        *(_store(name, place) for name, place in stores.items()),
        *(store_pair(world.stores, one) for one in store_replicas(deployment) if isinstance(world.stores, StoreLogins)),
        *([_path(operate.path, operate.dns)] if operate.path else []),
        _journal(deployment, world),
    ]
    answers = [one for one in await asyncio.gather(*asked) if one is not None]
    away = (deployment.standby or deployment.sites[-1]).region.name
    by_hand = tuple(
        StepLeft(procedure.name, step.id, step.title, why)
        for procedure in procedures
        for step, why in left_by_hand(world, procedure, away)
    )
    if operate.watch is None:
        declared = [step for step in procedures[0].steps if step.verb in (Verb.DETECT, Verb.DECIDE)]
        undetected = [StepLeft(procedures[0].name, step.id, step.title, "no `operate: watch:`") for step in declared]
        by_hand = (*undetected, *by_hand)
    rest = (*_several(deployment), *_watch(operate.watch))
    return Preparation(str(operate.environment), strategy, (*answers, *rest), by_hand)


async def finding(about: str, ask: Callable[[], Awaitable[str]], remedy: str = "") -> PlaceFinding:
    """What an asking ended in: silence is unknown, a refusal of us or another place is no."""
    try:
        return PlaceFinding(about, Answer.YES, await ask())
    except _REFUSALS as error:
        problem = error.problems[0]
        return PlaceFinding(about, Answer.NO, problem.what, problem.remedy)
    except SecondsiteError as error:
        problem = error.problems[0]
        answer = Answer.NO if error.exit_code == _BAD_INPUT else Answer.UNKNOWN
        return PlaceFinding(about, answer, problem.what, remedy or problem.remedy)
    except TimeoutError:
        return PlaceFinding(
            about, Answer.UNKNOWN, "no answer in time", remedy or "check that it is running and reachable"
        )


_BAD_INPUT = 2
_REFUSALS = (RejectedError, StoreRefusedError, ClusterRefusedError, RecordRefusedError, SecretsRefusedError)


def _regions(deployment: Deployment) -> Iterator[str]:
    """Those that a procedure reaches: where data or a standby is."""
    home = deployment.primary.region.name
    yield from dict.fromkeys(cluster.region or home for cluster in deployment.clusters)


def _several(deployment: Deployment) -> Iterator[PlaceFinding]:
    """A place has one address, and so one cluster."""
    home = deployment.primary.region.name
    for region in _regions(deployment):
        names = [one.name for one in deployment.clusters if (one.region or home) == region and one.streams]
        if len(names) > 1:
            what = f"{' and '.join(names)} hold streams, and one address is known"
            remedy = "write a system file for each cluster, and move them one after the other"
            yield PlaceFinding(f"{region}: streams", Answer.NO, what, remedy)


async def _nats(world: LiveWorld, region: str) -> PlaceFinding:
    async def ask() -> str:
        async with world.streams(region) as door:
            return f"logged in, nats-server {door.version}"

    return await finding(f"{region}: nats", ask)


async def _system(world: LiveWorld, region: str) -> PlaceFinding:
    async def ask() -> str:
        async with world.meta(region) as door:
            return f"logged in to the system account, {len(await door.servers())} servers answer"

    return await finding(f"{region}: system account", ask)


async def _cluster(place: ClusterPlace, region: str) -> PlaceFinding:
    async def ask() -> str:
        async with place.open() as cluster:
            uid = await cluster.identity()
            return f"logged in to cluster {uid}" if place.uid else f"logged in to cluster {uid}; write it as `cluster`"

    return await finding(f"{region}: kube", ask)


async def _services(world: LiveWorld, region: str) -> PlaceFinding:
    """What scaling would take there, asked without scaling."""
    about = f"{region}: services"
    services = world.services
    if services is None or not services.reaches(region):
        return PlaceFinding(about, Answer.UNKNOWN, "no cluster is named", "write `kube` under its place")
    now: dict[str, Replicas] = {}

    async def ask() -> str:
        now.update(await services.replicas(region))
        return ", ".join(f"{name} {one.ready} of {one.wanted}" for name, one in now.items() if one.there) or "none"

    asked = await finding(about, ask)
    if lacking := list(dict.fromkeys(right for one in now.values() for right in one.lacking)):
        remedy = f"bind the role of {region}/rights/secondsite-failover.yaml, as `secondsite render` writes it"
        return PlaceFinding(about, Answer.NO, f"this login may not {', '.join(lacking)}", remedy)
    if missing := [name for name, one in now.items() if not one.there]:
        return PlaceFinding(
            about, Answer.NO, f"{', '.join(missing)} is not deployed there", "deploy the rendered files"
        )
    if unheld := list(dict.fromkeys(owner for one in now.values() for owner in one.unheld)):
        what = f"{', '.join(unheld)} restores replicas and cannot be reached"
        return PlaceFinding(about, Answer.NO, what, "a failover will stop there; pause it by hand then")
    return asked


async def _entrance(dns: Dns, region: str) -> PlaceFinding:
    async def ask() -> str:
        return f"clients enter at {', '.join(await dns.addresses(region))}"

    return await finding(f"{region}: address", ask)


async def _record(dns: Dns, host: str) -> PlaceFinding:
    """Who answers for it, whether this login may change it, and whether somebody else does."""
    owner = ""

    async def ask() -> str:
        nonlocal owner
        answers = {**await dns.authoritative(), **await dns.resolved()}
        shown = "; ".join(f"{server}: {', '.join(values) or 'nothing'}" for server, values in answers.items())
        owner = await dns.owner()
        if why := await dns.may():
            raise RecordRefusedError.at("", why, "give its login the rights of docs/rights.md")
        return f"this login may change {host}; {shown}"

    asked = await finding("dns", ask)
    if asked.answer is Answer.YES and owner:
        what = f"{owner} keeps {host} and would revert it"
        return PlaceFinding("dns", Answer.NO, what, "make it follow the serving region, or exclude this record")
    return asked


async def _store(name: str, place: PostgresPlace | RedisPlace) -> PlaceFinding:
    region, _, store = name.partition("/")

    async def ask() -> str:
        if isinstance(place, RedisPlace):
            state = await RedisServer(place).look()
            refuse_default(place)
            return f"logged in, it {'follows another' if state.replica else 'takes writes'}"
        async with place.open() as session:
            superuser, follows = (
                await session.rows("select usesuper, pg_is_in_recovery() from pg_user where usename = current_user")
            )[0]
            if not superuser:
                raise StoreRefusedError.at("", "this login is not a superuser", "docs/stores.md lists what it needs")
            return f"logged in, it {'follows another' if follows else 'takes writes'}"

    return await finding(f"{region}: {store}", ask)


async def store_pair(logins: StoreLogins, one: StoreReplica) -> PlaceFinding | None:
    """Whether the two logins lead to a server and its copy; None where a server could not be asked, which is told."""
    name = one.store.name
    try:
        home = await state_of(logins.server(one.primary, name))
        away = await state_of(logins.server(one.standby, name))
    except MachineError:
        return None
    if home is None or away is None:
        return None
    about = f"{name}: {one.primary} and {one.standby}"
    if guards := strange(name, one.standby, away, home):
        return PlaceFinding(about, Answer.NO, guards[0].what, guards[0].remedy)
    if away.follows(home):
        return PlaceFinding(about, Answer.YES, f"{one.standby} follows {one.primary}")
    if home.follows(away):
        return PlaceFinding(about, Answer.YES, f"{one.primary} follows {one.standby}")
    return PlaceFinding(about, Answer.NO, *_apart(one, home, away))


def _apart(one: StoreReplica, home: StoreState, away: StoreState) -> tuple[str, str]:
    """Why neither follows the other, and what to do."""
    if home.standby and away.standby:
        return "neither accepts writes", "find out which of them was the primary, and who promoted another server"
    fenced = [region for region, state in ((one.primary, home), (one.standby, away)) if state.fenced]
    if fenced:
        return f"{fenced[0]} is fenced and follows nobody", "fail back, or make it follow (docs/stores.md)"
    if not (home.standby or away.standby):
        return "both accept writes and neither follows the other", "check the logins, then who serves; fence the other"
    behind, ahead = (one.standby, one.primary) if away.standby else (one.primary, one.standby)
    return f"{behind} receives nothing from {ahead}", "find out why it does not follow: its log, its login, its slot"


async def _path(path: WritePath, record: RecordAccess | None) -> PlaceFinding:
    """Read only: the write itself is the failover's last step."""
    about = f"path: {path.url}"
    try:
        status = await client_path(path, path_resolvers(record)).looked_at()
    except InputError as error:
        return PlaceFinding(about, Answer.NO, error.problems[0].what, error.problems[0].remedy)
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, TimeoutError, MachineError) as error:
        return PlaceFinding(
            about, Answer.UNKNOWN, f"no answer ({type(error).__name__})", "check that clients can reach it"
        )
    if status in (http.HTTPStatus.UNAUTHORIZED, http.HTTPStatus.FORBIDDEN):
        return PlaceFinding(about, Answer.NO, f"rejects this request ({status})", "correct `operate: path: headers:`")
    return PlaceFinding(about, Answer.YES, f"answers {status} to a GET; only a failover sends {path.method}")


async def _journal(deployment: Deployment, world: LiveWorld) -> PlaceFinding:
    region = home_of_journal(deployment)

    async def ask() -> str:
        async with world.streams(region) as door:
            await door.stream("secondsite-operations")
            return f"lease and journal can be stored in {region}"

    return await finding("journal", ask, "until it answers, the journal is written on this machine only")


async def _secrets(places: SecretPlaces, region: str) -> PlaceFinding:
    about = f"{region}: secrets"
    different: list[str] = []

    async def ask() -> str:
        key = places.run_key().secret
        expected, there = await places.reference(key), await places.fingerprints(region, key)
        different.extend(differing(expected, there))
        return f"{len(expected)} are the same as in {places.source.shown}"

    asked = await finding(about, ask)
    if asked.answer is Answer.YES and different:
        what = f"{', '.join(different)} differ from {places.source.shown}"
        return PlaceFinding(about, Answer.NO, what, f"secondsite secrets refresh {region}, or synchronise them by hand")
    return asked


def _watch(watch: WatchPolicy | None) -> Iterator[PlaceFinding]:
    """What it would do, and whether it can reach whom it has to ask and tell."""
    if watch is None:
        return
    observers = [
        f"{each.name} ({each.region or 'outside'}{', ' + each.at if each.at else ''})" for each in watch.observers
    ]
    quorum = watch.quorum or len(observers) // 2 + 1
    decide, ask = ", ".join(watch.decide) or "nothing", ", ".join(f for f in watch.ask if f not in watch.decide)
    what = f"decides {decide} after {watch.window_s:g} s by {quorum} of {len(observers)}: {', '.join(observers)}"
    again = f"asks for approval of {ask or 'nothing'}; a second failover within {watch.block_s:g} s needs approval"
    enough = len(observers) >= _FEWEST_OBSERVERS
    remedy = "" if enough else "configure at least three observers, one of them outside both regions"
    yield PlaceFinding("watch", Answer.YES if enough else Answer.NO, f"{what}; {again}", remedy)
    if watch.approvers:
        yield _followed("watch: approvers", lambda: str(path_of(watch.approvers, "operate.watch.approvers").stat()))
    for place, target in enumerate(watch.notify):
        where = f"operate.watch.notify.{place}"
        yield _followed(f"watch: notify {target}", partial(followed, target, where))


_FEWEST_OBSERVERS = 3


def _followed(about: str, follow: Callable[[], str]) -> PlaceFinding:
    """The value is not shown."""
    try:
        follow()
    except SecondsiteError as error:
        return PlaceFinding(about, Answer.NO, error.problems[0].what, error.problems[0].remedy)
    except OSError as error:
        return PlaceFinding(about, Answer.NO, f"cannot be read: {error.strerror}", "give a readable file")
    return PlaceFinding(about, Answer.YES, "is set")


def plain(preparation: Preparation) -> Mapping[str, object]:
    return {
        "schema": "secondsite/preparation/1",
        "environment": preparation.environment,
        "strategy": preparation.strategy,
        "answer": str(preparation.answer),
        "findings": [
            {"about": one.about, "answer": str(one.answer), "what": one.what, "remedy": one.remedy}
            for one in preparation.findings
        ],
        "by_hand": [
            {"procedure": one.procedure, "step": one.step, "title": one.title, "why": one.why}
            for one in preparation.by_hand
        ],
    }
