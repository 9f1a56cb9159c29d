"""The part of a bill that pays for other people's work and one's own: secrets, managed NATS, people's hours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from attrs import frozen

from secondsite.catalogue.figures import Figures
from secondsite.catalogue.prices import ManagedPlan
from secondsite.evaluate.bill import GIB, SECONDS, USD, Bill, CostItem, gigabytes
from secondsite.evaluate.cost_network import stream_rates
from secondsite.evaluate.derive import count, product, total
from secondsite.model.deployment import Deployment, LinkKind, SiteRole
from secondsite.model.estimate import Estimate, unbounded
from secondsite.model.nats import Stream
from secondsite.model.stated import stated
from secondsite.strategies.sizing import stream_bytes

DRILLS = "drills"


def service_items(bill: Bill, people: Mapping[str, Estimate]) -> Iterator[CostItem]:
    yield from _secrets(bill)
    if bill.deployment.managed_plan:
        yield _managed(bill)
    yield from _people(bill, people)


def _secrets(bill: Bill) -> Iterator[CostItem]:
    """One region keeps what is in an outside store today; several need every secret there, in each of them."""
    secrets = [secret for secret in bill.deployment.system.secrets if bill.multi_region or secret.store]
    regions = [site.region for site in bill.deployment.sites if site.role is not SiteRole.WITNESS]
    if not secrets:
        return
    refresh = bill.figures["secret.refresh"]
    for region in regions:
        kept = count("secrets", len(secrets), f"{len(secrets)} kept in {region.name}", unit="secret")
        reads = sum(SECONDS / max(s.refresh_s or refresh.mean, 1.0) for s in secrets) / 1e4
        calls = count("reads", reads, "each secret once a refresh interval", refresh, unit="10k calls")
        name = f"secrets, {region.name}"
        parts = [bill.item(f"{name}, kept", kept, bill.price("secret_month", region)).monthly_usd]
        if any(site.region == region for site in bill.staffed):
            parts.append(bill.item(f"{name}, read", calls, bill.price("secret_calls_10k", region)).monthly_usd)
        yield CostItem(name, total(name, USD, parts))


def _people(bill: Bill, people: Mapping[str, Estimate]) -> Iterator[CostItem]:
    hours = dict(people)
    if bill.multi_region:
        hours.setdefault(DRILLS, bill.figures["drill.people-hours"])
    wage = stated(
        bill.deployment.system,
        "economics.engineer_usd_per_hour",
        "an engineer's hour",
        bill.economics.engineer_usd_per_hour,
        "USD/h",
    )
    for name, spent in hours.items():
        yield bill.item(f"people, {name}", spent, wage)


@frozen
class Demand:
    """What the streams ask of a managed service; sizes in GB, network in GB a month."""

    streams: int
    ha_streams: int
    standard_gb: float
    ha_gb: float
    network_gb: float

    def exceeds(self, plan: ManagedPlan) -> tuple[str, ...]:
        """The limits that money cannot raise; network over the limit is billed by the GB."""
        limits = (
            ("streams", self.streams, plan.streams),
            ("HA streams", self.ha_streams, plan.ha_streams),
            ("GB of standard storage", self.standard_gb, plan.standard_storage_gb),
            ("GB of HA storage", self.ha_gb, plan.ha_storage_gb),
        )
        return tuple(f"{asked:.3g} {what} of {limit:g}" for what, asked, limit in limits if asked > limit)


def demand(deployment: Deployment, figures: Figures) -> Demand:
    """Streams of every region count, mirrors too; a stream of unknown size has an even share of what is stored."""
    streams = [stream for cluster in deployment.clusters for stream in cluster.streams]
    origins = [stream for stream in streams if stream.mirror is None]
    share = stream_bytes(deployment.system, figures) / max(len(origins), 1)
    rates = stream_rates(deployment.system)
    delivered = sum(rates.get(s.name, 0.0) * (1 + len(s.consumers)) for s in origins)
    ha, standard = [s for s in streams if s.replicas > 1], [s for s in streams if s.replicas <= 1]
    return Demand(
        streams=len(streams),
        ha_streams=len(ha),
        standard_gb=_stored(standard, share) / GIB,
        ha_gb=_stored(ha, share) / GIB,
        network_gb=delivered * SECONDS / GIB,
    )


def _stored(streams: Sequence[Stream], share: float) -> float:
    return sum(share if stream.bytes is None else float(stream.bytes) for stream in streams)


def _managed(bill: Bill) -> CostItem:
    """The smallest published plan that holds the streams, with overage; by quote when none does."""
    name = f"managed NATS, {bill.deployment.managed_plan}"
    provider = bill.deployment.managed_plan.split("-")[0]
    asked = demand(bill.deployment, bill.figures)
    plans = [plan for plan in bill.prices.plans if plan.provider == provider]
    bills = [_plan_bill(bill, plan, asked, name) for plan in plans if not asked.exceeds(plan)]
    if bills:
        return CostItem(name, min(bills, key=lambda cost: cost.mean))
    largest = max(plans, key=lambda plan: plan.ha_storage_gb, default=None)
    why = f"no published plan is known for {provider}"
    if largest:
        why = f"larger than the published plan {largest.name}: {', '.join(asked.exceeds(largest))}; by quote only"
    return CostItem(name, unbounded(name, USD, why))


def _plan_bill(bill: Bill, plan: ManagedPlan, asked: Demand, name: str) -> Estimate:
    one = count("plans", 1, f"{plan.name} holds {asked.streams} streams", unit="plan")
    parts = [product(f"{name}, {plan.name}", USD, one, bill.prices.get(plan.provider, plan.item))]
    over = max(asked.network_gb - plan.network_gb, 0.0)
    if over:
        why = f"{asked.network_gb:.3g} GB delivered, {plan.network_gb:g} in the plan"
        quantity = count("network over the plan", over, why, unit="GB")
        parts.append(product(f"{name}, overage", USD, quantity, bill.prices.get(plan.provider, "client_egress_gb")))
    between = sum(link.bytes_per_s for link in bill.deployment.links if link.kind is LinkKind.MANAGED) * SECONDS
    if between:
        quantity = gigabytes("between the provider's regions", between, "mirrors")
        parts.append(product(f"{name}, mirrors", USD, quantity, bill.prices.get(plan.provider, "gateway_egress_gb")))
    return total(name, USD, parts)
