"""The bill once more, another way: quantities read off the deployment, prices off the tables, by plain arithmetic.

Written from docs/evaluate.md and docs/publish/cost-estimate.md; it shares with the evaluation what a deployment is, the
figures and the rows of the price tables, and no code. Five systems that have little in common must agree to the cent.
"""

from __future__ import annotations

import csv
import math
from importlib.resources import files
from pathlib import Path

import pytest

from secondsite.catalogue.bundle import Catalogue
from secondsite.discover.system_file.reading import load_system
from secondsite.evaluate.assess import plan
from secondsite.evaluate.cost import machines_usd, monthly_cost
from secondsite.model.deployment import Deployment, Site, SiteRole
from secondsite.model.service import Role, Service, Spreading
from secondsite.model.strategy import Link, Strategy

CASES = Path(__file__).parent / "cases"
DATA = files("secondsite.catalogue").joinpath("data")
GIB, HOURS = 2.0**30, 730.0
MONTH_S = HOURS * 3600
SYSTEMS = [
    ("aggr", "warm-standby/leafnode-mirror/failover-record"),
    ("r1node", "single-region/none/manual"),
    ("pgonly", "backup-restore/backup"),
    ("km", "warm-standby/supercluster-mirror-witness"),
    ("kv", "active-active/stretch/weighted"),
]


class Prices:
    """AWS alone; a price that a region has not is that of us-east-1."""

    def __init__(self) -> None:
        self.rows = {
            (row["item"], row["region"]): float(row["price"])
            for row in csv.DictReader(DATA.joinpath("prices.csv").read_text("utf-8").splitlines())
            if row["provider"] == "aws"
        }
        self.pairs = {
            (row["src"], row["dst"]): float(row["price"])
            for row in csv.DictReader(DATA.joinpath("transfer.csv").read_text("utf-8").splitlines())
            if row["provider"] == "aws"
        }

    def of(self, item: str, region: str = "us-east-1") -> float:
        rows = self.rows
        return rows.get((item, region), rows.get((item, "*"), rows.get((item, "us-east-1"), math.nan)))


@pytest.mark.parametrize(("name", "strategy"), SYSTEMS)
def test_the_provider_is_paid_what_a_second_bill_says(name: str, strategy: str, catalogue: Catalogue) -> None:
    system = load_system(CASES / f"{name}.yaml")
    deployment = plan(Strategy.parse(strategy), system, catalogue).deployment
    items = monthly_cost(deployment, "aws", catalogue, economics=system.economics, people={})
    assert machines_usd(items).mean == pytest.approx(_Again(deployment, catalogue).usd(), abs=0.01)


class _Again:
    def __init__(self, deployment: Deployment, catalogue: Catalogue) -> None:
        self.laid, self.system, self.prices = deployment, deployment.system, Prices()
        self.home = deployment.primary.region.name
        self.f = {name: catalogue.figures[name].mean for name in catalogue.figures}
        self.several = str(deployment.strategy.pattern) != "single-region"

    def usd(self) -> float:
        return (
            sum(map(self._site, self.laid.sites)) + self._copies() + self._traffic() + self._names() + self._secrets()
        )

    def _site(self, site: Site) -> float:
        region, p = site.region.name, self.prices
        nodes = self._nodes(site)
        usd = nodes * (HOURS * p.of("node_hour:m6i.large", region) + 20 * p.of("volume_gb_month", region))
        usd += self._volumes(site) / GIB * p.of("volume_gb_month", region)
        door = self._door(site)
        addresses = (site.region.zones if door else 0) + (min(nodes, 1) if site.control_plane else nodes)
        usd += addresses * HOURS * p.of("ipv4_hour", region)
        if site.control_plane:
            usd += HOURS * p.of("control_plane_hour", region)
            gigabytes = self.f["nat.bytes"] / GIB
            usd += (HOURS * p.of("nat_hour", region) + gigabytes * p.of("nat_gb", region)) if nodes else 0
        return usd + (HOURS * p.of("lb_hour", region) if door else 0)

    def _nodes(self, site: Site) -> int:
        cpu = memory = 0.0
        daemon_cpu = daemon_memory = 0.0
        apart = 0
        for service in self.system.services:
            replicas = site.replicas(service.name)
            if not replicas:
                continue
            own = (
                self.f["container.cpu"] if service.cpu_request_cores is None else service.cpu_request_cores,
                self.f["container.memory"] if service.memory_request_bytes is None else service.memory_request_bytes,
            )
            if service.kind == "DaemonSet":
                daemon_cpu, daemon_memory = daemon_cpu + own[0], daemon_memory + own[1]
            else:
                cpu, memory = cpu + replicas * own[0], memory + replicas * own[1]
            apart = max(apart, _apart(service, replicas, site))
        room = 1 - self.f["node.reserve"]
        left = 1 - max(daemon_cpu / 2, daemon_memory / (8 * GIB)) / room
        filled = max(cpu / 2, memory / (8 * GIB)) / room / max(left, 0.1)
        return max(math.ceil(round(filled, 9)), apart)

    def _volumes(self, site: Site) -> float:
        jobs = ("Job", "CronJob")
        size = 0.0
        for service in self.system.services:
            held = float(sum(volume.size_bytes for volume in service.volumes))
            stays = site is self.laid.primary and service.kind in jobs
            size += held * (site.replicas(service.name) or stays)
        return size

    def _door(self, site: Site) -> bool:
        doors = [s.name for s in self.system.services if s.role in (Role.GATEWAY, Role.API)]
        opened = [one for one in self.laid.sites if one.control_plane and any(map(one.replicas, doors))]
        return site in (opened if doors else self.laid.serving)

    def _copies(self) -> float:
        usd = 0.0
        week = self.f["backup.retention-days"]
        for method, region, interval in {(c.method, c.region, c.interval.mean) for c in self.laid.copies}:
            price = self.prices.of("object_gb_month", region)
            if method == "stream backup":
                usd += self._streams() / GIB * week * 86400 / interval * price
            if method == "scheduled backup":
                stored = sum(float(s.size_bytes or 0) for s in self.system.stores if str(s.loss) == "data")
                usd += stored / GIB * (1 + self.f["backup.change-per-day"] * week) * price
        for backup in self.system.backups:
            if str(backup.where) == "same-cluster" or str(backup.content) not in ("messages", "data", "volumes"):
                continue
            covered = [s for s in self.system.services if not backup.covers or s.name in backup.covers]
            size = sum(float(sum(v.size_bytes for v in s.volumes)) * max(s.replicas, 1) for s in covered)
            days = week if backup.retention_s is None else backup.retention_s / 86400
            kept = size * self.f["volume.used-share"] * (1 + self.f["backup.change-per-day"] * days)
            item = "snapshot_gb_month" if str(backup.content) == "volumes" else "object_gb_month"
            usd += kept / GIB * self.prices.of(item, self.home)
        return usd + self._drills()

    def _streams(self) -> float:
        streams = [s for c in self.system.nats for s in c.streams]
        if streams and all(s.bytes is not None for s in streams):
            return float(sum(s.bytes or 0 for s in streams))
        ages = [s.max_age_s for s in streams if s.max_age_s]
        kept = max(ages, default=self.f["stream.age"]) * self.system.load.mean_per_s * self.system.load.message_bytes
        return min(kept, sum(float(c.max_file_bytes or math.inf) for c in self.system.nats))

    def _drills(self) -> float:
        there = self.laid.standby or self.laid.site(SiteRole.VAULT)
        if there is None or not self.several:
            return 0.0
        added = self._nodes(self.laid.primary) - (self._nodes(self.laid.standby) if self.laid.standby else 0)
        price = self.prices.of("node_hour:m6i.large", there.region.name)
        return max(added, 0) * self.f["drill.machine-hours"] * price

    def _rates(self) -> dict[str, float]:
        load, streams = self.system.load, [s for c in self.system.nats for s in c.streams]
        known = sum(s.rate_per_s or 0 for s in streams)
        unknown = [s for s in streams if s.rate_per_s is None]
        rest = max(load.mean_per_s - known, 0) / len(unknown) if unknown else 0
        return {
            s.name: (rest if s.rate_per_s is None else s.rate_per_s) * (s.message_bytes or load.message_bytes)
            for s in streams
        }

    def _traffic(self) -> float:
        load, p, usd = self.system.load, self.prices, 0.0
        requests = load.mean_per_s * load.message_bytes
        serving = self.laid.serving
        for site in self.laid.sites:
            away = 1 - 1 / max(site.region.zones, 1)
            rate = 0.0
            if self.laid.strategy.link is not Link.STRETCH:
                for cluster in self.laid.clusters:
                    if (cluster.region or self.home) == site.region.name:
                        for s in cluster.streams:
                            own = self._rates().get(s.mirror.stream if s.mirror else s.name, 0.0)
                            clients = (0 if s.mirror else 1) + len(s.consumers)
                            rate += own * ((s.replicas - 1) * (1 if away else 0) + clients * away)
            if site in serving:
                rate += requests * self.f["request.hops"] / len(serving) * away
                both = requests * (1 + self.f["response.messages"]) / len(serving)
                if self._door(site):
                    usd += both * MONTH_S / GIB * p.of("lb_gb", site.region.name)
            usd += rate * MONTH_S / GIB * p.of("transfer_cross_zone_gb", site.region.name)
        for link in self.laid.links:
            if link.source != link.target:
                usd += link.bytes_per_s * MONTH_S / GIB * p.pairs[link.source, link.target]
        out = max(requests * self.f["response.messages"] * MONTH_S / GIB - 100, 0)
        for tier, size in (("first_10tb", 10240), ("next_40tb", 40960), ("next_100tb", 102400), ("beyond_150tb", 1e9)):
            usd += min(out, size) * p.of(f"egress_gb:{tier}", self.home)
            out = max(out - size, 0)
        return usd

    def _names(self) -> float:
        traffic, p = self.laid.traffic, self.prices
        usd = p.of("dns_zone_month") + self.f["dns.resolvers"] * MONTH_S / traffic.ttl_s / 1e6 * 0.40
        staffed = [site for site in self.laid.sites if site.control_plane]
        if len(staffed) > 1 and traffic.automatic:
            fast = p.of("health_check_fast_month") if traffic.check_interval_s <= 10 else 0
            usd += len(staffed) * (p.of("health_check_month") + p.of("health_check_https_month") + fast)
        return usd

    def _secrets(self) -> float:
        kept = [secret for secret in self.system.secrets if self.several or secret.store]
        usd = 0.0
        for site in self.laid.sites if kept else ():
            if site.role is not SiteRole.WITNESS:
                usd += len(kept) * self.prices.of("secret_month", site.region.name)
                reads = sum(MONTH_S / (secret.refresh_s or self.f["secret.refresh"]) for secret in kept) / 1e4
                usd += reads * self.prices.of("secret_calls_10k", site.region.name) if site.control_plane else 0
        return usd


def _apart(service: Service, replicas: int, site: Site) -> int:
    """A quorum one machine each, a required spread one each, others two."""
    if service.kind == "DaemonSet":
        return 1
    if service.spread_nodes is Spreading.REQUIRED:
        return replicas
    return 3 if service.role is Role.NATS and replicas >= 3 and site.region.zones >= 3 else min(replicas, 2)
