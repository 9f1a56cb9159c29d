"""The staging of some user in two regions: a cluster each whose pods a fake kubelet runs, NATS under leases, a
database, a name server, the user's own API over HTTPS, and a backup.

Real: kube-apiserver and etcd, nats-server with its gate, PostgreSQL with its standby, Knot DNS, TLS. Played: the
kubelet (`small_kubelet`).
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

from attrs import evolve, frozen
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from identities import certificate
from knot_server import RECORDS, knot
from kube_api import KubeApi, kube_api
from leased_home import LeasedPair, Link
from nats_world import free_ports, wait_until
from operated_cluster import SHOP, service
from operated_system import HOST, LEAF, TTL_S, Ran, operated, system_of
from region_pair import AWAY, HOME, _answers, create
from running_system import workload
from small_kubelet import PodProcess, SmallKubelet, command_of, nothing
from staging_stores import LOGINS, STORE, StagingPostgres

from secondsite.discover.system_file.writing import write_system
from secondsite.kube.faults import ALLOWED, ALLOWED_LABEL, GUARD
from secondsite.lab.postgres_files import WRITER
from secondsite.model.access import RegionPlace, StoreAccess
from secondsite.model.deployment import Deployment
from secondsite.model.operate import Environment, GameDay, Operate, WritePath
from secondsite.model.system import System
from secondsite.model.traffic import Traffic
from secondsite.model.units import Seconds
from secondsite.model.watching import WatchPolicy
from secondsite.strategies.design import Kit

ENTRANCES = {HOME: "127.0.61.1", AWAY: "127.0.62.1"}
WINDOW_S = 1.0
BODY = '{"order": {"number": "$ID", "item": "$KEY", "text": "$DATA"}}'


@frozen
class Staging:
    """``verb`` runs the command line; nothing but the system file says where anything is."""

    folder: Path
    pair: LeasedPair
    clusters: Mapping[str, KubeApi]
    deployment: Deployment
    guard: SmallKubelet
    postgres: StagingPostgres

    @property
    def file(self) -> Path:
        return self.folder / "secondsite.yaml"

    async def ran(self, *arguments: str, **more: str) -> Ran:
        environment = {"DR_NATS": "operator", "HOME": str(self.folder), "PATH": os.environ["PATH"]}
        environment |= {**self.postgres.environment, **more}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "secondsite", *arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
            cwd=self.folder,
        )
        out, err = await process.communicate()
        return Ran(process.returncode or 0, out.decode(), err.decode())

    async def backed_up(self) -> str:
        store = f"file://{self.folder}/backups"
        at = f"nats://127.0.0.1:{self.pair.ports[HOME][0]}"
        made = await self.ran("backup", "--nats", at, "--to", store, NATS_USER="operator", NATS_PASSWORD="operator")
        assert made.code == 0, made.err
        return store

    def replicas(self, region: str) -> dict[str, int]:
        found: dict[str, int] = {}
        for kind in ("deployments", "statefulsets"):
            path = f"/apis/apps/v1/namespaces/{SHOP}/{kind}"
            items = json.loads(self.clusters[region].request("GET", path))["items"]
            found |= {one["metadata"]["name"]: one["spec"]["replicas"] for one in items}
        return found


def _certificates(folder: Path) -> None:
    authority, server = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca = certificate("authority", authority, None)
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(ca.public_bytes(pem))
    (folder / "api.pem").write_bytes(certificate("api", server, (ca, authority), (HOST,)).public_bytes(pem))
    text = server.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "api.key").write_bytes(text)


def _staging(operate: Operate, uids: Mapping[str, str], folder: Path, port: int) -> Operate:
    places = tuple(evolve(one, stores=(StoreAccess(STORE, f"env:{LOGINS[one.region]}"),)) for one in operate.places)
    path = WritePath(f"https://{HOST}:{port}/orders", body=BODY, ca=f"file:{folder / 'ca.pem'}")
    day = GameDay((uids[HOME],), f"file:{folder / 'production.yaml'}")
    return evolve(operate, environment=Environment.STAGING, places=places, path=path, game_day=day)


def _production(system: System) -> System:
    """Somewhere else altogether; its references lead nowhere here, and are not followed."""
    assert system.operate
    places = tuple(_elsewhere(place) for place in system.operate.places)
    operate = Operate(deployed=LEAF, places=places, writers=system.operate.writers)
    return evolve(system, operate=operate, traffic=Traffic(host="api.production.example", ttl_s=Seconds(60)))


def _elsewhere(place: RegionPlace) -> RegionPlace:
    assert place.nats
    assert place.kube
    nats = evolve(place.nats, url=f"nats://nats.{place.region}.production.example:4222", password="env:PRODUCTION")
    return RegionPlace(place.region, nats, kube=evolve(place.kube, cluster=f"production-{place.region}"))


def _pods(
    pair: LeasedPair, postgres: StagingPostgres, region: str, folder: Path, port: int
) -> dict[str, Callable[[], PodProcess]]:
    nats = f"nats://127.0.0.1:{pair.ports[region][0]}"
    tls = ("--cert", str(folder / "api.pem"), "--key", str(folder / "api.key"))
    here = ("--host", ENTRANCES[region], "--port", str(port))
    program = str(Path(__file__).with_name("user_api.py"))
    log = str(folder / f"api-{region}.log")
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "DR_NATS": "operator", **postgres.environment}
    writes = ("--nats", nats, "--user", "app", "--postgres", postgres.login(region, WRITER))
    guard = ("drill", "undo", "--guard", "--file", str(folder / "secondsite.yaml"), "--every-s", "0.4")
    return {
        "nats": lambda: PodProcess(partial(pair.start, region), partial(pair.kill, region)),
        "postgres": partial(postgres.pod, region),
        "api": partial(command_of, sys.executable, program, *here, *tls, *writes, log=log),
        GUARD: partial(
            command_of,
            *(sys.executable, "-m", "secondsite", *guard),
            environment=environment,
            log=str(folder / "guard.log"),
        ),
        "kong": nothing,
    }


def _deployed(api: KubeApi, region: str) -> None:
    """Without kubectl, which takes a second for each object."""
    labels = {ALLOWED_LABEL: ALLOWED}
    api.create("/api/v1/namespaces", {"metadata": {"name": SHOP, "labels": labels}})
    guards = [service(GUARD, 1)] if region == HOME else []
    for one in (*(service(name, 2 if region == HOME else 1) for name in ("api", "kong")), *guards):
        api.create(f"/apis/apps/v1/namespaces/{SHOP}/deployments", one)
    for name in (STORE, "nats"):
        kept = workload("StatefulSet", name, SHOP, {"image": name}, replicas=1, serviceName=name)
        api.create(f"/apis/apps/v1/namespaces/{SHOP}/statefulsets", kept)
    spec = {"type": "LoadBalancer", "selector": {"app": "kong"}, "ports": [{"port": 80}]}
    services = f"/api/v1/namespaces/{SHOP}/services"
    api.create(services, {"metadata": {"name": "kong"}, "spec": spec})
    status = {"loadBalancer": {"ingress": [{"ip": ENTRANCES[region]}]}}
    api.request("PATCH", f"{services}/kong/status", {"status": status})


def _clusters(stack: ExitStack, folder: Path) -> dict[str, KubeApi]:
    """Started beside each other."""

    def one(region: str) -> KubeApi:
        (folder / f"kube-{region}").mkdir()
        api = stack.enter_context(kube_api(folder / f"kube-{region}", {}))
        _deployed(api, region)
        return api

    with ThreadPoolExecutor() as pool:
        return dict(zip((HOME, AWAY), pool.map(one, (HOME, AWAY)), strict=True))


def _healthy(monitor: int) -> bool:
    """A server greets before it lets anybody in."""
    return _answers(f"http://127.0.0.1:{monitor}/healthz")


@asynccontextmanager
async def staging(kit: Kit, folder: Path) -> AsyncIterator[Staging]:
    """Everything up and calm; nobody writes yet."""
    deployment = system_of(kit, stores=True)
    pair, port = LeasedPair(folder, deployment), free_ports(1)[0]
    _certificates(folder)
    postgres = StagingPostgres.made(folder / "postgres")
    (folder / "dns").mkdir()
    records = RECORDS.replace("api A 192.0.2.1", f"api {TTL_S:g} A {ENTRANCES[HOME]}")
    with ExitStack() as stack:
        clusters = _clusters(stack, folder)
        dns = stack.enter_context(knot(folder / "dns", records=records))
        watch = WatchPolicy(window_s=Seconds(WINDOW_S))
        operate = operated(deployment, pair, clusters, (dns, port), watch)
        uids = {place.region: place.kube.cluster for place in operate.places if place.kube}
        traffic = Traffic(HOST, Seconds(TTL_S), automatic=True, check_interval_s=Seconds(1), check_threshold=2)
        system = evolve(deployment.system, traffic=traffic, marks={})
        written = evolve(system, operate=_staging(operate, uids, folder, port))
        (folder / "secondsite.yaml").write_text(write_system(written))
        (folder / "production.yaml").write_text(write_system(_production(evolve(system, operate=operate))))
        async with Link(pair.link, pair.ports[HOME][2]).up():
            kubelets = {}
            for region, api in clusters.items():
                kubelets[region] = SmallKubelet(api, _pods(pair, postgres, region, folder, port))
                stack.enter_context(kubelets[region].up())
            for region in clusters:
                await asyncio.to_thread(wait_until, partial(_healthy, pair.ports[region][1]))
            await create(pair, deployment)
            await pair.opened()
            await postgres.caught_up()
            yield Staging(folder, pair, clusters, deployment, kubelets[HOME], postgres)
