"""Each test here runs in a child process with hard limits (`fuzz_limits`); the parent only tells what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fuzz_limits import FuzzChild, in_child, limited, tell

CHILDREN: dict[Path, FuzzChild] = {}


@pytest.fixture(autouse=True)
def hard_limits() -> Iterator[None]:
    if not in_child():
        yield
        return
    with limited():
        yield


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if in_child():
        return None
    outcome = _child(pyfuncitem).outcome(named(pyfuncitem.nodeid))
    if outcome.skipped:
        pytest.skip(outcome.skipped)
    if outcome.failure:
        pytest.fail(outcome.failure, pytrace=False)
    return True


def _child(item: pytest.Function) -> FuzzChild:
    """One for the tests of a file that are asked for."""
    if item.path not in CHILDREN:
        for other in CHILDREN.values():
            other.end()
        tests = tuple(named(each.nodeid) for each in item.session.items if each.path == item.path)
        CHILDREN[item.path] = FuzzChild(item.path, tests, item.config.rootpath)
    return CHILDREN[item.path]


def named(node: str) -> str:
    """Within its file."""
    return node.partition("::")[2]


@pytest.hookimpl(trylast=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """In the child: what its parent waits for."""
    done = report.when == "call" or (report.when == "setup" and not report.passed)
    if in_child() and done:
        skipped = str(report.longrepr[2]) if report.skipped and isinstance(report.longrepr, tuple) else ""
        tell(test=named(report.nodeid), failure=report.longreprtext if report.failed else "", skipped=skipped)


def pytest_sessionfinish() -> None:
    for child in CHILDREN.values():
        child.end()
