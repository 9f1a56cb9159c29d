"""What the printed commands on databases and secrets need: `kubectl` that leads to real servers, and logins.

`kubectl exec postgres-0 -- psql` is psql of the region's server. `kubectl get secret` asks a real kube-apiserver where
one is at hand; one stands for the clusters of both regions, each with namespaces of its own. Elsewhere it prints a
file, and nothing of Kubernetes is shown by that. All else of kubectl is written down.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen
from kube_api import ADMIN, KubeApi, assets, kube_api

from secondsite.lab.postgres_files import OPERATOR, tools
from secondsite.lab.postgres_fleet import conninfo
from secondsite.lab.redis_fleet import OPERATOR as REDIS_OPERATOR
from secondsite.lab.redis_fleet import url
from secondsite.lab.world import Lab

_KUBECTL = """\
#!{python}
import os, pathlib, sys
words, folder = sys.argv[1:], pathlib.Path({folder!r})
region = words[words.index("--context") + 1]
if (folder / ("lost-" + region)).exists() and "get" in words:
    sys.exit("Unable to connect to the server")
if "psql" in words:
    os.environ["PGHOST"], os.environ["PGPORT"] = {databases!r}[region]
    os.execv({psql!r}, words[words.index("psql"):])
if "secret" in words and {config!r}:
    words[words.index("-n") + 1] += "-" + region
    words[words.index("--context") + 1] = {admin!r}
    os.execv({kubectl!r}, ["kubectl", "--kubeconfig", {config!r}, *words])
if "secret" in words:
    kept = folder / region / (words[words.index("-n") + 1] + "." + words[words.index("secret") + 1])
    sys.exit(sys.stdout.write(kept.read_text()) and 0 if kept.exists() else "NotFound")
with open(os.environ["NOTED"], "a") as noted:
    noted.write("kubectl " + " ".join(words) + "\\n")
"""


@frozen
class TypedStores:
    """``folder`` holds what the stand-in for kubectl knows; ``kube`` is None where there is no API server."""

    lab: Lab
    folder: Path
    kube: KubeApi | None

    def lose(self, region: str, lost: bool = True) -> None:
        mark = self.folder / f"lost-{region}"
        mark.touch() if lost else mark.unlink()

    def put(self, region: str, namespace: str, name: str, values: Mapping[str, str]) -> None:
        data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
        document = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data}
        if self.kube is None:
            kept = self.folder / region / f"{namespace}.{name}"
            kept.parent.mkdir(exist_ok=True)
            kept.write_text(json.dumps(document))
            return
        inside = f"{namespace}-{region}"
        if self.kube.run(ADMIN, "get", "namespace", inside).returncode:
            self.kube.create("/api/v1/namespaces", {"metadata": {"name": inside}})
        self.kube.done(ADMIN, "apply", "-n", inside, "-f", "-", stdin=json.dumps(document))

    def write_kubectl(self, at: Path) -> None:
        """In the place of the one that only notes."""
        folder, fleet = tools(), self.lab.databases
        assert folder is not None
        ends = {one.region: fleet.endpoint(one) for one in fleet.databases}
        text = _KUBECTL.format(
            python=sys.executable,
            folder=str(self.folder),
            databases={region: (end.host, str(end.port)) for region, end in ends.items()},
            psql=str(folder / "psql"),
            config=str(self.kube.folder / "config") if self.kube else "",
            kubectl=self.kube.kubectl if self.kube else "",
            admin=ADMIN,
        )
        at.write_text(text)
        at.chmod(0o755)

    def logins(self) -> dict[str, str]:
        """By the variables that the runbook names."""
        folder, postgres, redis = tools(), self.lab.databases, self.lab.stores.redis
        assert folder is not None
        known = {"PATH": f"{folder}:{os.environ['PATH']}"}
        for one in postgres.databases:
            known[f"PG_{_variable(one.region)}"] = conninfo(postgres.endpoint(one), OPERATOR)
        for one in redis.databases:
            known[f"REDIS_{_variable(one.region)}"] = url(redis.endpoint(one), REDIS_OPERATOR)
        return known


def _variable(region: str) -> str:
    return region.upper().replace("-", "_")


@contextmanager
def typed_stores(lab: Lab, folder: Path) -> Iterator[TypedStores]:
    folder.mkdir()
    if assets() is None or shutil.which("kubectl") is None:
        yield TypedStores(lab, folder, None)
        return
    with kube_api(folder, {}) as kube:
        yield TypedStores(lab, folder, kube)
