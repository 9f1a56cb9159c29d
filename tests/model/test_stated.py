"""What nobody has checked is an assumption in every figure that is made of it."""

from __future__ import annotations

from attrs import evolve

from secondsite.evaluate.derive import product, weakest
from secondsite.model.backup import Backup, Content, Where
from secondsite.model.estimate import Estimate, Provenance, fixed
from secondsite.model.mark import Knowledge, Mark
from secondsite.model.place import Place
from secondsite.model.region import Region
from secondsite.model.stated import load_of, stated, value_at
from secondsite.model.system import System
from secondsite.model.traffic import Traffic
from secondsite.model.units import Seconds

SYSTEM = System("s", Region("aws", "us-east-1"), traffic=Traffic(check_interval_s=Seconds(30)))
READ = Mark(Knowledge.READ, Place("ingress.yaml", 8))
GUESS = Mark(Knowledge.ASSUMED, why="manifests do not hold it")


def interval(mark: Mark | None, value: float = 30.0) -> Estimate:
    marks = {"traffic.ttl": READ, **({} if mark is None else {"traffic.check_interval": mark})}
    return stated(evolve(SYSTEM, marks=marks), "traffic.check_interval", "check interval", value, "s")


def test_a_value_is_known_as_the_system_knows_it() -> None:
    assert interval(READ).provenance is Provenance.DERIVED
    assert interval(READ).source == "traffic.check_interval"
    assert interval(GUESS).provenance is Provenance.ASSUMED
    assert interval(GUESS).source == "traffic.check_interval, assumed: manifests do not hold it"
    assert interval(None).provenance is Provenance.ASSUMED, "nobody wrote it: it is the default"


def test_what_the_strategy_sets_is_nobodys_assumption() -> None:
    assert (interval(GUESS, 10.0).provenance, interval(GUESS, 10.0).source) == (
        Provenance.DERIVED,
        "traffic.check_interval, set by the strategy",
    )


def test_what_is_made_of_it_is_no_surer() -> None:
    price = fixed("a check", 2.0, "USD", "list", Provenance.PUBLISHED)
    assert weakest(product("checks", "USD", price, interval(GUESS))) is Provenance.ASSUMED
    assert weakest(product("checks", "USD", price, interval(READ))) is Provenance.PUBLISHED


def test_values_are_found_by_their_path_in_the_file() -> None:
    backup = Backup("nightly", ("api",), Content.MESSAGES, Where.REGION, Seconds(86_400))
    assert value_at(evolve(SYSTEM, backups=(backup,)), "backups.nightly.interval") == 86_400
    assert value_at(SYSTEM, "traffic.ttl") == 60
    assert [value_at(SYSTEM, path) for path in ("traffic.none", "backups.none.interval", "nats")] == [None, None, ()]
    assert [one.mean for one in load_of(SYSTEM)] == [40, 1024]
