"""A team's own tests ask for contracts by name, and fail with the reason."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from attrs import evolve
from drilled import MANIFEST, Scenario, leave

from secondsite.catalogue.bundle import load_catalogue
from secondsite.discover.system_file.reading import load_system
from secondsite.drill.pytest_plugin import contract
from secondsite.drill.verdict.verification import todays
from secondsite.model.errors import InputError

pytest_plugins = ["pytester"]

EXAMPLE = Path("examples/kgents/secondsite.yaml").resolve()
MODULE = "secondsite.drill.pytest_plugin"
_TESTS = """
from secondsite.drill.pytest_plugin import contract as ask

def test_api(contract):
    assert contract("api").met

def test_nats(contract):
    standing = contract("nats", "region")
    assert standing.verdict == "met"
    assert standing.measured.rto_s["total"] < 10

def test_state(contract):
    assert contract("state").met

def test_function():
    assert ask("api").met

def test_unknown(contract):
    contract("api", "zone")
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A system with a confidence that one run satisfies, and evidence of today."""
    root = tmp_path_factory.mktemp("project")
    (root / "secondsite.yaml").write_text(EXAMPLE.read_text().replace("confidence: 0.9", "confidence: 0.5"))
    fresh = evolve(MANIFEST, started_at=datetime.now(UTC).isoformat())
    bound = evolve(fresh, fingerprint=todays(load_system(root / "secondsite.yaml"), load_catalogue())(fresh))
    leave(root / "drills", Scenario(manifest=bound))
    return root


@pytest.mark.slow
def test_contracts_are_asserted_in_a_teams_own_tests(
    pytester: pytest.Pytester, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (pytester.path / "secondsite.yaml").write_text((project / "secondsite.yaml").read_text())
    (pytester.path / ".secondsite").mkdir()
    (pytester.path / ".secondsite" / "evidence").symlink_to(project / "drills")
    pytester.makepyfile(_TESTS)
    installed = any(point.value == MODULE for point in entry_points(group="pytest11"))
    result = pytester.runpytest_subprocess(*(() if installed else ("-p", MODULE)), "-p", "no:cacheprovider")
    result.assert_outcomes(passed=3, failed=2)
    result.stdout.fnmatch_lines_random(
        [
            "*Standing(contract='state/region', verdict='unproven', why='no drill of region that covers state *",
            "*unknown contract api/zone; there are: api/region, nats/region*",
        ]
    )


@pytest.mark.slow
def test_where_things_lie_is_configured(pytester: pytest.Pytester, project: Path) -> None:
    pytester.makeini(
        f"""
        [pytest]
        secondsite_file = {project}/secondsite.yaml
        secondsite_evidence = {project}/drills
        secondsite_strategy = warm-standby/stretch
        """
    )
    pytester.makepyfile(
        """
        def test_api(contract):
            assert contract("api").why == "no drill of region that covers api has left evidence"
        """
    )
    installed = any(point.value == MODULE for point in entry_points(group="pytest11"))
    result = pytester.runpytest_subprocess(*(() if installed else ("-p", MODULE)), "-p", "no:cacheprovider")
    result.assert_outcomes(passed=1)


def test_outside_of_pytest_it_is_a_function(project: Path) -> None:
    standing = contract("nats", file=project / "secondsite.yaml", evidence=project / "drills")
    assert standing.met
    assert standing.measured is not None
    assert standing.measured.drill == "region-loss"
    with pytest.raises(InputError, match="unknown contract gateway/region"):
        contract("gateway", file=project / "secondsite.yaml", evidence=project / "drills")
