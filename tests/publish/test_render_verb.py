"""The verb: the same bytes again, what is stale, what is left over, and what it says of bad input."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from secondsite.cli.__main__ import run

pytestmark = pytest.mark.slow

EXAMPLE = Path(__file__).parents[2] / "examples" / "kgents"
LEAF = ["--strategy", "warm-standby/leafnode-mirror", "--domain", "nats.example.com"]
STRETCH = ["--strategy", "warm-standby/stretch", "--domain", "nats.example.com"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(EXAMPLE / "secondsite.yaml", tmp_path)
    return tmp_path


def render(folder: Path, *more: str) -> int:
    return run(["render", str(folder / "deploy"), "--file", str(folder / "secondsite.yaml"), *more])


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    found = sorted((folder / "deploy").rglob("*"))
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in found if path.is_file()}


def test_a_second_run_touches_nothing_and_check_holds(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert render(folder, *LEAF) == 0
    assert "begin with: " in capsys.readouterr().out
    before = snapshot(folder)
    assert len(before) == 40
    assert render(folder, *LEAF) == 0
    assert "up to date" in capsys.readouterr().out
    assert render(folder, *LEAF, "--check") == 0
    assert capsys.readouterr().out == ""
    assert snapshot(folder) == before


def test_check_shows_what_a_change_of_the_system_makes_stale(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert render(folder, *LEAF) == 0
    system = folder / "secondsite.yaml"
    system.write_text(system.read_text().replace("max_file: 10Gi", "max_file: 20Gi"))
    before = snapshot(folder)
    capsys.readouterr()
    assert render(folder, *LEAF, "--check") == 1
    told = capsys.readouterr()
    assert "-  max_file_store: 10737418240\n+  max_file_store: 21474836480" in told.out
    assert "stale: 6; " in told.err
    assert snapshot(folder) == before


def test_what_another_strategy_left_is_told_and_kept(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert render(folder, *STRETCH) == 0
    assert render(folder, *LEAF) == 0
    assert "us-east-2/nats/nats-us-east-2-0.conf; this strategy has no such file" in capsys.readouterr().err
    assert (folder / "deploy/us-east-2/nats/nats-us-east-2-0.conf").exists()
    assert render(folder, *LEAF, "--check") == 1
    shutil.rmtree(folder / "deploy/us-east-2")
    for path in ("us-east-1/nats/nats-us-east-1-0.conf",):
        (folder / "deploy" / path).unlink()
    assert render(folder, *LEAF, "--check") == 0


def test_for_machines(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert render(folder, *LEAF, "--json", "--check") == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["schema"], told["strategy"], told["left_over"]) == ("secondsite/render/1", LEAF[1], [])
    assert {each["stale"] for each in told["files"]} == {True}
    assert not (folder / "deploy").exists()


def test_as_the_system_is_today(folder: Path) -> None:
    assert render(folder, "--strategy", "warm-standby/supercluster-mirror@today", "--domain", "nats.example.com") == 0
    told = (folder / "deploy/README.md").read_text()
    assert "For nats-server 2.10-alpine in `us-east-1`, `us-west-2`" in told
    assert "--strategy warm-standby/supercluster-mirror@today" in told


def test_without_a_strategy_it_is_the_recommended_one(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert render(folder, "--domain", "nats.example.com", "--years", "500", "--json") == 0
    assert json.loads(capsys.readouterr().out)["strategy"] == "warm-standby/leafnode-mirror/failover-record"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["--strategy", "warm-standby/leafnode-mirror"],
            "--domain: servers in us-west-2 have to reach those in us-east-1",
        ),
        (["--strategy", "warm-standby/managed"], "the provider's; choose a strategy"),
        (["--strategy", "warm-standby/leaf", "--domain", "x.io"], "unknown strategy 'warm-standby/leaf'"),
        ([*LEAF[:2], "--domain", "nats example"], "is not a host name; give one such as nats.example.com"),
    ],
)
def test_bad_input_is_told_and_nothing_is_written(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    assert render(folder, *arguments) == 2
    assert told in capsys.readouterr().err
    assert not (folder / "deploy").exists()


@pytest.mark.parametrize(
    "strategy", ["warm-standby/leafnode-mirror", "warm-standby/supercluster-mirror", "active-active/sourced/weighted"]
)
def test_the_readme_names_files_that_are_there_and_commands_that_a_shell_takes(folder: Path, strategy: str) -> None:
    assert render(folder, "--strategy", strategy, "--domain", "nats.example.com") == 0
    text = (folder / "deploy/README.md").read_text()
    commands = "".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
    assert subprocess.run(["bash", "-n"], input=commands.encode(), check=False).returncode == 0
    named = re.findall(r"(?:--config|--patch-file|-k) (\S+)", commands)
    assert len(named) >= 8
    for name in named:
        assert (folder / "deploy" / name).exists(), name
    written = {path.relative_to(folder / "deploy").as_posix() for path in (folder / "deploy").rglob("*.json")}
    written -= {name for name in written if name.endswith(("/agent/agent.json", "/nats/gate.json", ".tf.json"))}
    assert written <= set(named), "every stream and consumer is created by a command"


def test_a_teams_own_words_are_kept(folder: Path) -> None:
    assert render(folder, *LEAF) == 0
    readme = folder / "deploy/README.md"
    readme.write_text(readme.read_text().replace("<!-- team:notes -->\n", "<!-- team:notes -->\nasked Ada\n"))
    assert render(folder, *LEAF, "--check") == 0
    assert render(folder, *STRETCH) == 0
    assert "asked Ada" in readme.read_text()


def test_a_field_that_a_server_does_not_take_stops_it_and_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    system = folder / "secondsite.yaml"
    text = re.sub(r"(?m)^    version: .*$", "    version: 2.12.8", system.read_text(), count=1)
    system.write_text(
        text.replace("      - name: EVENTS", "      - settings: {allow_batched: true}\n        name: EVENTS", 1)
    )
    assert render(folder, *LEAF) == 2
    assert "does not take allow_batched (2.14) of EVENTS" in capsys.readouterr().err
    assert not (folder / "deploy").exists()


def test_what_the_application_uses_beside_its_streams_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It may publish and hear it; the README says how to render the same again."""
    assert render(folder, *LEAF, "--app-subject", "rpc.>") == 0
    conf = (folder / "deploy" / "us-east-1" / "nats" / "nats-0.conf").read_text()
    application = conf[conf.index('user: "app"') : conf.index('user: "operator"')]
    assert application.count('"rpc.>"') == 2
    assert conf.count('"rpc.>"') == 2
    assert "--app-subject 'rpc.>'" in (folder / "deploy" / "README.md").read_text()
    capsys.readouterr()
    assert render(folder, *LEAF, "--app-subject", "a..b") == 2
    assert "'a..b' is not a subject: a part of it is empty" in capsys.readouterr().err
