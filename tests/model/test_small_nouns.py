"""What the nouns work out by themselves."""

from __future__ import annotations

import pytest

from secondsite.model.alert import Alert
from secondsite.model.contract import Contract, Subject
from secondsite.model.errors import InputError, Problem
from secondsite.model.estimate import fixed
from secondsite.model.fault import Fault
from secondsite.model.hazard import Severity
from secondsite.model.mark import Knowledge, Mark, key_of
from secondsite.model.nats import NatsCluster, Stream
from secondsite.model.nats_release import parse_version
from secondsite.model.place import Place
from secondsite.model.procedure import Procedure, Step, Verb
from secondsite.model.region import Region
from secondsite.model.service import Probe, Service
from secondsite.model.strategy import Link, Pattern, Strategy, Switch
from secondsite.model.system import System
from secondsite.model.traffic import Traffic
from secondsite.model.units import Seconds
from secondsite.strategies.registry import STRATEGIES


def test_a_strategy_s_id_leads_back_to_it() -> None:
    for strategy in STRATEGIES:
        assert Strategy.parse(strategy.id) == strategy
    assert str(Strategy(Pattern.WARM_STANDBY, Link.STRETCH)) == "warm-standby/stretch"
    assert Strategy(Pattern.WARM_STANDBY, Link.STRETCH, Switch.MANUAL).id == "warm-standby/stretch/manual"


@pytest.mark.parametrize("text", ["warm-standby", "a/b/c/d", "warm-standby/nothing", ""])
def test_what_is_no_strategy_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a"):
        Strategy.parse(text)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("2.10-alpine", (2, 10, 0)),
        ("v2.15.1", (2, 15, 1)),
        ("2.12.8-RC.1", (2, 12, 8)),
        ("latest", None),
        ("", None),
        ("2", None),
        ("2.x", None),
    ],
)
def test_versions(text: str, version: tuple[int, int, int] | None) -> None:
    assert parse_version(text) == version


@pytest.mark.parametrize(("name", "kind"), [("KV_cache", "kv"), ("OBJ_files", "object"), ("EVENTS", "stream")])
def test_the_kind_of_a_stream_is_in_its_name(name: str, kind: str) -> None:
    assert Stream(name).kind == kind


def test_only_servers_with_jetstream_vote() -> None:
    assert NatsCluster("n", servers=3).voters == 3
    assert NatsCluster("n", servers=3, jetstream=False).voters == 0


@pytest.mark.parametrize(
    ("name", "geography"),
    [
        ("us-east-1", "us"),
        ("ca-central-1", "us"),
        ("eu-west-1", "eu"),
        ("westeurope", "eu"),
        ("uksouth", "eu"),
        ("australiaeast", "au"),
        ("eastus", "us"),
        ("me-central-1", "me"),
        ("sa-east-1", "sa"),
        ("af-south-1", "af"),
        ("asia-east1", "ap"),
        ("rack-7", "rack-7"),
    ],
)
def test_geographies_are_read_off_the_name(name: str, geography: str) -> None:
    assert Region("any", name).geography == geography


def _step(name: str, *after: str) -> Step:
    return Step(name, Verb.WAIT, name, "check", fixed(name, 1.0, "s", "test"), 3.0, after)


def test_leading_to_takes_what_a_step_waits_for_and_no_more() -> None:
    steps = (_step("a"), _step("b", "a"), _step("c"), _step("d", "b", "c"), _step("e", "a"))
    procedure = Procedure("p", Fault.REGION, steps, {Subject.API: "d"})
    assert [step.id for step in procedure.leading_to("d")] == ["a", "b", "c", "d"]
    assert [step.id for step in procedure.leading_to("e")] == ["a", "e"]
    assert procedure.step("c") is steps[2]


def test_a_problem_says_where_what_and_what_to_do() -> None:
    error = InputError.at(Place("f.yaml", 3, 7), "is wrong", "write it right")
    assert str(error) == "f.yaml:3:7: is wrong; write it right"
    assert str(Problem(Place("f.yaml"), "a", "b")) == "f.yaml: a; b"
    assert str(Place("f.yaml", 3)) == "f.yaml:3"


def test_a_value_stands_where_it_or_the_noun_around_it_was_read() -> None:
    system = System(
        "s",
        Region("aws", "us-east-1"),
        services=(Service("api"),),
        marks={
            "services.api": Mark(Knowledge.READ, Place("api.yaml", 4)),
            "traffic.ttl": Mark(Knowledge.ASSUMED, why="usual"),
        },
    )
    assert system.place("services.api.replicas") == Place("api.yaml", 4)
    assert system.place("traffic.ttl") == Place("secondsite.yaml")
    assert system.service("api") == Service("api")
    assert system.service("none") is None


def test_marks_say_how_a_value_came_about() -> None:
    assert str(Mark(Knowledge.READ, Place("a.yaml", 1))) == "read a.yaml:1"
    assert str(Mark(Knowledge.WRITTEN, Place("a.yaml", 1))) == "written a.yaml:1"
    assert str(Mark(Knowledge.ASSUMED, why="usual")) == "assumed: usual"
    assert [key_of(name) for name in ("rto_s", "size_bytes", "cpu_request_cores", "mean_per_s", "name")] == [
        "rto",
        "size",
        "cpu_request",
        "mean_per_s",
        "name",
    ]


def test_detection_is_interval_times_threshold() -> None:
    assert Traffic(check_interval_s=Seconds(10), check_threshold=3).detection_s == 30
    assert Probe("http", period_s=Seconds(10), failure_threshold=3, timeout_s=Seconds(1)).detection_s == 31


def test_an_alert_fires_after_threshold_and_hold() -> None:
    assert Alert("a", "x > 1", threshold_s=Seconds(60), hold_s=Seconds(300)).earliest_s == 360
    assert Alert("a", "x > 1").earliest_s is None


def test_names() -> None:
    assert Contract(Subject.API, Fault.REGION).name == "api/region"
    assert [severity.rank for severity in Severity] == [0, 1, 2, 3]
    assert all(fault.meaning for fault in Fault)
    assert Service("a", image="repo/a@sha256:12").tag == "sha256:12"
    assert Service("a", image="host:5000/a").tag == "latest"
    assert Service("a", image="a:1.2").tag == "1.2"
