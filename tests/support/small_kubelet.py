"""A fake kubelet, and no more: for each workload of a real API server it makes pods, and runs a process for each pod.

It stands for scheduler, controllers and kubelet together. What it shares with the real ones is what a fault does: a pod
that is deleted without grace is killed, nothing starts on a cordoned node, and a workload is ready when its pods are.
No image is pulled, no container made, no network policy enforced.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import urllib.error
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from attrs import define, field
from kube_api import KubeApi
from operated_cluster import SHOP

NODE = "node-1"
_EVERY_S = 0.15


@define
class PodProcess:
    """``start`` returns when it is ready."""

    start: Callable[[], None]
    kill: Callable[[], None]


def command_of(*command: str, environment: Mapping[str, str] | None = None, log: str = os.devnull) -> PodProcess:
    """A process in a session of its own, ready when it is started."""
    running: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        with open(log, "ab") as out:  # noqa: PTH123 - a device, too
            running.append(subprocess.Popen(command, env=environment, stdout=out, stderr=out, start_new_session=True))

    def kill() -> None:
        for process in running:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(60)
        running.clear()

    return PodProcess(start, kill)


def nothing() -> PodProcess:
    """A pod of which no test needs the process."""
    return PodProcess(lambda: None, lambda: None)


@define
class SmallKubelet:
    """``makes`` by workload: a process for each new pod of it."""

    api: KubeApi
    makes: Mapping[str, Callable[[], PodProcess]]
    processes: dict[str, PodProcess] = field(factory=dict)
    _made: int = 0
    _stopped: threading.Event = field(factory=threading.Event)

    @contextmanager
    def up(self) -> Iterator[None]:
        self._node()
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            thread.join()
            for process in self.processes.values():
                process.kill()

    def _run(self) -> None:
        while not self._stopped.wait(_EVERY_S):
            with suppress(OSError, urllib.error.URLError):
                self.round()

    def round(self) -> None:
        pods = self._list(f"/api/v1/namespaces/{SHOP}/pods")
        there = {pod["metadata"]["name"] for pod in pods}
        for name in [one for one in self.processes if one not in there]:
            self.processes.pop(name).kill()
        for kind in ("deployments", "statefulsets"):
            for workload in self._list(f"/apis/apps/v1/namespaces/{SHOP}/{kind}"):
                self._workload(kind, workload, pods)

    def _workload(self, kind: str, workload: dict[str, Any], pods: list[dict[str, Any]]) -> None:
        name, wanted = workload["metadata"]["name"], workload["spec"].get("replicas", 1)
        mine = [pod["metadata"]["name"] for pod in pods if pod["metadata"].get("labels", {}).get("app") == name]
        for surplus in mine[wanted:]:
            self._delete(surplus)
            self.processes.pop(surplus, nothing()).kill()
        missing = wanted - len(mine) if self._schedulable() else 0
        mine += [self._start(name) for _ in range(missing)]
        ready = len(mine[:wanted])
        status = {"observedGeneration": workload["metadata"]["generation"], "replicas": ready, "readyReplicas": ready}
        if status.items() - workload.get("status", {}).items():
            path = f"/apis/apps/v1/namespaces/{SHOP}/{kind}/{name}/status"
            self.api.request("PATCH", path, {"status": status})

    def _start(self, name: str) -> str:
        self._made += 1
        pod = f"{name}-{self._made}"
        metadata = {"name": pod, "namespace": SHOP, "labels": {"app": name, "app.kubernetes.io/name": name}}
        spec = {"nodeName": NODE, "containers": [{"name": name, "image": name}]}
        self.api.create(f"/api/v1/namespaces/{SHOP}/pods", {"metadata": metadata, "spec": spec})
        process = self.makes.get(name, nothing)()
        process.start()
        self.processes[pod] = process
        return pod

    def _delete(self, pod: str) -> None:
        with suppress(urllib.error.HTTPError):
            self.api.request("DELETE", f"/api/v1/namespaces/{SHOP}/pods/{pod}?gracePeriodSeconds=0")

    def _schedulable(self) -> bool:
        node = json.loads(self.api.request("GET", f"/api/v1/nodes/{NODE}"))
        return not node["spec"].get("unschedulable")

    def _node(self) -> None:
        self.api.create("/api/v1/nodes", {"metadata": {"name": NODE}})

    def _list(self, path: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.api.request("GET", path))["items"]
        return found
