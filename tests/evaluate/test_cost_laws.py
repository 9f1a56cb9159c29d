"""What holds for every deployment and price list."""

from __future__ import annotations

import math
from collections.abc import Callable

from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secondsite.catalogue.bundle import Catalogue
from secondsite.evaluate.cost import monthly_cost, total_cost
from secondsite.evaluate.derive import leaves
from secondsite.model.deployment import Deployment, PlacedService
from secondsite.model.economics import Economics
from secondsite.model.load import Load
from secondsite.model.system import System

Lay = Callable[..., Deployment]
PROVIDER = st.sampled_from(["aws", "gcp", "azure"])
LAWS = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def total(deployment: Deployment, provider: str, catalogue: Catalogue) -> float:
    return total_cost(monthly_cost(deployment, provider, catalogue, economics=Economics(), people={})).mean


@LAWS
@given(PROVIDER, st.floats(0, 1e5), st.floats(1, 100))
def test_more_load_never_costs_less(
    warm_standby: Lay, kgents: System, catalogue: Catalogue, provider: str, load: float, factor: float
) -> None:
    less = warm_standby(evolve(kgents, load=Load(mean_per_s=load)))
    more = warm_standby(evolve(kgents, load=Load(mean_per_s=load * factor)))
    assert total(less, provider, catalogue) <= total(more, provider, catalogue) + 1e-6


@LAWS
@given(PROVIDER, st.integers(0, 1), st.integers(0, 13), st.integers(1, 30))
def test_more_replicas_never_cost_less(
    warm_standby: Lay, catalogue: Catalogue, provider: str, site: int, index: int, added: int
) -> None:
    deployment = warm_standby()
    services = list(deployment.sites[site].services)
    services[index] = PlacedService(services[index].service, services[index].replicas + added)
    sites = list(deployment.sites)
    sites[site] = evolve(sites[site], services=tuple(services))
    grown = evolve(deployment, sites=tuple(sites))
    assert total(deployment, provider, catalogue) <= total(grown, provider, catalogue) + 1e-6


@LAWS
@given(PROVIDER, st.floats(0, 1e4), st.booleans())
def test_items_sum_to_the_total_and_all_leaves_say_where_they_come_from(
    single_region: Lay, warm_standby: Lay, kgents: System, catalogue: Catalogue, provider: str, load: float, two: bool
) -> None:
    lay = warm_standby if two else single_region
    deployment = lay(evolve(kgents, load=Load(mean_per_s=load)))
    items = monthly_cost(deployment, provider, catalogue, economics=Economics(), people={})
    whole = total_cost(items)
    assert math.isclose(whole.mean, sum(item.monthly_usd.mean for item in items))
    assert whole.plausible[0] <= 1 <= whole.plausible[1]
    for item in items:
        assert item.monthly_usd.mean >= 0
        assert all(leaf.source and leaf.unit is not None for leaf in leaves(item.monthly_usd))
        assert item.monthly_usd.unit == "USD/month"
