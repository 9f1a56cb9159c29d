"""Rules of a user's own, from a folder or a package: applied like the others, and loud when they fail."""

from __future__ import annotations

import re
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from audit_examples import HEAD

from secondsite.audit.registry import RULES
from secondsite.cli.__main__ import run
from secondsite.discover import own_rules
from secondsite.discover.own_rules import with_own
from secondsite.model.errors import EXIT_BAD_INPUT, EXIT_DOES_NOT_HOLD, EXIT_HOLDS, InputError

PAGE = (Path(__file__).parents[2] / "docs" / "audit.md").read_text("utf-8")
DOCUMENTED = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0]
SYSTEM = HEAD + "contracts:\n  - {subject: state, fault: region, rpo: 5m}\n"


@pytest.fixture
def rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the rule of the documentation, beside a system file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secondsite.yaml").write_text(SYSTEM)
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "owners.py").write_text(DOCUMENTED)
    return folder


def test_the_documented_rule_finds_the_line(rules: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["audit", "--rules", str(rules), "--brief"]) == EXIT_DOES_NOT_HOLD
    assert "secondsite.yaml:5:5  nobody owns state/region" in capsys.readouterr().out


def test_it_is_explained_and_shown_as_sarif(rules: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["audit", "--rules", str(rules), "--explain", "shop-owner"]) == EXIT_HOLDS
    assert "owner: team-api" in capsys.readouterr().out
    run(["audit", "--rules", str(rules), "--format", "sarif"])
    assert '"ruleId": "shop-owner"' in capsys.readouterr().out


def test_it_is_waived_and_selected_by_its_id(rules: Path) -> None:
    assert run(["audit", "--rules", str(rules), "--ignore", "shop-owner"]) == EXIT_HOLDS
    assert run(["audit", "--rules", str(rules), "--select", "shop-*"]) == EXIT_DOES_NOT_HOLD
    waiver = "waivers:\n  - {rule: shop-owner, reason: the team is new}\n"
    (rules.parent / "secondsite.yaml").write_text(SYSTEM + waiver)
    assert run(["audit", "--rules", str(rules)]) == EXIT_HOLDS


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 / 0", "broken.py:1: cannot be loaded: ZeroDivisionError"),
        ("x =", "broken.py:1: cannot be loaded: SyntaxError"),
        ("x = 1", "broken.py: defines no rule"),
        (DOCUMENTED.replace("shop-owner", "image-latest"), "there is a rule 'image-latest' already"),
        (DOCUMENTED.replace("audited.system.contracts", "audited.system.nothing"), "rule shop-owner failed: Attri"),
        (DOCUMENTED.replace("yield Finding(", "yield ("), "yields something that is not a Finding"),
    ],
)
def test_a_broken_rule_is_told_with_its_file(
    rules: Path, text: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (rules / "owners.py").unlink()
    (rules / "broken.py").write_text(text)
    assert run(["audit", "--rules", str(rules)]) == EXIT_BAD_INPUT
    assert said in capsys.readouterr().err


def test_a_failing_rule_names_its_line(rules: Path) -> None:
    (rules / "owners.py").write_text(DOCUMENTED.replace("audited.system.contracts", "audited.system.nothing"))
    line = DOCUMENTED.splitlines().index("    for contract in audited.system.contracts:") + 1
    (own,) = with_own((), [rules])
    with pytest.raises(InputError, match=rf"owners\.py:{line}: rule shop-owner failed"):
        own.check(None)  # type: ignore[arg-type] # any argument fails alike


@pytest.mark.parametrize("missing", [True, False])
def test_a_folder_without_rules_is_refused(tmp_path: Path, missing: bool) -> None:
    with pytest.raises(InputError, match=r"is no folder|holds no `\.py` file"):
        with_own(RULES, [tmp_path / "missing" if missing else tmp_path])


@pytest.mark.parametrize("value", ["owners", "owners:shop_owner", "owners:BOTH"])
def test_packages_offer_rules_by_entry_point(rules: Path, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (rules / "owners.py").write_text(f"{DOCUMENTED}\n\nBOTH = [shop_owner]\n")
    monkeypatch.syspath_prepend(str(rules))
    point = EntryPoint("shop", value, own_rules.GROUP)
    monkeypatch.setattr(own_rules, "entry_points", lambda group: [point] if group == own_rules.GROUP else [])
    try:
        assert [rule.id for rule in with_own(RULES)[len(RULES) :]] == ["shop-owner"]
    finally:
        sys.modules.pop("owners")


def test_a_package_that_cannot_be_loaded_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("shop", "no_such_package_here", own_rules.GROUP)
    monkeypatch.setattr(own_rules, "entry_points", lambda group: [point])
    with pytest.raises(InputError, match=r"entry point secondsite\.rules shop .*cannot be loaded: ModuleNotFoundError"):
        with_own(RULES)
