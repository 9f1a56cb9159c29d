"""--select, --ignore and --explain: ids and globs, and no silence for a misspelt one."""

from __future__ import annotations

from pathlib import Path

import pytest
from audit_examples import HEAD

from secondsite.audit.registry import RULES, THEMES
from secondsite.audit.selection import named, selected
from secondsite.cli.__main__ import run
from secondsite.model.errors import EXIT_BAD_INPUT, EXIT_DOES_NOT_HOLD, EXIT_HOLDS, InputError

SYSTEM = (
    HEAD + "services: [{name: api, role: api, image: shop/api}]\nwaivers: [{rule: api-single-replica, reason: x}]\n"
)


@pytest.fixture
def _system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secondsite.yaml").write_text(SYSTEM)


def test_patterns_are_ids_or_globs_with_commas_between() -> None:
    mirrors = THEMES["Mirrors"]
    chosen = selected(RULES, ["nats-mirror-*,nats-workqueue-mirror"], ["nats-mirror-s*"])
    assert {rule.id for rule in chosen} == {
        rule.id for rule in mirrors if "mirror" in rule.id and not rule.id.startswith("nats-mirror-s")
    }
    assert selected(RULES) == RULES


@pytest.mark.parametrize("option", ["--select", "--ignore", "--explain"])
def test_a_misspelt_id_is_refused_with_the_nearest(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["audit", option, "image-lates"]) == EXIT_BAD_INPUT
    assert f"{option}: no rule has the id 'image-lates'; did you mean image-latest?" in capsys.readouterr().err


def test_named_finds_by_id() -> None:
    assert named(RULES, "image-latest", "--explain").id == "image-latest"
    with pytest.raises(InputError):
        named(RULES, "nothing-like-it", "--explain")


@pytest.mark.usefixtures("_system")
def test_a_waiver_of_a_rule_that_did_not_look_is_not_called_unused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["audit", "--ignore", "api-single-replica", "--fail-on", "low"]) == EXIT_DOES_NOT_HOLD
    assert "waiver-unused" not in capsys.readouterr().out
    assert run(["audit", "--select", "waiver-unused", "--fail-on", "low"]) == EXIT_HOLDS
    assert run(["audit", "--select", "image-latest", "--fail-on", "low"]) == EXIT_DOES_NOT_HOLD


def test_explain_prints_both_examples(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["audit", "--explain", "client-finite-reconnects"]) == EXIT_HOLDS
    told = capsys.readouterr().out
    assert "max_reconnects: 60" in told
    assert "max_reconnects: -1" in told
