"""A database and its copy, by two logins: what `operate check` and the watch say of the pair. Servers in memory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from attrs import evolve, field, frozen
from in_loop import in_loop

from secondsite.cli.operating_options import store_logins
from secondsite.model.deployment import Deployment
from secondsite.model.errors import InputError, MachineError
from secondsite.model.procedure import Verb
from secondsite.model.strategy import Strategy
from secondsite.operate.action import Context
from secondsite.operate.actions.follow import FollowStores
from secondsite.operate.check import Answer, store_pair
from secondsite.operate.live import LiveWorld
from secondsite.operate.shortfalls import shortfalls
from secondsite.operate.store_logins import StoreLogins
from secondsite.operate.world import Decision
from secondsite.stores.postgres import PostgresServer, PostgresState
from secondsite.stores.postgres_place import PostgresPlace
from secondsite.stores.redis import RedisServer, RedisState
from secondsite.stores.redis_place import RedisPlace
from secondsite.strategies.compose import failback, lay_out
from secondsite.strategies.design import Kit
from secondsite.strategies.stores import store_replicas

PRIMARY = PostgresState("71", 1, "18.6", False, 900, 0, False, None, False, started_at=10.0)
STANDBY = evolve(PRIMARY, standby=True, receiving=True, started_at=20.0)
UNLINKED = evolve(STANDBY, receiving=False)
FENCED = evolve(PRIMARY, fenced=True)
REDIS = RedisState("a", "id", "9", False, 5, False, "", 0, False, True, 1)
PROMOTED = evolve(PRIMARY, timeline=2, started_at=20.0)


@frozen
class Remembered(PostgresServer):
    """Says what it was told to say, or is silent."""

    state: PostgresState | None = None

    async def look(self) -> PostgresState:
        if self.state is None:
            raise MachineError.at("db", "does not answer", "check it")
        return self.state


@frozen
class RememberedRedis(RedisServer):
    state: RedisState

    async def look(self) -> RedisState:
        return self.state


@frozen
class Pair(StoreLogins):
    states: Mapping[str, PostgresState | None] = field(factory=dict)

    def server(self, region: str, store: str) -> Remembered:
        return Remembered(PostgresPlace(""), self.states[region])


@frozen
class Promoting(Remembered):
    """A standby at first; the primary from its third look on."""

    states: list[PostgresState] = field(factory=lambda: [STANDBY, STANDBY])

    async def look(self) -> PostgresState:
        return self.states.pop() if self.states else PRIMARY


@frozen
class WhilePromoting(Pair):
    serving: Promoting = field(factory=lambda: Promoting(PostgresPlace("")))

    def server(self, region: str, store: str) -> Remembered | Promoting:
        return Pair.server(self, region, store) if self.states[region] else self.serving


@pytest.fixture(scope="module")
def deployment(kit: Kit) -> Deployment:
    return lay_out(Strategy.parse("warm-standby/leafnode-mirror"), kit)


def pair(deployment: Deployment, home: PostgresState | None, away: PostgresState | None) -> Pair:
    (one,) = store_replicas(deployment)
    return Pair({}, Path(), {one.primary: home, one.standby: away})


@pytest.mark.parametrize(
    ("home", "away", "words"),
    [
        (PRIMARY, PRIMARY, "both logins lead to it"),
        (STANDBY, STANDBY, "both logins lead to it"),
        (PRIMARY, evolve(STANDBY, system_identifier="72"), "is no copy"),
        (PRIMARY, UNLINKED, "receives nothing from"),
        (PRIMARY, PROMOTED, "both accept writes"),
        (FENCED, PROMOTED, "is fenced and follows nobody"),
        (STANDBY, evolve(STANDBY, started_at=30.0), "neither accepts writes"),
    ],
)
@in_loop
async def test_a_pair_that_is_none_is_a_no(
    home: PostgresState, away: PostgresState, words: str, deployment: Deployment
) -> None:
    found = await store_pair(pair(deployment, home, away), store_replicas(deployment)[0])
    assert found is not None
    assert found.answer is Answer.NO
    assert words in found.what
    assert found.remedy


@in_loop
async def test_a_copy_that_follows_is_a_yes_either_way_and_silence_is_told_elsewhere(deployment: Deployment) -> None:
    (one,) = store_replicas(deployment)
    for home, away, words in (
        (PRIMARY, STANDBY, f"{one.standby} follows {one.primary}"),
        (STANDBY, evolve(PRIMARY, started_at=5.0), f"{one.primary} follows {one.standby}"),
    ):
        found = await store_pair(pair(deployment, home, away), one)
        assert found is not None
        assert (found.answer, found.what) == (Answer.YES, words)
    assert await store_pair(pair(deployment, None, STANDBY), one) is None


@pytest.mark.parametrize(
    ("home", "away", "told"),
    [
        (PRIMARY, UNLINKED, ["standby-not-ready"]),
        (PRIMARY, STANDBY, []),
        (FENCED, PROMOTED, []),
        (None, UNLINKED, []),
        (PRIMARY, None, []),
    ],
)
@in_loop
async def test_a_standby_that_receives_nothing_is_an_alert_before_the_loss(
    home: PostgresState | None, away: PostgresState | None, told: list[str], deployment: Deployment
) -> None:
    world = LiveWorld({}, Decision("tester", 1.0, "a test"), stores=pair(deployment, home, away))
    found = await shortfalls(deployment, world)
    assert [guard.id for _, guard in found] == told
    assert all(verb is Verb.PROMOTE_STORES and not guard.absolute for verb, guard in found)


@in_loop
async def test_a_server_compared_with_itself_lacks_nothing_and_is_refused(tmp_path: Path) -> None:
    here, there = (Remembered(PostgresPlace("host=db"), state) for state in (PRIMARY, STANDBY))
    with pytest.raises(InputError, match="both logins lead to this server"):
        await here.only_there(evolve(there, state=PRIMARY), tmp_path)
    with pytest.raises(InputError, match="both logins lead to this server"):
        await RememberedRedis(RedisPlace("redis://db"), REDIS).follow(RememberedRedis(RedisPlace("redis://db"), REDIS))


@in_loop
async def test_what_follows_waits_for_the_promotion_beside_it(deployment: Deployment, kit: Kit) -> None:
    """Clients may be home before the last database is promoted there: nothing waits for it but this step."""
    (one,) = store_replicas(deployment)
    follower = evolve(STANDBY, replayed=900, started_at=30.0)
    door = WhilePromoting({}, Path(), {one.primary: None, one.standby: follower})
    back = failback(deployment, kit)
    (step,) = [each for each in back.steps if each.id == "follow-again"]
    context = Context(
        deployment, back, LiveWorld({}, Decision("tester", 1.0, "a test")), {}, lambda _what, _facts: None
    )
    facts = await FollowStores().run(context, step, door)
    assert facts["stores"][one.store.name]["saved"] == {}


def test_a_replica_of_a_replica_follows_no_primary() -> None:
    replica = evolve(REDIS, run_id="b", replica=True, linked=True)
    assert replica.follows(REDIS)
    assert not replica.follows(evolve(replica, run_id="c"))
    assert replica.same_server(evolve(replica, offset=6))
    assert not replica.same_server(REDIS)


def test_every_login_that_leads_nowhere_is_told_at_once(deployment: Deployment) -> None:
    (one,) = store_replicas(deployment)
    given = tuple(f"{region}/{one.store.name}=env:DR_NOT_SET_{region}" for region in (one.primary, one.standby))
    with pytest.raises(InputError) as told:
        store_logins(given, deployment)
    assert [str(problem.place) for problem in told.value.problems] == [
        f"--store {each.split('=')[0]}" for each in given
    ]
