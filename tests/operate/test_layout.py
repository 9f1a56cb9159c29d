"""Which copies a stream has, who takes its messages, and what a promotion and a demotion make of its configuration."""

from __future__ import annotations

import pytest
from attrs import evolve
from odd_world import AWAY, HOME, LEAF, SUPER, layout

from secondsite.model.nats import StreamOrigin
from secondsite.operate.layout import (
    Reach,
    families,
    fenced_subject,
    is_writable,
    matches,
    mirror_config,
    probe_subject,
    promoting_subject,
    writer_config,
)
from secondsite.strategies.design import Kit


@pytest.mark.parametrize(
    ("pattern", "subject", "takes"),
    [
        ("a.>", "a.b", True),
        ("a.>", "a.b.c", True),
        ("a.>", "a", False),
        ("a.>", "b.a", False),
        ("a.b.>", "a.c.d", False),
        ("a.b.>", "a.b", False),
        (">", "a", True),
        (">", "a.b", True),
        ("a.*", "a.b", True),
        ("a.*", "a.b.c", False),
        ("a.*", "a", False),
        ("*.b", "a.b", True),
        ("*.b", "a.c", False),
        ("*.*.>", "a.b.c", True),
        ("a", "a", True),
        ("a", "b", False),
        ("a.b", "a", False),
    ],
)
def test_a_pattern_takes_what_the_server_lets_it_take(pattern: str, subject: str, *, takes: bool) -> None:
    assert matches(pattern, subject) is takes


@pytest.mark.parametrize("pattern", ["a", "a.>", "*.b", "a.*.c", ">", "*.*.>"])
def test_a_probe_is_taken_by_its_pattern_and_is_no_pattern(pattern: str) -> None:
    subject = probe_subject(pattern)
    assert matches(pattern, subject)
    assert not set(subject.split(".")) & {"*", ">"}


@pytest.mark.parametrize(
    ("strategy", "reach", "copies"),
    [
        (LEAF, Reach.MIRRORED, [AWAY]),
        (SUPER, Reach.MIRRORED, [AWAY]),
        ("warm-standby/stretch", Reach.STRETCHED, []),
        ("active-active/sourced/weighted", Reach.SOURCED, [AWAY]),
        ("backup-restore/backup", Reach.ALONE, []),
        ("single-region/none/manual", Reach.ALONE, []),
    ],
)
def test_each_stream_of_the_first_region_with_its_copies(
    kit: Kit, strategy: str, reach: Reach, copies: list[str]
) -> None:
    found = families(layout(kit, strategy))
    assert [family.name for family in found] == ["EVENTS", "kgent-events"]
    for family in found:
        assert family.reach is reach
        assert (family.origin.region, [copy.region for copy in family.copies]) == (HOME, copies)
        assert family.at(HOME) is family.origin
        assert family.at("mars") is None
        assert family.others(HOME) == family.copies
        assert family.others("mars") == (family.origin, *family.copies)


def test_a_mirror_reads_from_the_region_that_it_names(kit: Kit) -> None:
    deployment = layout(kit)
    (origin,) = (family.origin for family in families(deployment) if family.name == "EVENTS")
    clusters = []
    for cluster in deployment.clusters:
        streams = [
            evolve(stream, mirror=evolve(stream.mirror, region="mars")) if stream.mirror else stream
            for stream in cluster.streams
        ]
        clusters.append(evolve(cluster, streams=tuple(streams)))
    elsewhere = families(evolve(deployment, clusters=tuple(clusters)))
    assert [family.copies for family in elsewhere if family.origin.name == origin.name] == [()]


@pytest.mark.parametrize("beside", [HOME, AWAY])
def test_a_mirror_that_stands_beside_a_stream_of_that_name_reads_from_it(kit: Kit, beside: str) -> None:
    """Without a region of its origin: `EVENTS` is the one in its own cluster, if there is one."""
    deployment = layout(kit)
    clusters = []
    for cluster in deployment.clusters:
        mirrors = tuple(one for one in cluster.streams if one.mirror and one.name == "EVENTS")
        if not mirrors:
            clusters.append(cluster)
            continue
        (mirror,) = mirrors
        read_only = evolve(mirror, name="EVENTS_RO", mirror=StreamOrigin("EVENTS"))
        kept = cluster.streams if beside == AWAY else tuple(one for one in cluster.streams if one is not mirror)
        clusters.append(evolve(cluster, streams=(*kept, read_only)))
    (events,) = (one for one in families(evolve(deployment, clusters=tuple(clusters))) if one.name == "EVENTS")
    wanted = ["EVENTS"] if beside == AWAY else ["EVENTS_RO"]
    assert [one.name for one in events.copies] == wanted


def test_a_demoted_stream_mirrors_the_other_through_its_domain(kit: Kit) -> None:
    family = families(layout(kit))[0]
    (copy,) = family.copies
    back = mirror_config(family.origin, copy)
    assert back["mirror"] == {"name": copy.name, "external": {"api": f"$JS.{copy.cluster.domain}.API"}}
    assert back["mirror_direct"] is True
    assert not back.get("subjects")
    one = evolve(copy, cluster=evolve(copy.cluster, domain=family.origin.cluster.domain))
    assert mirror_config(family.origin, one)["mirror"] == {"name": copy.name}, "one domain needs no door"
    none = evolve(copy, cluster=evolve(copy.cluster, domain=""))
    assert mirror_config(family.origin, none)["mirror"] == {"name": copy.name}


def test_a_promoted_stream_keeps_all_but_that_it_mirrors() -> None:
    config = {"name": "A", "mirror": {"name": "A"}, "mirror_direct": True, "max_bytes": 7, "subjects": []}
    assert writer_config(config, ("a", "b"), sealed=False) == {
        "name": "A",
        "max_bytes": 7,
        "subjects": ["a", "b"],
        "sealed": False,
    }


def test_a_stream_is_writable_where_it_listens_and_does_not_mirror(kit: Kit) -> None:
    family = families(layout(kit))[0]
    assert family.subjects
    assert is_writable({"subjects": list(family.subjects)}, family)
    assert is_writable({"subjects": ["x", *family.subjects]}, family)
    assert not is_writable({"subjects": ["x"]}, family)
    assert not is_writable({}, family)
    assert not is_writable({"subjects": list(family.subjects), "mirror": {"name": "A"}}, family)
    assert not is_writable({"subjects": [fenced_subject(family.origin)]}, family)
    assert fenced_subject(family.origin) != promoting_subject(family.origin)
    assert fenced_subject(family.origin).endswith(f".{HOME}.{family.name}")
    assert promoting_subject(family.origin).endswith(f".{HOME}.{family.name}")
