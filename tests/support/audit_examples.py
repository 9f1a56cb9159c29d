"""What a rule's example describes: the part of a system file, laid out by a strategy where it says so."""

from __future__ import annotations

from typing import Any

from ruamel.yaml import YAML
from sound_world import World

from secondsite.discover.system_file.reading import read_system
from secondsite.model.contract import Subject
from secondsite.model.deployment import Copy, Deployment, LinkKind, WanLink
from secondsite.model.estimate import fixed
from secondsite.model.fault import Fault
from secondsite.model.procedure import Need, Procedure, QuorumMethod, Step, Verb
from secondsite.model.strategy import Strategy
from secondsite.model.system import System
from secondsite.model.units import parse_seconds

HEAD = "schema: secondsite/system/1\nname: shop\nregion: {provider: aws, name: us-east-1}\n"
OF_A_STRATEGY = ("procedures", "copies", "links")


def world_of(example: str) -> World:
    told: dict[str, Any] = YAML(typ="safe").load(example)
    system = read_system(HEAD + _without(example, OF_A_STRATEGY), "example")
    laid_out = _deployment(system, told) if {"copies", "links"} & set(told) else None
    procedures = tuple(_procedure(name, steps) for name, steps in told.get("procedures", {}).items())
    return World(system, laid_out, procedures)


def _without(example: str, blocks: tuple[str, ...]) -> str:
    """The text without those top-level blocks."""
    kept, inside = [], False
    for line in example.splitlines():
        if line[:1] not in (" ", "#", ""):
            inside = line.split(":")[0] in blocks
        kept += [] if inside else [line]
    return "\n".join(kept)


def _deployment(system: System, told: dict[str, Any]) -> Deployment:
    copies = tuple(
        Copy(
            Subject(one["subject"]),
            str(one["subject"]),
            one["region"],
            "mirror",
            _seconds("0s"),
            _seconds(one["delay"]),
            _seconds("0s"),
            frozenset(Fault(fault) for fault in one["survives"]),
        )
        for one in told.get("copies", ())
    )
    links = tuple(
        WanLink(LinkKind(one["kind"]), "us-east-1", "us-west-2", "streams", 1.0, rtt_s=parse_seconds(one["rtt"]))
        for one in told.get("links", ())
    )
    strategy = Strategy.parse("warm-standby/leafnode-mirror")
    return Deployment(system, strategy, (), system.nats, links, copies, system.traffic)


def _procedure(name: str, steps: list[Any]) -> Procedure:
    """Each step waits for the one before it; a step is a verb, or a mapping that says more of it."""
    made: list[Step] = []
    for one in steps:
        told = {"do": one} if isinstance(one, str) else one
        after = (made[-1].id,) if made else ()
        method = QuorumMethod(told["method"]) if "method" in told else None
        verb, needs = Verb(told["do"]), frozenset(Need(need) for need in told.get("needs", ()))
        made.append(Step(str(verb), verb, str(verb), "", _seconds("1s"), 3, after, method=method, needs=needs))
    return Procedure(name, Fault.REGION, tuple(made))


def _seconds(text: str) -> Any:
    return fixed("delay", parse_seconds(text), "s", "an example")
