"""What a deployment costs a month, item by item, at the list prices of any of the three providers.

Every item keeps its quantities and prices as inputs, down to the row of the price list. Quantities that no
manifest tells are assumed figures of the catalogue.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from secondsite.catalogue.bundle import Catalogue
from secondsite.evaluate.bill import USD, Bill, CostItem
from secondsite.evaluate.cost_compute import compute_items
from secondsite.evaluate.cost_network import network_items
from secondsite.evaluate.cost_services import service_items
from secondsite.evaluate.cost_stores import store_items
from secondsite.evaluate.derive import total
from secondsite.model.deployment import Deployment
from secondsite.model.economics import Economics
from secondsite.model.estimate import Estimate

__all__ = ["CostItem", "machines_usd", "monthly_cost", "people_usd", "total_cost"]


def monthly_cost(
    deployment: Deployment, provider: str, catalogue: Catalogue, *, economics: Economics, people: Mapping[str, Estimate]
) -> tuple[CostItem, ...]:
    """Items in USD a month. ``people`` are hours a month by what they are spent on.

    Raises InputError where a region has no counterpart on ``provider`` or no price is known.
    """
    prices = catalogue.prices
    bill = Bill(deployment, provider, prices, catalogue.figures, economics, prices.node_type(provider))
    return (*compute_items(bill), *store_items(bill), *network_items(bill), *service_items(bill, people))


def people_usd(items: Sequence[CostItem]) -> Estimate:
    """The part that is hours of one's own people, a month."""
    return total("people's hours", USD, [item.monthly_usd for item in items if item.for_people])


def machines_usd(items: Sequence[CostItem]) -> Estimate:
    """The part that the provider is paid, a month; unbounded when an item has no price."""
    return total("the provider's part", USD, [item.monthly_usd for item in items if not item.for_people])


def total_cost(items: Sequence[CostItem]) -> Estimate:
    """The sum of all items; unbounded when one has no price."""
    return total("monthly cost", USD, [item.monthly_usd for item in items])
