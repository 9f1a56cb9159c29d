"""The Qdrants of a lab: one in each region, and neither knows of the other, as Qdrant follows no other cluster.

A server of Qdrant runs where one is at hand (``SECONDSITE_QDRANT``, or ``qdrant`` on the PATH); else Qdrant's own
storage engine behind the lab's HTTP (`qdrant_process.py`), and everything that reports says so. The second region's
holds nothing until a snapshot is restored there.
"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
from functools import cached_property, partial
from pathlib import Path

from attrs import frozen

from secondsite.lab.binaries import binary, digest
from secondsite.lab.qdrant_process import PACKAGE
from secondsite.lab.store_fleet import Database, StoreFleet
from secondsite.lab.supervisor import Spec, python
from secondsite.model.store import Loss
from secondsite.stores.qdrant import QdrantPlace, QdrantServer
from secondsite.strategies.snapshots import QDRANT_PORT
from secondsite.strategies.stores import QDRANT, StoreReplica, store_replicas

COLLECTION, DIMENSIONS = "secondsite", 8
_PROGRAM = "SECONDSITE_QDRANT"
_WITHIN_S = 2.0


@frozen
class QdrantFleet(StoreFleet):
    """None where no second region waits."""

    ENGINES = QDRANT
    PORT = QDRANT_PORT

    @property
    def installed(self) -> bool:
        return self.program is not None or self.engine is not None

    @cached_property
    def program(self) -> Path | None:
        """A server of Qdrant itself."""
        given = os.environ.get(_PROGRAM) or shutil.which("qdrant")
        return Path(given) if given else None

    @cached_property
    def engine(self) -> Path | None:
        return binary(PACKAGE, "qdrant_edge.abi3.so")

    @cached_property
    def runs(self) -> str:
        """What runs here, in words."""
        if self.program is None:
            return f"Qdrant's engine qdrant-edge {importlib.metadata.version(PACKAGE)} behind the lab's HTTP"
        done = subprocess.run([self.program, "--version"], capture_output=True, text=True, check=True)  # noqa: S603 - given
        return f"Qdrant server {done.stdout.split()[-1]}"

    @property
    def instead(self) -> dict[str, str]:
        """By store, what runs in the place of its own server."""
        what = f"Qdrant's engine (qdrant-edge {importlib.metadata.version(PACKAGE)}) without its server"
        return {} if self.program else dict.fromkeys(self.stores, what)

    @cached_property
    def databases(self) -> tuple[Database, ...]:
        standby = self.deployment.standby
        if not self.wanted or not self.installed or standby is None:
            return ()
        taken = len(store_replicas(self.deployment))
        regions = (self.deployment.primary.region.name, standby.region.name)
        mine = [s for s in self.deployment.system.stores if s.engine in self.ENGINES and s.loss is Loss.DATA]
        return tuple(
            Database(StoreReplica(store, *regions), region, taken + number)
            for number, store in enumerate(mine)
            for region in regions
        )

    def digests(self) -> dict[str, str]:
        runs = self.program or self.engine
        return {self.runs: digest(runs)} if self.databases and runs else {}

    def replaced(self) -> tuple[str, ...]:
        """What runs in the place of a version that cannot be had, in words."""
        lines = []
        for store in (each.replica.store for each in self.databases if not each.standby):
            service = self.deployment.system.service(store.service)
            image = (service.image if service else "") or "nothing that is known"
            lines.append(f"{store.name} runs {image}: {self.runs} is used instead")
        return tuple(lines)

    def url(self, store: str, region: str, reached_from: str = "") -> str:
        return f"http://{self.endpoint(self.find(store, region), reached_from)}"

    def qdrant(self, store: str, region: str, within_s: float = _WITHIN_S) -> QdrantServer:
        return QdrantServer(QdrantPlace(self.url(store, region), within_s=within_s))

    def keep(self, store: str, region: str, archive: Path) -> None:
        """The files of a server that has ended go to the archive."""
        data = self.data(self.find(store, region))
        subprocess.run(["tar", "-C", str(data.parent), "-cSpf", str(archive), data.name], check=True)  # noqa: S603, S607 - our own files

    def _spec(self, database: Database, *, fenced: bool) -> Spec:
        data, at = self.data(database), self.endpoint(database)
        if not data.exists():
            data.parent.mkdir(parents=True)
            if aged := None if database.standby else self.aged.get(database.replica.store.name):
                subprocess.run(["tar", "-C", str(data.parent), "-xpf", str(aged)], check=True)  # noqa: S603, S607 - our own files
            data.mkdir(exist_ok=True)
        own = tuple(python("secondsite.lab.qdrant_process", at.host, str(at.port), str(data)))
        settings = {
            "QDRANT__SERVICE__HOST": at.host,
            "QDRANT__SERVICE__HTTP_PORT": str(at.port),
            "QDRANT__SERVICE__GRPC_PORT": str(at.port + 1),
            "QDRANT__STORAGE__STORAGE_PATH": str(data / "storage"),
            "QDRANT__STORAGE__SNAPSHOTS_PATH": str(data / "snapshots"),
            "QDRANT__TELEMETRY_DISABLED": "true",
        }
        return Spec(
            database.name,
            (str(self.program),) if self.program else own,
            ready=partial(self._ready, database),
            region=database.region,
            environment=settings if self.program else {},
        )

    async def _ready(self, database: Database) -> bool:
        """The first region's has the collection that clients write to."""
        import httpx2

        url = f"{self.url(database.replica.store.name, database.region)}/collections"
        wanted = {"vectors": {"size": DIMENSIONS, "distance": "Cosine"}}
        try:
            async with httpx2.AsyncClient(timeout=_WITHIN_S, trust_env=False, verify=False) as client:
                listed = (await client.get(url)).json()["result"]["collections"]
                if database.standby or any(each["name"] == COLLECTION for each in listed):
                    return True
                return (await client.put(f"{url}/{COLLECTION}", json=wanted)).status_code == 200
        except (httpx2.HTTPError, ValueError, KeyError, TypeError):
            return False
