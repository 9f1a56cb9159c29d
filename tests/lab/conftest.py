"""Deployments of the small system, and labs that end with the test."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from secondsite.model.deployment import Deployment
from secondsite.model.strategy import Strategy
from secondsite.strategies.compose import lay_out
from secondsite.strategies.design import Kit


@pytest.fixture(scope="session")
def laid_out(kit: Kit) -> Callable[[str], Deployment]:
    return lambda strategy: lay_out(Strategy.parse(strategy), kit)
