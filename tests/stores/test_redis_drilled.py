"""A Redis that holds data is lost with its region, failed over and brought home by the procedure's own steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from attrs import evolve
from in_loop import in_loop
from redis_lab import REDIS_STORE, RedisLab, keys_deployment, redis_lab, system_with_keys

from secondsite.cli.operating_options import store_logins
from secondsite.dns.lookup import Resolved
from secondsite.drill.ledger.record import Status
from secondsite.drill.load import redis_sender
from secondsite.drill.load.client_config import RedisTarget
from secondsite.drill.load.redis_sender import RedisSender
from secondsite.drill.load.sending import Write
from secondsite.drill.play.keys import COUNTER, PREFIX, read_keys, saved_key_ids
from secondsite.drill.play.lab_world import ROWS, LabStores
from secondsite.lab.redis_fleet import OPERATOR, WRITER, url
from secondsite.model.errors import MachineError
from secondsite.model.fault import Fault
from secondsite.model.procedure import Procedure, Step, Verb
from secondsite.model.store import Loss, Replication
from secondsite.operate.action import Context, Facts, ManualContext
from secondsite.operate.actions.follow import FollowStores
from secondsite.operate.actions.stores import PromoteStores
from secondsite.operate.live import LiveWorld
from secondsite.operate.verbs import commands
from secondsite.operate.world import Decision, Stores
from secondsite.stores.postgres_place import StoreRefusedError
from secondsite.strategies.compose import failback, procedures
from secondsite.strategies.stores import backed_up_only, following, rebuilt

DEPLOYMENT, KIT = keys_deployment()
OVER, BACK = procedures(DEPLOYMENT, KIT)[Fault.REGION], failback(DEPLOYMENT, KIT)
HOME_FOLLOWS, AWAY_FOLLOWS = (step for step in BACK.steps if step.verb is Verb.FOLLOW_STORES)


def _promotion(of: Procedure) -> Step:
    return next(step for step in of.steps if step.verb is Verb.PROMOTE_STORES)


class Way:
    """``noted`` is what the steps of both procedures wrote into the journal."""

    def __init__(self, pair: RedisLab, door: Stores | None = None) -> None:
        self.door = door or LabStores(pair.lab, pair.away)
        self.noted: list[Facts] = []
        self._world = LiveWorld({}, Decision("tester", 1.0, "a test"), stores=self.door)

    def context(self, procedure: Procedure) -> Context:
        def note(kind: str, facts: Facts) -> None:
            self.noted.append({kind: dict(facts)})

        return Context(DEPLOYMENT, procedure, self._world, {}, note, noted=list(self.noted))

    async def run(self, procedure: Procedure, step: Step) -> Mapping[str, Any]:
        action = FollowStores() if step.verb is Verb.FOLLOW_STORES else PromoteStores()
        facts = await action.run(self.context(procedure), step, self.door)
        found: Mapping[str, Any] = facts["stores"][REDIS_STORE]
        return found

    async def changes(self, procedure: Procedure, step: Step) -> tuple[str, ...]:
        action = FollowStores() if step.verb is Verb.FOLLOW_STORES else PromoteStores()
        prospect = await action.look(self.context(procedure), step, self.door)
        assert prospect.guards == ()
        return prospect.changes


def test_data_is_followed_a_cache_is_rebuilt_and_what_nobody_replicates_is_backed_up() -> None:
    data = system_with_keys()
    (store,) = data.stores
    assert following(data) == (REDIS_STORE,)
    assert any(REDIS_STORE in copy.covers for copy in DEPLOYMENT.copies)
    cache = evolve(data, stores=(evolve(store, loss=Loss.CACHE),))
    assert (following(cache), rebuilt(cache), backed_up_only(cache)) == ((), (REDIS_STORE,), ())
    alone = evolve(data, stores=(evolve(store, replication=Replication.NONE),))
    assert (following(alone), rebuilt(alone), backed_up_only(alone)) == ((), (), (REDIS_STORE,))


@pytest.mark.slow
@in_loop
async def test_lost_over_and_back_and_what_only_the_old_primary_had_is_saved_first() -> None:
    async with redis_lab() as pair:
        way = Way(pair)
        await pair.write(pair.home, "a", "b")
        await pair.caught_up()
        await pair.lab.wan.cut(pair.home, pair.away)
        await pair.write(pair.home, "only there")
        await pair.lab.kill_region(pair.home)
        promoted = await Way(pair).run(OVER, _promotion(OVER))
        assert (promoted["fenced"], promoted["by"]) == (False, "secondsite")
        await pair.write(pair.away, "c")
        (copy,) = await read_keys(pair.lab, "run", pair.away)
        assert copy.complete
        (gone,) = await read_keys(pair.lab, "run", pair.home)
        assert not gone.complete
        await pair.lab.restart_region(pair.home, isolated=True)
        with pytest.raises(StoreRefusedError):  # it came back fenced
            await pair.write(pair.home, "before it follows")
        with pytest.raises(MachineError, match="has no primary"):
            await way.run(BACK, _promotion(BACK))
        followed = await way.run(BACK, HOME_FOLLOWS)
        saved = saved_key_ids(pair.lab.folder / ROWS)
        assert saved == {"only there"}
        assert followed["saved"]["keys"]["rows"] == 1
        assert await pair.ids(pair.home) == {"a", "b", "c"}
        assert await way.changes(BACK, HOME_FOLLOWS) == ()
        assert (await way.run(BACK, HOME_FOLLOWS))["saved"] == followed["saved"]
        assert (await way.run(BACK, _promotion(BACK)))["fenced"]
        await pair.write(pair.home, "d")
        with pytest.raises(StoreRefusedError):
            await pair.write(pair.away, "late")
        assert (await way.run(BACK, AWAY_FOLLOWS))["saved"] == {}
        await pair.write(pair.home, "e")
        await pair.caught_up()
        assert await pair.ids(pair.away) == {"a", "b", "c", "d", "e"}


@pytest.mark.slow
@in_loop
async def test_a_client_is_acknowledged_once_follows_the_name_and_a_restart_keeps_who_is_primary(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    led = ["home"]

    async def look_up(*_: object) -> Resolved:
        return Resolved((led[0],), 0.0)

    monkeypatch.setattr(redis_sender, "look_up", look_up)
    async with redis_lab() as pair:
        fleet = pair.lab.stores.redis
        at = {r: fleet.endpoint(fleet.find(REDIS_STORE, r)) for r in (pair.home, pair.away)}
        hosts = {"home": at[pair.home].host, "away": at[pair.away].host}
        target = RedisTarget("api", ("127.0.0.1", 1), hosts, at[pair.home].port, WRITER, PREFIX, COUNTER)
        sender = RedisSender(target, 2.0)
        await sender.open()
        first = await sender.send(_write(0), 0)
        assert (first.status, first.stream_sequence, first.address) == (Status.STORED, 1, hosts["home"])
        assert await sender.send(_write(0), 0) == first
        await pair.caught_up()
        led[0] = "away"
        refused = await sender.send(_write(1), 0)
        assert (refused.status, "read only" in refused.why) == (Status.REFUSED, True)
        led[0] = "home"
        assert await sender.send(_write(0), 0) == first
        pair.lab.kill(fleet.find(REDIS_STORE, pair.home).name)
        assert (await sender.send(_write(1), 0)).status is Status.UNKNOWN  # it was on its way
        assert (await sender.send(_write(1), 0)).status is Status.ERROR  # nobody is there to be asked
        for number, region in enumerate((pair.home, pair.away)):
            monkeypatch.setenv(f"REDIS_{number}", url(at[region], OPERATOR))
        given = tuple(f"{r}/{REDIS_STORE}=env:REDIS_{n}" for n, r in enumerate((pair.home, pair.away)))
        logins = store_logins(given, DEPLOYMENT)
        assert logins is not None
        assert "anything" not in f"{logins!r} {logins.shown}"
        over = Way(pair, logins)
        assert await over.changes(OVER, _promotion(OVER)) == (f"{REDIS_STORE}: promoted in {pair.away}",)
        await over.run(OVER, _promotion(OVER))
        pair.lab.kill(fleet.find(REDIS_STORE, pair.away).name)
        await pair.lab.restart(fleet.find(REDIS_STORE, pair.away).name)
        led[0] = "away"
        second = await sender.send(_write(1), 0)
        assert (second.status, second.stream_sequence, second.address) == (Status.STORED, 2, hosts["away"])
        await sender.close()


def test_by_hand_it_is_the_verbs_of_redis() -> None:
    away = DEPLOYMENT.sites[1].region.name
    over = list(commands(ManualContext(DEPLOYMENT, OVER, away, Fault.REGION), _promotion(OVER)))
    assert [line for line in over if line.startswith("secondsite redis promote env:REDIS_")]
    back = ManualContext(DEPLOYMENT, BACK, away, None)
    lines = [line for step in (HOME_FOLLOWS, _promotion(BACK)) for line in commands(back, step)]
    verbs = [line.split()[2] for line in lines if line.startswith("secondsite redis")]
    assert verbs == ["fence", "salvage", "follow", "fence", "caught-up", "promote", "unfence"]


def _write(sequence: int) -> Write:
    name = f"run.0.{sequence}"
    return Write(name, f"{REDIS_STORE}.7", "7", f"{name} ")
