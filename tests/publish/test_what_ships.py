"""A drill starts nothing that `render` does not ship: programs, options and configuration, of every strategy."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path

import pytest
from attrs import evolve
from postgres_pair import EXAMPLE
from ruamel.yaml import YAML

from secondsite.archive.manifests import bucket_policy
from secondsite.catalogue.bundle import load_catalogue
from secondsite.discover.system_file.reading import load_system
from secondsite.lab.addresses import LabAddresses
from secondsite.lab.agents import Agents
from secondsite.lab.archivers import Archivers
from secondsite.lab.gates import Gates
from secondsite.lab.nats_binary import find
from secondsite.lab.nats_fleet import NatsFleet
from secondsite.lab.observing import observing
from secondsite.lab.options import JudgingOptions, LabOptions
from secondsite.lab.qdrant_fleet import QdrantFleet
from secondsite.lab.savers import Savers
from secondsite.lab.services import S3
from secondsite.lab.supervisor import Spec
from secondsite.model.deployment import Deployment
from secondsite.model.operate import Operate, Writers
from secondsite.model.strategy import Link, Strategy
from secondsite.model.watching import WatchObserver, WatchPolicy
from secondsite.publish.deploy.tree import files
from secondsite.strategies.compose import lay_out
from secondsite.strategies.deployed_addresses import DeployedAddresses
from secondsite.strategies.design import Kit
from secondsite.strategies.registry import STRATEGIES
from secondsite.strategies.requirements import POSITION_AGENT

STORE = S3("http://127.0.0.1:9", "key", "secret", "bucket")
RUNNABLE = [strategy for strategy in STRATEGIES if strategy.link is not Link.MANAGED]
_VERBS = ("gate", "agent", "archive")
_OF_THE_LAB = {"--endpoint", "--single-writer"}
"""Its store is no cloud's, and ignores conditions: one archiver ships, where two are deployed."""

Program = tuple[str, str, tuple[str, ...], str]
"""Region, verb, the names of its options, and what it reads."""


def _program(region: str, words: Sequence[str], config: str) -> Program:
    verb = next(word for word in words if word in _VERBS)
    told = {word for word in words if word.startswith("--")} - (_OF_THE_LAB if verb == "archive" else set())
    return region, verb, tuple(sorted(told)), config


def _config(words: Sequence[str]) -> str:
    """Empty for what reads none."""
    return words[list(words).index("--config") + 1] if "--config" in words else ""


def _every(words: Sequence[str]) -> list[str]:
    return [words[words.index(name) + 1] for name in ("--every", "--bytes")]


def started(deployment: Deployment, folder: Path) -> set[Program]:
    regions = tuple(dict.fromkeys(site.region.name for site in deployment.sites))
    book = LabAddresses(0, regions, str(folder / "nats"))
    fleet = NatsFleet(deployment, book, LabOptions(nats_server=find("2.15.1")), folder)
    gates = Gates(deployment, folder, lambda _region: "nats://here", book.gate)
    agents = Agents(deployment, folder, lambda _region: "nats://here", book.operator, 1.0)
    archivers = Archivers(deployment, book, lambda _region: "nats://here", STORE)
    (folder / "nats").mkdir()
    ways = (gates, agents, archivers)
    beside = [spec for region in regions for way in ways for spec in way.specs(region)]
    specs: list[Spec] = [*fleet.specs(frozenset(regions)), *beside]
    ours = [spec for spec in specs if "secondsite" in spec.command]
    return {_program(spec.region, spec.command, _text(_config(spec.command))) for spec in ours}


def _text(path: str) -> str:
    return Path(path).read_text(encoding="utf-8") if path else ""


def shipped(deployment: Deployment) -> set[Program]:
    book = DeployedAddresses(deployment.system.services, "nats.example.com")
    texts = files(deployment, book, "secondsite render", "registry.example/secondsite:1")
    programs = set()
    for path, text in texts.items():
        if not path.endswith((".patch.yaml", "deployment.yaml")):
            continue
        region = path.partition("/")[0]
        pod = YAML(typ="safe").load(text)["spec"]["template"]["spec"]
        for container in pod["containers"]:
            words = [str(word) for word in container.get("args", ())]
            if words and words[0] in _VERBS:
                name = _config(words).rpartition("/")[2]
                files_of = [told for file, told in texts.items() if file.startswith(region) and file.endswith(name)]
                (config,) = files_of if name else ("",)
                programs.add(_program(region, words, config))
    return programs


@pytest.mark.slow
@pytest.mark.parametrize("writers", list(Writers))
@pytest.mark.parametrize("strategy", RUNNABLE, ids=lambda one: one.id)
def test_a_drill_starts_what_is_shipped(strategy: Strategy, writers: Writers, kit: Kit, tmp_path: Path) -> None:
    system = evolve(kit.system, operate=Operate(writers=writers))
    deployment = lay_out(strategy, evolve(kit, system=system))
    ours = started(deployment, tmp_path)
    assert ours == shipped(deployment)
    mirrored = any(stream.mirror for cluster in deployment.clusters for stream in cluster.streams)
    assert bool(ours) == (mirrored or strategy.link is Link.ARCHIVE)


def _watch_program(words: Sequence[str]) -> tuple[str, ...]:
    """Its verb and the names of its options, one each; regions and observers as they are written."""
    begin = next(number for number, word in enumerate(words) if word == "watch")
    told = list(words[begin:])
    verb = tuple(word for word in told[:2] if not word.startswith("--"))
    return (*verb, *dict.fromkeys(word for word in told if word.startswith("--")))


def test_the_watch_of_a_drill_is_the_one_that_is_shipped(kit: Kit, tmp_path: Path) -> None:
    """What decides in `drill --trigger watch` has the words of the rendered manifests, and its observers too."""
    regions = ("us-east-1", "us-west-2")
    places = (*((region, region) for region in regions), ("outside", ""))
    watchers = tuple(WatchObserver(name, region, f"https://{name}:8090") for name, region in places)
    system = evolve(kit.system, operate=Operate(watch=WatchPolicy(watchers)))
    deployment = lay_out(Strategy.parse("warm-standby/leafnode-mirror"), evolve(kit, system=system))
    options = LabOptions(judging=JudgingOptions(1.0, 3, 2.0))
    lab = observing(deployment, LabAddresses(0, regions, ""), tmp_path, options, lambda of, _viewpoint: f"nats://{of}")
    assert lab is not None
    ours = [spec.command for region in (*regions, "") for spec in lab.specs(region)] + [lab.judging().command]
    book = DeployedAddresses(deployment.system.services, "nats.example.com")
    texts = files(deployment, book, "secondsite render", "secondsite:1")
    manifests = {path: text for path, text in texts.items() if "/watch/" in path and path.endswith(".yaml")}
    written = {
        _watch_program(container["args"]): container["args"]
        for text in manifests.values()
        for one in YAML(typ="safe").load_all(text)
        if one["kind"] == "Deployment"
        for container in one["spec"]["template"]["spec"]["containers"]
    }
    drilled = {_watch_program(command) for command in ours}
    assert drilled <= set(written)
    assert {each[:2] for each in drilled} == {("watch", "judge"), ("watch", "observe")}
    (judge,) = (words for each, words in written.items() if each[:2] == ("watch", "judge"))
    (own,) = (list(command) for command in ours if "judge" in command)
    for name in ("--region", "--observer"):
        assert [each.partition("=")[0] for each in values(judge, name)] == [
            each.partition("=")[0] for each in values(own, name)
        ]


def values(words: Sequence[str], option: str) -> list[str]:
    return [words[number + 1] for number, word in enumerate(words) if word == option]


def test_the_server_of_one_writer_is_the_child_of_its_gate(kit: Kit, tmp_path: Path) -> None:
    system = evolve(kit.system, operate=Operate(writers=Writers.ONE))
    deployment = lay_out(
        next(s for s in RUNNABLE if s.id == "warm-standby/leafnode-mirror"), evolve(kit, system=system)
    )
    book = LabAddresses(0, ("us-east-1", "us-west-2"), str(tmp_path / "nats"))
    fleet = NatsFleet(deployment, book, LabOptions(nats_server=find("2.15.1")), tmp_path)
    for spec in fleet.specs(frozenset({"us-east-1"})):
        binary, option, path = shlex.split(spec.command[list(spec.command).index("--server") + 1])
        assert binary.endswith("nats-server")
        assert option == "-c"
        assert Path(path).exists()


def test_the_consumers_of_an_origin_are_created_before_what_mirrors_it(kit: Kit) -> None:
    """A work queue's mirror takes the jobs of a consumer that comes later."""
    deployment = lay_out(Strategy.parse("warm-standby/leafnode-mirror"), kit)
    book = DeployedAddresses(deployment.system.services, "nats.example.com")
    readme = files(deployment, book, "secondsite render", "secondsite:1")["README.md"]
    lines = readme.splitlines()
    first_copy = next(n for n, line in enumerate(lines) if "--context us-west-2 stream add" in line)
    last_consumer = max(n for n, line in enumerate(lines) if "--context us-east-1 consumer add" in line)
    assert last_consumer < first_copy


@pytest.mark.parametrize("strategy", RUNNABLE, ids=lambda one: one.id)
def test_the_agent_is_asked_for_exactly_where_it_is_shipped(strategy: Strategy, kit: Kit) -> None:
    deployment = lay_out(strategy, kit)
    asked = any(need.id == POSITION_AGENT for need in deployment.requirements)
    assert asked == any(verb == "agent" for _, verb, _, _ in shipped(deployment))


ARCHIVED = [strategy for strategy in RUNNABLE if strategy.link is Link.ARCHIVE]


@pytest.mark.parametrize("strategy", ARCHIVED, ids=lambda one: one.id)
def test_the_archiver_of_a_drill_ships_as_often_as_the_deployed_one(strategy: Strategy, kit: Kit) -> None:
    deployment = lay_out(strategy, kit)
    home, vault = (site.region.name for site in deployment.sites[:2])
    archivers = Archivers(deployment, LabAddresses(0, (home, vault), ""), lambda _region: "nats://here", STORE)
    (ours,) = archivers.specs(home)
    assert archivers.specs(vault) == (), "its streams are not shipped"
    book = DeployedAddresses(deployment.system.services, "nats.example.com")
    texts = files(deployment, book, "secondsite render", "secondsite:1")
    manifest = YAML(typ="safe").load(texts[f"{home}/archive/deployment.yaml"])
    (container,) = manifest["spec"]["template"]["spec"]["containers"]
    assert _every(list(ours.command)) == _every(container["args"])
    assert manifest["spec"]["replicas"] == 2
    bucket = json.loads(texts["archive/bucket.tf.json"])
    name = bucket["resource"]["aws_s3_bucket"]["archive"]["bucket"]
    assert bucket["provider"]["aws"]["region"] == vault, "never beside the streams that it holds"
    assert container["args"][container["args"].index("--to") + 1] == f"s3://{name}/{home}"
    policy = json.loads(bucket["resource"]["aws_iam_policy"]["archiver"]["policy"])
    assert policy == bucket_policy(name, home)


_OF_SNAPSHOTS = (".save.yaml", ".follow.yaml")


def _savers(deployment: Deployment, folder: Path) -> set[tuple[str, tuple[str, ...]]]:
    """Region and words of what a drill starts, without addresses and what only the lab's store needs."""
    regions = tuple(dict.fromkeys(site.region.name for site in deployment.sites))
    book = LabAddresses(0, regions, str(folder / "nats"))
    fleet = QdrantFleet(deployment, book, folder, True)
    specs = [spec for region in regions for spec in Savers(deployment, book, fleet, STORE, 900.0).specs(region)]
    return {(spec.region, _placeless(spec.command[3:-2])) for spec in specs if spec.command[-2] == "--endpoint"}


def _placeless(words: Sequence[str]) -> tuple[str, ...]:
    return tuple(word.partition("://")[0] for word in words)


_SAVED = {"warm-standby/leafnode-mirror": 2, "pilot-light/backup": 1, "single-region/none/manual": 0}


@pytest.mark.parametrize("strategy", _SAVED)
def test_snapshots_are_saved_and_loaded_as_shipped(strategy: str, tmp_path: Path) -> None:
    deployment = lay_out(Strategy.parse(strategy), Kit.of(load_system(EXAMPLE), load_catalogue()))
    book = DeployedAddresses(deployment.system.services, "nats.example.com")
    texts = files(deployment, book, "secondsite render", "secondsite:1")
    manifests = {path: YAML(typ="safe").load(text) for path, text in texts.items() if path.endswith(_OF_SNAPSHOTS)}
    pods = {path.partition("/")[0]: one["spec"]["template"]["spec"] for path, one in manifests.items()}
    ships = {(region, _placeless(pod["containers"][0]["args"])) for region, pod in pods.items()}
    assert ships == _savers(deployment, tmp_path)
    assert len(ships) == _SAVED[strategy]
    for one in manifests.values():
        assert one["spec"]["replicas"] == 1, "two would load beside each other"
        (container,) = one["spec"]["template"]["spec"]["containers"]
        assert container["envFrom"] == [{"secretRef": {"name": "qdrant-snapshots"}}]
        assert "900s" in container["args"]
    assert ("Save snapshots of qdrant to us-west-2" in texts["README.md"]) == bool(ships)
