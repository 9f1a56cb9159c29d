"""Published weaknesses stop a change; that nobody could be asked is told as that, and is no clean bill."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
CLEAN = {"name": "a", "version": "1", "vulns": []}
WEAK = {"name": "b", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3"]}]}
SKIPPED = {"name": "c", "skip_reason": "it could not be found"}


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("weaknesses", ROOT / "script" / "weaknesses.py")
    assert spec
    assert spec.loader
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    monkeypatch.setattr(made, "install", lambda: None)
    return made


def code(script: ModuleType) -> int:
    with pytest.raises(SystemExit) as ended:
        script.main()
    return int(str(ended.value.code))


def test_nobody_to_ask_is_unproven(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(script, "reached", lambda _: False)
    assert code(script) == 3
    assert "unproven: api.osv.dev and pypi.org tell nothing here" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("found", "expected"),
    [([CLEAN], 0), ([CLEAN, WEAK], 1), ([CLEAN, SKIPPED], 3), ([WEAK, SKIPPED], 1), ([], 3)],
)
def test_what_was_found_decides(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, found: list[dict[str, Any]], expected: int
) -> None:
    asked = set()

    def audited(path: Path, service: str) -> list[dict[str, Any]]:
        asked.add(service)
        return found if path.name == "dev.txt" else [CLEAN]

    monkeypatch.setattr(script, "reached", lambda url: "pypi.org" in url)
    monkeypatch.setattr(script, "audited", audited)
    assert code(script) == expected
    assert asked == {"pypi"}


def test_a_pin_that_is_weak_is_named_with_what_mends_it(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    script.told(Path("requirements/dev.txt"), [CLEAN, WEAK, SKIPPED])
    said = capsys.readouterr().out
    assert "2 of 3 pins looked up, 1 weaknesses" in said
    assert "b 2: PYSEC-1, mended in 3" in said
    assert "not looked up: c: it could not be found" in said


def test_a_tool_that_fails_proves_nothing(script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no pip-audit in the folder where it is looked for."""
    monkeypatch.setattr(script, "TOOL", tmp_path)
    (told,) = script.audited(ROOT / "requirements" / "dev.txt", "osv")
    assert "pip-audit failed" in told["skip_reason"]
    assert script.told(Path("dev.txt"), [told]) == 3


def test_ci_takes_it_for_what_it_says() -> None:
    """Found stops it; unproven does not, and is printed."""
    assert ".venv/bin/python script/weaknesses.py || [ $? -eq 3 ]" in (ROOT / ".ci" / "run").read_text("utf-8")


def test_the_tool_knows_the_machines_proxies_and_certificates(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without them it reached nothing from behind a proxy, and every pin was skipped."""
    (tmp_path / "pip_audit").mkdir()
    program = "import json, os\nprint(json.dumps({'dependencies': [{'name': os.environ['REQUESTS_CA_BUNDLE']}]}))\n"
    (tmp_path / "pip_audit" / "__main__.py").write_text(program)
    monkeypatch.setattr(script, "TOOL", tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/etc/own.pem")
    assert script.audited(ROOT / "requirements" / "dev.txt", "osv") == [{"name": "/etc/own.pem"}]
