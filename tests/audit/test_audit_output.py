"""The three forms: text within 100 columns, JSON of the stable shape, SARIF as 2.1.0 asks."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from attrs import evolve
from rich.console import Console
from sound_world import WORLDS, both, in_cluster, in_service, in_system

from secondsite.audit.registry import RULES, audit
from secondsite.model.hazard import Hazard
from secondsite.model.mark import Knowledge, Mark
from secondsite.model.place import Place
from secondsite.model.waiver import Waiver
from secondsite.publish.machine import audit as audit_json
from secondsite.publish.machine import sarif
from secondsite.publish.terminal import audit as audit_text

PLACES = {
    "services.api.image": Mark(Knowledge.READ, Place("manifests/api deploy.yaml", 31, 15)),
    "services.postgres.image": Mark(Knowledge.READ, Place("/srv/app/manifests/postgres.yaml", 7)),
    "nats.nats.route_tls": Mark(Knowledge.READ, Place("nats://nats.example.org:4222")),
}


@pytest.fixture(scope="module")
def hazards() -> tuple[Hazard, ...]:
    """One waived, one of a long message, places in a relative file, an absolute one and a server."""
    change = both(
        in_service("api", image="registry.example.org/" + "very-long-name-" * 12 + "api"),
        in_service("postgres", image="postgres", replicas=1),
        in_cluster("nats", route_tls=False),
        in_system(marks=PLACES, waivers=(Waiver("nats-route-tls", "the mesh encrypts"),)),
    )
    return audit(change(WORLDS["system"]).system)


def shown(hazards: tuple[Hazard, ...], *, colour: bool = False) -> str:
    out = Console(file=io.StringIO(), width=100, force_terminal=colour, highlight=False)
    out.print(audit_text.render(hazards, RULES))
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


def test_text_names_everything_a_reader_needs(hazards: tuple[Hazard, ...]) -> None:
    text = " ".join(shown(hazards).split())
    for part in (
        "image-latest manifests/api deploy.yaml:31:15",
        "postgres runs postgres, whatever that is",
        "why: A pod that starts in the standby",
        "endangers: api/region, api/process",
        "remedy: Name a version",
        "source: Kubernetes documentation",
        "waived: the mesh encrypts",
        "3 hazards: 0 fatal, 1 high, 2 medium, 0 low; 1 waived",
    ):
        assert part in text
    assert text.index("HIGH (1)") < text.index("MEDIUM (3)")


def test_text_fits_a_hundred_columns_and_is_plain_off_a_terminal(hazards: tuple[Hazard, ...]) -> None:
    assert max(len(line) for line in shown(hazards).splitlines()) <= 100
    assert not [line for line in shown(hazards).splitlines() if line != line.rstrip()]
    assert "\x1b" not in shown(hazards)
    assert "\x1b" in shown(hazards, colour=True)


@pytest.mark.parametrize("width", [60, 72])
def test_a_narrower_terminal_gets_narrower_text(hazards: tuple[Hazard, ...], width: int) -> None:
    assert max(len(line) for line in audit_text.render(hazards, RULES, width).plain.splitlines()) <= width


def test_no_color_is_obeyed(monkeypatch: pytest.MonkeyPatch, hazards: tuple[Hazard, ...]) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", shown(hazards, colour=True))


def test_markup_in_names_is_not_interpreted() -> None:
    change = in_service("api", image="[red]api[/red]:latest")
    assert "[red]api[/red]:latest" in shown(change(WORLDS["system"]).hazards())


def test_nothing_found_is_said() -> None:
    assert shown(()).strip() == "0 hazards: 0 fatal, 0 high, 0 medium, 0 low"


def test_rules_list_names_all() -> None:
    out = Console(file=io.StringIO(), width=100)
    out.print(audit_text.render_rules(RULES))
    assert isinstance(out.file, io.StringIO)
    text = out.file.getvalue()
    assert all(known.id in text for known in RULES)
    assert max(len(line) for line in text.splitlines()) <= 100


def test_json_has_the_stable_shape(hazards: tuple[Hazard, ...]) -> None:
    told = json.loads(audit_json.render(hazards))
    assert list(told) == ["schema", "hazards"]
    assert told["schema"] == "secondsite/audit/1"
    keys = ["rule", "severity", "file", "line", "message", "contract", "source", "remedy"]
    assert [list(entry) for entry in told["hazards"] if "waived" not in entry] == [keys] * 3
    assert [list(entry) for entry in told["hazards"] if "waived" in entry] == [[*keys, "waived"]]
    latest = next(entry for entry in told["hazards"] if "deploy.yaml" in entry["file"])
    assert (latest["rule"], latest["severity"], latest["line"]) == ("image-latest", "medium", 31)


@pytest.fixture(scope="module")
def run(hazards: tuple[Hazard, ...]) -> Any:
    log = json.loads(sarif.render(hazards, RULES, PurePosixPath("/srv/app")))
    assert log["version"] == "2.1.0"
    assert log["$schema"].startswith("https://")
    assert len(log["runs"]) == 1
    return log["runs"][0]


def test_sarif_describes_every_rule(run: Any) -> None:
    driver = run["tool"]["driver"]
    assert driver["name"] == "secondsite"
    assert [rule["id"] for rule in driver["rules"]] == [known.id for known in RULES]
    for rule in driver["rules"]:
        assert rule["defaultConfiguration"]["level"] in ("none", "note", "warning", "error")
        assert rule["help"]["text"]
        assert rule["shortDescription"]["text"].endswith(".")
        assert rule["fullDescription"]["text"]


def test_sarif_results_point_at_rule_and_place(run: Any, hazards: tuple[Hazard, ...]) -> None:
    rules = run["tool"]["driver"]["rules"]
    assert len(run["results"]) == len(hazards)
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in ("note", "warning", "error")
        assert result["message"]["text"]
        place = result["locations"][0]["physicalLocation"]
        assert not place["artifactLocation"]["uri"].startswith("/")
        assert " " not in place["artifactLocation"]["uri"]
        assert "region" not in place or place["region"]["startLine"] >= 1
        assert len(result["partialFingerprints"]["secondsite/v1"]) == 32


def test_sarif_suppresses_what_was_waived(run: Any) -> None:
    found = {result["ruleId"]: result["suppressions"] for result in run["results"]}
    assert found["nats-route-tls"] == [{"kind": "external", "justification": "the mesh encrypts"}]
    assert found["image-latest"] == []


@pytest.mark.parametrize(
    ("file", "uri"),
    [
        ("secondsite.yaml", "secondsite.yaml"),
        ("a b/c.yaml", "a%20b/c.yaml"),
        ("/srv/app/k8s/api.yaml", "k8s/api.yaml"),
        ("/etc/nats.conf", "file:///etc/nats.conf"),
        ("nats://10.0.0.1:4222", "nats://10.0.0.1:4222"),
    ],
)
def test_uris_are_relative_where_they_can_be(file: str, uri: str) -> None:
    assert sarif.uri_of(file, PurePosixPath("/srv/app")) == uri


def test_fingerprints_outlive_moved_lines(hazards: tuple[Hazard, ...]) -> None:
    moved = tuple(evolve(hazard, place=Place("elsewhere.yaml", 99)) for hazard in hazards)
    prints = [
        [
            result["partialFingerprints"]
            for result in json.loads(sarif.render(some, RULES, Path.cwd()))["runs"][0]["results"]
        ]
        for some in (hazards, moved)
    ]
    assert prints[0] == prints[1]
    assert len({json.dumps(one) for one in prints[0]}) == len(hazards)


def test_brief_says_where_and_what_of_open_hazards_only(hazards: tuple[Hazard, ...]) -> None:
    text = audit_text.render_brief(hazards).plain
    assert "manifests/api deploy.yaml:31:15  api runs" in text
    assert "postgres runs postgres, whatever that is" in text
    assert "route" not in text
    assert "remedy" not in text
    assert text.endswith("3 hazards: 0 fatal, 1 high, 2 medium, 0 low; 1 waived")
    _, begins, goes_on, *_ = audit_text.render_brief(hazards, width=40).plain.splitlines()
    assert begins.startswith("  secondsite.yaml  postgres")
    assert goes_on.startswith("    ")
