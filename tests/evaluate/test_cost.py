"""Bills checked by hand, one for each provider, and the odd deployments."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import evolve
from work import calls

from secondsite.catalogue.bundle import Catalogue, load_catalogue
from secondsite.catalogue.figures import load_figures
from secondsite.catalogue.prices import NodeType
from secondsite.evaluate.cost import CostItem, monthly_cost, total_cost
from secondsite.evaluate.derive import leaves
from secondsite.evaluate.failed_over import failed_over, hours_away
from secondsite.evaluate.faults import FaultModel
from secondsite.evaluate.nodes import node_need
from secondsite.model.backup import Backup, Content, Where
from secondsite.model.contract import Subject
from secondsite.model.deployment import Copy, Deployment, LinkKind, PlacedService, Site, SiteRole, WanLink
from secondsite.model.economics import Economics
from secondsite.model.errors import InputError
from secondsite.model.estimate import Estimate, Provenance, fixed
from secondsite.model.fault import Fault
from secondsite.model.load import Load
from secondsite.model.nats import NatsCluster, Stream
from secondsite.model.region import Region
from secondsite.model.service import Role, Service, Spreading
from secondsite.model.strategy import Link, Pattern, Strategy
from secondsite.model.system import System
from secondsite.model.traffic import Traffic
from secondsite.model.units import Bytes, Cores, Seconds

Lay = Callable[..., Deployment]
GIB = 2**30
MONTH_S = 730 * 3600


def bill(deployment: Deployment, provider: str, catalogue: Catalogue, **people: Estimate) -> dict[str, CostItem]:
    items = monthly_cost(deployment, provider, catalogue, economics=Economics(), people=people)
    assert len({item.name for item in items}) == len(items), "an item's name tells it from all others"
    return {item.name: item for item in items}


def usd(items: dict[str, CostItem], name: str) -> float:
    return items[name].monthly_usd.mean


def test_single_region_on_aws_by_hand(single_region: Lay, catalogue: Catalogue) -> None:
    items = bill(single_region(), "aws", catalogue)
    gib_month = 40 * 1024 * MONTH_S / GIB
    per_stream = gib_month / 3
    by_hand = {
        "control plane, us-east-1": 0.10 * 730,
        "nodes, us-east-1": 3 * 0.096 * 730,
        "node disks, us-east-1": 3 * 20 * 0.08,
        "public addresses, us-east-1": (3 + 1) * 0.005 * 730,
        "volumes, us-east-1": (3 * 10 + 20 + 20 + 20 + 10 + 10) * 0.08,
        "transfer between zones, us-east-1": 0.02
        * (per_stream * (2 + 2 / 3) * 2 + per_stream * 2 / 3 + gib_month * 2 * 2 / 3),
        "transfer to the internet": (gib_month - 100) * 0.09,
        "load balancer, us-east-1": 0.0225 * 730,
        "load balancer traffic, us-east-1": 2 * gib_month * 0.006,
        "NAT, us-east-1": 0.045 * 730 + 20 * 0.045,
        "DNS zone": 0.50,
        "DNS queries": 200 * MONTH_S / 60 / 1e6 * 0.40,
        "secrets, us-east-1": 0.40 + MONTH_S / 300 / 1e4 * 0.05,
    }
    assert {name: usd(items, name) for name in items} == pytest.approx(by_hand)


def test_single_region_comes_near_the_budget_asked(single_region: Lay, catalogue: Catalogue) -> None:
    """About $340 a month is what the platform's owners ask for today's region."""
    infrastructure = total_cost(monthly_cost(single_region(), "aws", catalogue, economics=Economics(), people={}))
    assert 340 * 0.85 < infrastructure.mean < 340 * 1.15


def test_single_region_on_google_by_hand(single_region: Lay, catalogue: Catalogue) -> None:
    items = bill(single_region(), "gcp", catalogue)
    gib_month = 40 * 1024 * MONTH_S / GIB
    assert usd(items, "nodes, us-east-1") == pytest.approx(3 * (2 * 0.02457 + 8 * 0.003292) * 730)
    assert usd(items, "volumes, us-east-1") == pytest.approx(110 * 0.10)
    assert usd(items, "NAT, us-east-1") == pytest.approx(3 * 0.0014 * 730 + 20 * 0.045)
    assert usd(items, "transfer to the internet") == pytest.approx(gib_month * 0.12)
    assert usd(items, "DNS zone") == 0.20
    assert "us-east4" in str(items["nodes, us-east-1"].monthly_usd.inputs)


def test_warm_standby_on_azure_by_hand(warm_standby: Lay, catalogue: Catalogue) -> None:
    items = bill(warm_standby(), "azure", catalogue, operations=fixed("hours", 6, "h/month", "asked"))
    gib_month = 40 * 1024 * MONTH_S / GIB
    assert usd(items, "nodes, us-west-2") == pytest.approx(3 * 0.096 * 730)
    assert usd(items, "volumes, us-west-2") == pytest.approx(110 * 19.71 / 128, rel=1e-9), "the unit price not rounded"
    assert usd(items, "node disks, us-west-2") == pytest.approx(3 * 19.71)
    assert usd(items, "transfer us-east-1 → us-west-2, leaf") == pytest.approx(gib_month * 0.02)
    assert usd(items, "health checks") == pytest.approx(2 * (0.36 + 0 + 1.00))
    assert usd(items, "people, operations") == 600
    assert usd(items, "people, drills") == pytest.approx(11.33 * 100)
    assert "transfer between zones, us-east-1" not in items, "Azure does not charge for it"


def test_a_figure_can_be_walked_to_list_price_and_quantity(single_region: Lay, catalogue: Catalogue) -> None:
    item = bill(single_region(), "aws", catalogue)["control plane, us-east-1"]
    price = next(leaf for leaf in leaves(item.monthly_usd) if leaf.unit == "USD/h")
    assert (price.mean, price.provenance) == (0.10, Provenance.PUBLISHED)
    assert item.monthly_usd.formula == "1 control plane × 730 h/month × 0.1 USD/h"
    assert item.provenance is Provenance.PUBLISHED
    assert "Infracost" in item.source


def test_provenance_is_that_of_the_weakest_input(warm_standby: Lay, catalogue: Catalogue) -> None:
    items = bill(warm_standby(), "aws", catalogue)
    assert items["volumes, us-east-1"].provenance is Provenance.PUBLISHED
    assert items["volumes, us-west-2"].provenance is Provenance.ASSUMED
    assert items["DNS queries"].provenance is Provenance.ASSUMED


def nodes(services: tuple[Service, ...], lay: Lay, catalogue: Catalogue, zones: int = 3) -> tuple[float, float]:
    home = Region("aws", "us-east-1", zones)
    items = bill(lay(System("s", home, services=services)), "aws", catalogue)
    item = items.get("nodes, us-east-1")
    return (item.monthly_usd.mean, item.by_request.mean if item.by_request else 0) if item else (0.0, 0.0)


def sized(cores: float, gib: float, replicas: int, **more: object) -> Service:
    return Service(
        f"s{cores}-{gib}",
        replicas=replicas,
        cpu_request_cores=Cores(cores),
        memory_request_bytes=Bytes(int(gib * GIB)),
        **more,  # type: ignore[arg-type] # keyword arguments of Service, spelled at the call
    )


@pytest.mark.parametrize(
    ("services", "machines"),
    [
        ((sized(1.7, 1, 1),), 1),
        ((sized(1.8, 1, 1),), 2),
        ((sized(0.1, 6.8, 1),), 1),
        ((sized(0.1, 7.0, 1),), 2),
        ((sized(0.1, 0.1, 1),), 1),
        ((sized(0.1, 0.1, 2),), 2),
        ((sized(0.1, 0.1, 9),), 2),
        ((sized(0.1, 0.1, 5, spread_nodes=Spreading.REQUIRED),), 5),
        ((sized(0.1, 0.1, 3, role=Role.NATS),), 3),
        ((sized(0.85, 0.1, 2), sized(0.84, 0.1, 2, kind="DaemonSet")), 2),
        ((sized(0.85, 0.1, 2), sized(0.9, 0.1, 1, kind="DaemonSet")), 3),
    ],
)
def test_nodes_by_requests_and_spread(
    services: tuple[Service, ...], machines: int, single_region: Lay, catalogue: Catalogue
) -> None:
    assert nodes(services, single_region, catalogue)[0] == pytest.approx(machines * 0.096 * 730)


def test_nodes_by_request_are_not_rounded(single_region: Lay, catalogue: Catalogue) -> None:
    assert nodes((sized(0.85, 0.1, 1),), single_region, catalogue)[1] == pytest.approx(0.5 * 0.096 * 730)


@pytest.mark.parametrize(
    ("service", "assumed"),
    [
        (sized(0.1, 0.1, 1), []),
        (evolve(sized(0.1, 0.1, 1), cpu_request_cores=None), ["container.cpu"]),
        (
            evolve(sized(0.1, 0.1, 1), cpu_request_cores=None, memory_request_bytes=None),
            ["container.cpu", "container.memory"],
        ),
    ],
)
def test_what_a_container_does_not_request_is_assumed_and_said(
    service: Service, assumed: list[str], single_region: Lay
) -> None:
    site = single_region(System("s", Region("aws", "us-east-1"), services=(service, service))).primary
    laid_out = single_region(System("s", Region("aws", "us-east-1"), services=(service,)))
    need = node_need(laid_out, site, NodeType("aws", "small", 2.0, 8.0), load_figures())
    names = [estimate.name for estimate in need.count.inputs]
    assert [name for name in names if name.startswith("container.")] == assumed
    low, high = need.share.plausible
    assert low <= 1 <= high


def test_a_system_with_nothing_in_it_is_priced(single_region: Lay, catalogue: Catalogue) -> None:
    items = bill(single_region(System("empty", Region("aws", "us-east-1"), load=Load(0, 0))), "aws", catalogue)
    assert "nodes, us-east-1" not in items
    assert usd(items, "control plane, us-east-1") == 73


def test_a_witness_costs_its_machine_and_no_control_plane(warm_standby: Lay, catalogue: Catalogue) -> None:
    base = warm_standby()
    witness = Site(Region("aws", "us-east-2"), SiteRole.WITNESS, (PlacedService("nats", 1),), control_plane=False)
    items = bill(evolve(base, sites=(*base.sites, witness)), "aws", catalogue)
    assert usd(items, "nodes, us-east-2") == pytest.approx(0.096 * 730)
    extra = {name for name in items if "us-east-2" in name}
    assert extra == {f"{what}, us-east-2" for what in ("nodes", "node disks", "volumes", "public addresses")}, (
        "its machine has no NAT gateway to go out through"
    )


def test_a_vault_costs_its_backups_and_a_drill_in_full(single_region: Lay, catalogue: Catalogue) -> None:
    none, hourly = fixed("none", 0, "s", "test"), fixed("hourly", 3600, "s", "test")
    copies = tuple(
        Copy(subject, "x", "us-west-2", method, none, none, hourly, frozenset[Fault]())
        for subject, method in ((Subject.NATS, "stream backup"), (Subject.STATE, "scheduled backup"))
    )
    base = single_region()
    vault = Site(Region("aws", "us-west-2"), SiteRole.VAULT, control_plane=False)
    deployment = evolve(
        base,
        strategy=Strategy(Pattern.BACKUP_RESTORE, Link.BACKUP),
        sites=(*base.sites, vault),
        copies=copies,
        links=(WanLink(LinkKind.BACKUP, "us-east-1", "us-west-2", "streams", 1024.0),),
    )
    items = bill(deployment, "aws", catalogue)
    assert usd(items, "stream backup, us-west-2") == pytest.approx(38.64), "10 GiB an hour, for a week"
    assert usd(items, "drills, machines") == pytest.approx(3 * 4 * 0.096)
    assert usd(items, "secrets, us-west-2") == pytest.approx(0.40)
    assert "scheduled backup, us-west-2" not in items, "the system names no stores"
    assert "nodes, us-west-2" not in items


def test_backups_of_today(single_region: Lay, kgents: System, catalogue: Catalogue) -> None:
    def one(content: Content, where: Where) -> Backup:
        return Backup("b", ("postgres",), content, where, Seconds(86400), retention_s=Seconds(30 * 86400))

    def cost(backup: Backup) -> float | None:
        items = bill(single_region(evolve(kgents, backups=(backup,))), "aws", catalogue)
        return usd(items, "backup b") if "backup b" in items else None

    assert cost(one(Content.VOLUMES, Where.REGION)) == pytest.approx(20 * 0.5 * (1 + 0.1 * 30) * 0.055)
    assert cost(one(Content.DATA, Where.ELSEWHERE)) == pytest.approx(20 * 0.5 * (1 + 0.1 * 30) * 0.023)
    assert cost(one(Content.DATA, Where.CLUSTER)) is None
    assert cost(one(Content.CONFIGURATION, Where.REGION)) is None


def managed(lay: Lay, kgents: System, *sizes: int, replicas: int = 3, load: float = 1.0) -> Deployment:
    streams = tuple(Stream(f"s{i}", replicas=replicas, bytes=Bytes(size)) for i, size in enumerate(sizes))
    system = evolve(kgents, nats=(NatsCluster("nats", streams=streams),), load=Load(mean_per_s=load))
    return lay(system, managed_plan="synadia")


@pytest.mark.parametrize(
    ("sizes", "replicas", "plan_usd"),
    [
        ((GIB // 4, GIB // 4), 3, 49),
        ((GIB // 4,) * 3, 3, 199),
        ((GIB, GIB), 3, 199),
        ((GIB,) * 3, 1, 49),
        ((8 * GIB, 8 * GIB), 1, 199),
    ],
)
def test_the_smallest_plan_that_holds_the_streams(
    sizes: tuple[int, ...], replicas: int, plan_usd: float, single_region: Lay, kgents: System, catalogue: Catalogue
) -> None:
    items = bill(managed(single_region, kgents, *sizes, replicas=replicas), "aws", catalogue)
    assert usd(items, "managed NATS, synadia") == plan_usd


def test_network_over_the_plan_is_billed_and_the_cheapest_plan_that_holds_is_taken(
    single_region: Lay, kgents: System, catalogue: Catalogue
) -> None:
    def cost(load: float) -> float:
        return usd(bill(managed(single_region, kgents, GIB // 4, load=load), "aws", catalogue), "managed NATS, synadia")

    def gib_month(load: float) -> float:
        return load * 1024 * MONTH_S / GIB

    assert cost(100) == pytest.approx(49 + (gib_month(100) - 100) * 0.09)
    with_overage = {"starter": 49 + (gib_month(1000) - 100) * 0.09, "pro": 199 + (gib_month(1000) - 1024) * 0.09}
    assert cost(1000) == pytest.approx(min(with_overage.values()))


def test_streams_beyond_every_plan_are_by_quote(single_region: Lay, kgents: System, catalogue: Catalogue) -> None:
    items = monthly_cost(managed(single_region, kgents, 11 * GIB), "aws", catalogue, economics=Economics(), people={})
    item = next(item for item in items if item.name.startswith("managed"))
    assert item.monthly_usd.unbounded
    assert "11 GB of HA storage of 10; by quote" in item.source
    assert total_cost(items).unbounded


def test_every_hourly_snapshot_that_is_kept_is_paid(single_region: Lay, kgents: System, catalogue: Catalogue) -> None:
    """510 GiB in streams, copied whole every hour and kept for a week: about 1,970 USD a month, not 20."""
    streams = (Stream("S", replicas=3, bytes=Bytes(510 * GIB)),)
    system = evolve(kgents, nats=(NatsCluster("nats", service="nats", streams=streams),))
    none, hourly = fixed("none", 0, "s", "test"), fixed("hourly", 3600, "s", "test")
    copy = Copy(Subject.NATS, "streams", "us-west-2", "stream backup", none, none, hourly, frozenset[Fault]())
    vault = Site(Region("aws", "us-west-2"), SiteRole.VAULT, control_plane=False)
    base = single_region(system)
    items = bill(evolve(base, sites=(*base.sites, vault), copies=(copy,)), "aws", catalogue)
    assert usd(items, "stream backup, us-west-2") == pytest.approx(510 * 168 * 0.023)
    assert usd(items, "stream backup, us-west-2") == pytest.approx(1970, rel=0.001)


def test_us_west_2_has_prices_of_its_own(warm_standby: Lay, catalogue: Catalogue) -> None:
    """Nothing of a standby in Oregon is priced as if it stood in Virginia."""
    items = bill(warm_standby(), "aws", catalogue)
    there = {name: item for name, item in items.items() if "us-west-2" in name}
    assert {"nodes, us-west-2", "node disks, us-west-2", "volumes, us-west-2", "NAT, us-west-2"} <= set(there)
    sources = [leaf.source for item in there.values() for leaf in leaves(item.monthly_usd)]
    assert not [source for source in sources if "taken for us-west-2" in source]
    assert catalogue.prices.get("aws", "node_hour:m6i.large", "us-west-2").provenance is Provenance.PUBLISHED


def test_while_failed_over_the_standby_is_paid_at_full_size_and_nothing_is_copied(
    warm_standby: Lay, single_region: Lay, catalogue: Catalogue
) -> None:
    normal = warm_standby()
    away = failed_over(normal)
    assert away
    there, before = bill(away, "aws", catalogue), bill(normal, "aws", catalogue)
    assert usd(there, "nodes, us-west-2") == usd(before, "nodes, us-east-1"), "as large as the first region was"
    assert not [name for name in there if "us-east-1" in name], "what is away is not paid"
    assert not [name for name in there if name.startswith("transfer us-")]
    assert total_cost(tuple(there.values())).mean < total_cost(tuple(before.values())).mean
    assert failed_over(single_region()) is None, "there is nowhere to go"
    hours = hours_away(FaultModel(catalogue.figures, "aws", ("us-east-1",)))
    assert hours.mean == pytest.approx(0.32 * math.exp(6.06 + 1.31**2 / 2) / 60), (
        "0.32 losses, each as ISSRE22 has them"
    )


def test_fast_health_checks_and_routing_policies(warm_standby: Lay, catalogue: Catalogue) -> None:
    slow = warm_standby(traffic=Traffic(automatic=True, check_interval_s=Seconds(30)))
    by_hand = warm_standby(traffic=Traffic())
    active = warm_standby(strategy=Strategy(Pattern.ACTIVE_ACTIVE, Link.SOURCED))
    queries = 200 * MONTH_S / 60 / 1e6
    assert usd(bill(warm_standby(), "aws", catalogue), "health checks") == 2 * 2.5
    assert usd(bill(slow, "aws", catalogue), "health checks") == 2 * 1.5
    assert "health checks" not in bill(by_hand, "aws", catalogue)
    assert usd(bill(by_hand, "gcp", catalogue), "DNS queries") == pytest.approx(queries * 0.40)
    assert usd(bill(slow, "gcp", catalogue), "DNS queries") == pytest.approx(queries * 0.70)
    assert usd(bill(active, "aws", catalogue), "DNS queries") == pytest.approx(queries * 0.40), (
        "weighted, not by latency"
    )


def test_a_region_without_counterpart_or_price_is_an_error_that_helps(
    single_region: Lay, kgents: System, catalogue: Catalogue, tmp_path: Path
) -> None:
    moved = single_region(evolve(kgents, region=Region("hetzner", "fsn1")))
    with pytest.raises(InputError, match=r"add-counterpart hetzner fsn1"):
        bill(moved, "aws", catalogue)
    (tmp_path / "region_counterparts.csv").write_text(
        "provider,region,aws,gcp,azure,source,as_of,provenance\n"
        "hetzner,fsn1,eu-central-1,europe-west3,germanywestcentral,nearest metropolis,2026-11,assumed\n",
        "utf-8",
    )
    assert usd(bill(moved, "aws", load_catalogue(tmp_path)), "nodes, fsn1") == pytest.approx(3 * 0.115 * 730)
    with pytest.raises(InputError, match=r"no machine type is known for provider hetzner"):
        bill(moved, "hetzner", catalogue)


def test_pricing_is_little_work(warm_standby: Lay, catalogue: Catalogue) -> None:
    """One evaluation prices dozens of deployments on three lists."""
    deployment = warm_standby()
    assert calls(lambda: monthly_cost(deployment, "aws", catalogue, economics=Economics(), people={})) < 10_000
