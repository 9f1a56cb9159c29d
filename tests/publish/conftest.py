"""One evaluation of the small system, shared by every test of what is published; and names that bite."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import attrs
import pytest
from browser import Browser, chromium

from secondsite.catalogue.bundle import load_catalogue
from secondsite.evaluate.compare import compare, suiting
from secondsite.evaluate.evaluation import Evaluation
from secondsite.model.deployment import Deployment
from secondsite.model.hazard import Hazard
from secondsite.model.procedure import Procedure
from secondsite.model.settings import Settings
from secondsite.model.system import System

Rename = Callable[[Evaluation, Callable[[str], str]], Evaluation]


@pytest.fixture(scope="session")
def evaluation(system: System) -> Evaluation:
    """Without the strategy that costs as much as the recommended one, give or take 5 %: which of the two wins says
    nothing about how it is published, and one with mirrors has more to publish."""
    compared = tuple(one for one in suiting(system) if one.id != "warm-standby/stretch/failover-record")
    return compare(system, load_catalogue(), no_findings, years=2000, strategies=compared)


def no_findings(_system: System, _deployment: Deployment, _procedures: tuple[Procedure, ...]) -> tuple[Hazard, ...]:
    return ()


@pytest.fixture(scope="session")
def short(evaluation: Evaluation) -> Evaluation:
    """The baseline and the recommendation alone."""
    return attrs.evolve(evaluation, assessments=(evaluation.assessments[0], evaluation.recommended))


@pytest.fixture(scope="session")
def rename() -> Rename:
    """Every text of an evaluation put through a function, at any depth; the words of enumerations stay."""
    return lambda evaluation, change: _renamed(evaluation, change, {})


def _renamed(value: Any, change: Callable[[str], str], done: dict[int, Any]) -> Any:
    if isinstance(value, Enum) or value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str):
        return change(value) if value else value
    if id(value) not in done:
        done[id(value)] = _renamed_container(value, change, done)
    return done[id(value)]


def _renamed_container(value: Any, change: Callable[[str], str], done: dict[int, Any]) -> Any:
    if attrs.has(type(value)):
        fields = [field for field in attrs.fields(type(value)) if field.init]
        parts = {field.alias: _renamed(getattr(value, field.name), change, done) for field in fields}
        return type(value)(**parts)
    if isinstance(value, Settings):
        return value  # words of the JetStream API: field names that no text shows
    if isinstance(value, Mapping):
        return {_renamed(k, change, done): _renamed(v, change, done) for k, v in value.items()}
    return type(value)(_renamed(item, change, done) for item in value)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    profile: Path = tmp_path_factory.mktemp("chromium")
    with chromium(profile) as running:
        yield running
