"""For a team's own CI: ``assert contract("nats").met``, judged once a session from the evidence that is there.

A fixture where pytest runs, a function anywhere else. Nothing heavy is loaded until a contract is asked for, as
pytest loads this wherever secondsite is installed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from attrs import field, frozen

if TYPE_CHECKING:
    from secondsite.drill.verdict.verification import ContractVerdict, EvidenceVerification
    from secondsite.model.measurement import Measurement

_FILE = "secondsite.yaml"


@frozen
class ContractStanding:
    """``measured`` is what decided; None where nothing was drilled. ``why`` is for the message of a failed assert.

    ``scope``: of what is deployed or of a design, and where it was drilled.
    """

    contract: str
    verdict: str
    why: str
    measured: Measurement | None = field(repr=False)
    scope: str = ""

    @property
    def met(self) -> bool:
        return self.verdict == "met"


def contract(
    subject: str,
    fault: str = "region",
    *,
    strategy: str | tuple[str, ...] = (),
    file: Path = Path(_FILE),
    evidence: Path | None = None,
) -> ContractStanding:
    """How one contract of the system stands today; raises InputError where there is no such contract."""
    strategies = (strategy,) if isinstance(strategy, str) else strategy
    return _standing(_verification(file, evidence, strategies), subject, fault, file)


@pytest.fixture(scope="session", name="contract")
def contract_fixture(pytestconfig: pytest.Config) -> Callable[..., ContractStanding]:
    """``contract(subject, fault="region")``, of the system file and evidence that pytest's configuration names."""
    root = pytestconfig.rootpath
    evidence = str(pytestconfig.getini("secondsite_evidence"))
    strategies = tuple(pytestconfig.getini("secondsite_strategy"))

    def ask(subject: str, fault: str = "region", **options: Any) -> ContractStanding:
        chosen: dict[str, Any] = {
            "strategy": strategies,
            "file": root / str(pytestconfig.getini("secondsite_file")),
            "evidence": root / evidence if evidence else None,
        }
        return contract(subject, fault, **(chosen | options))

    return ask


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("secondsite_file", "the system file, from the root of the project", default=_FILE)
    parser.addini("secondsite_evidence", "the folder with the evidence of drills", default="")
    parser.addini(
        "secondsite_strategy", "the strategies whose evidence counts; all by default", type="args", default=[]
    )


@lru_cache
def _verification(file: Path, evidence: Path | None, strategies: tuple[str, ...]) -> EvidenceVerification:
    from datetime import UTC, datetime

    from secondsite.catalogue.bundle import load_catalogue
    from secondsite.catalogue.table import USER_FOLDER
    from secondsite.discover.system_file.reading import load_system
    from secondsite.drill.evidence.folder import usual_folders
    from secondsite.drill.verdict.verification import verify

    system, catalogue = load_system(file), load_catalogue(file.parent / USER_FOLDER)
    return verify(
        system, catalogue, (evidence,) if evidence else usual_folders(file.parent), datetime.now(UTC), strategies
    )


def _standing(verification: EvidenceVerification, subject: str, fault: str, file: Path) -> ContractStanding:
    from secondsite.drill.verdict.judgement import worst
    from secondsite.model.errors import InputError

    rows = [row for row in verification.rows if (row.contract.about, row.contract.fault) == (subject, fault)]
    if not rows:
        known = ", ".join(dict.fromkeys(row.contract.name for row in verification.rows)) or "none"
        raise InputError.at(str(file), f"unknown contract {subject}/{fault}", f"there are: {known}")
    verdict = worst(row.verdict for row in rows)
    deciding: ContractVerdict = next((row for row in rows if row.verdict is verdict), rows[0])
    changed = "".join(f"; {problem}" for problem in verification.problems)
    scope = deciding.measurement.scope if deciding.measurement else ""
    return ContractStanding(f"{subject}/{fault}", str(verdict), deciding.why + changed, deciding.measurement, scope)
