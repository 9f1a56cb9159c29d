"""`init --kube`: what a real API server holds, by whoever may see how much of it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import chdir, redirect_stderr, redirect_stdout
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import running_system as running
from kube_api import ADMIN, KubeApi, kube_api
from nats_world import free_port

from secondsite.cli.__main__ import run
from secondsite.discover.system_file.reading import load_system
from secondsite.kube import listing
from secondsite.model.mark import Knowledge
from secondsite.model.system import System

READER, NARROW, STRANGER = "reader", "narrow", "stranger"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeApi]:
    with kube_api(tmp_path_factory.mktemp("kube"), {READER: "readers", NARROW: "narrow", STRANGER: "none"}) as made:
        _applied(made, [running.CRD, *running.namespaces()])
        made.done(ADMIN, "wait", "--for", "condition=established", "crd/streams.jetstream.nats.io")
        extra = [running.named("ConfigMap", f"extra-{number}", "other", data={"a": "b"}) for number in range(5)]
        objects = [*running.nats_server(), running.stream(), running.service(), running.secret(), *extra]
        _applied(made, [*objects, running.service("api", "other", replicas=2), *_rights()])
        yield made


def _applied(api: KubeApi, objects: list[dict[str, Any]]) -> None:
    api.done(ADMIN, "apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))


def _rights() -> list[dict[str, Any]]:
    """A reader of workloads everywhere, who may not see ConfigMaps; one who sees one namespace but its Secrets."""
    rbac = "rbac.authorization.k8s.io/v1"
    some = [
        {"apiGroups": ["apps", "jetstream.nats.io"], "resources": ["*"], "verbs": ["list"]},
        {"apiGroups": [""], "resources": ["services"], "verbs": ["list"]},
    ]
    core = ["configmaps", "services", "persistentvolumeclaims"]
    most = [
        {"apiGroups": [""], "resources": core, "verbs": ["list"]},
        {"apiGroups": ["apps", "batch", "jetstream.nats.io"], "resources": ["*"], "verbs": ["list"]},
    ]
    return [
        running.named("ClusterRole", "some", version=rbac, rules=some),
        running.named("ClusterRoleBinding", "some", version=rbac, **_bound("ClusterRole", "some", "readers")),
        running.named("Role", "most", "shop", version=rbac, rules=most),
        running.named("RoleBinding", "most", "shop", version=rbac, **_bound("Role", "most", "narrow")),
    ]


def _bound(kind: str, role: str, group: str) -> dict[str, Any]:
    whom = {"kind": "Group", "name": group, "apiGroup": "rbac.authorization.k8s.io"}
    return {"roleRef": {"kind": kind, "name": role, "apiGroup": "rbac.authorization.k8s.io"}, "subjects": [whom]}


def secondsite(folder: Path, *arguments: str) -> tuple[int, str, str]:
    """Exit code and what was printed, in this process: bounds can be set."""
    out, err = StringIO(), StringIO()
    with chdir(folder), redirect_stdout(out), redirect_stderr(err):
        return run([*arguments]), out.getvalue(), err.getvalue()


def _init(api: KubeApi, folder: Path, who: str, *more: str) -> tuple[int, str, str]:
    kubeconfig = str(api.folder / "config")
    return secondsite(folder, "init", "--kube", who, "--kubeconfig", kubeconfig, *more)


def _read(folder: Path) -> System:
    return load_system(folder / "secondsite.yaml")


@pytest.mark.slow
class TestRealServer:
    def test_all_that_runs_is_read_page_by_page(
        self, api: KubeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(listing, "PAGE", 2)
        code, out, err = _init(api, tmp_path, ADMIN)
        assert code == 0, err
        system = _read(tmp_path)
        assert {(one.name, one.namespace, one.replicas) for one in system.services} == {
            ("api", "other", 2),
            ("shop/api", "shop", 4),
            ("bus", "shop", 3),
        }
        (cluster,) = system.nats
        assert (cluster.cluster_name, cluster.version, cluster.jetstream, cluster.max_file_bytes) == (
            *("acme-main", "2.11.4", True),
            15 * 2**30,
        )
        assert [stream.name for stream in cluster.streams] == ["ORDERS"]
        assert "Secrets are never read" in out

    def test_every_value_says_where_it_stands(self, api: KubeApi, tmp_path: Path) -> None:
        _init(api, tmp_path, ADMIN)
        marks = _read(tmp_path).marks
        replicas, store = marks["services.bus.replicas"], marks["nats.bus.max_file"]
        assert (replicas.origin, str(replicas.place)) == (Knowledge.READ, "context:admin shop/StatefulSet/bus")
        assert str(store.place) == "context:admin shop/ConfigMap/bus-config:5:3"

    def test_a_secret_is_known_by_what_refers_to_it(self, api: KubeApi, tmp_path: Path) -> None:
        _init(api, tmp_path, ADMIN)
        secrets = {(one.namespace, one.keys) for one in _read(tmp_path).secrets if one.name.endswith("login")}
        assert secrets == {("shop", ("password",)), ("other", ("password",))}
        written = "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
        assert running.PASSWORD not in written

    def test_a_kind_that_may_not_be_listed_is_unknown_and_ends_nothing(self, api: KubeApi, tmp_path: Path) -> None:
        code, out, _ = _init(api, tmp_path, READER, "--verbose")
        assert code == 0
        assert "context:reader */configmaps" in out
        assert "may not be listed (403)" in out.replace("\n  ", " ")
        (cluster,) = _read(tmp_path).nats
        assert cluster.jetstream  # by its streams: the ConfigMap that says so was not to be seen
        assert _read(tmp_path).marks["nats.bus.jetstream"].origin is Knowledge.ASSUMED

    def test_a_namespace_is_enough(self, api: KubeApi, tmp_path: Path) -> None:
        code, _, err = _init(api, tmp_path, NARROW, "--namespace", "shop")
        assert code == 0, err
        assert {one.name for one in _read(tmp_path).services} == {"api", "bus"}

    def test_nothing_that_may_be_seen_is_told_with_the_refusal(self, api: KubeApi, tmp_path: Path) -> None:
        code, _, err = _init(api, tmp_path, STRANGER)
        assert code == 2
        assert "403" in err
        assert not (tmp_path / "secondsite.yaml").exists()

    def test_a_login_that_is_not_accepted(self, api: KubeApi, tmp_path: Path) -> None:
        config = json.loads((api.folder / "config").read_text())
        for user in config["users"]:
            user["user"]["token"] = "expired"
        (tmp_path / "config").write_text(json.dumps(config))
        code, _, err = secondsite(tmp_path, "init", "--kube", ADMIN, "--kubeconfig", str(tmp_path / "config"))
        assert code == 2
        assert "context:admin: the credentials of this context are rejected (401)" in err

    def test_a_folder_is_completed(self, api: KubeApi, tmp_path: Path) -> None:
        (tmp_path / "k8s").mkdir()
        mine = running.service(replicas=7)
        del mine["metadata"]["namespace"]
        (tmp_path / "k8s" / "api.json").write_text(json.dumps(mine))
        code, _, err = _init(api, tmp_path, ADMIN, "--namespace", "shop", "k8s")
        assert code == 0, err
        assert {(one.name, one.replicas) for one in _read(tmp_path).services} == {("api", 7), ("bus", 3)}


def _kubeconfig(folder: Path, server: str) -> Path:
    path = folder / "config"
    user = {"name": "u", "user": {"token": "t"}}
    cluster = {"name": "c", "cluster": {"server": server}}
    context = {"name": "prod", "context": {"cluster": "c", "user": "u"}}
    path.write_text(json.dumps({"clusters": [cluster], "users": [user], "contexts": [context]}))
    return path


class TestNoServer:
    def test_a_context_that_is_not_there(self, tmp_path: Path) -> None:
        path = _kubeconfig(tmp_path, "http://127.0.0.1:1")
        code, _, err = secondsite(tmp_path, "init", "--kube", "staging", "--kubeconfig", str(path))
        assert code == 2
        assert f"{path}: has no context staging; name one of: prod" in err

    def test_a_file_that_is_no_kubeconfig(self, tmp_path: Path) -> None:
        path = tmp_path / "config"
        path.write_text("- a\n- b\n")
        code, _, err = secondsite(tmp_path, "init", "--kube", "prod", "--kubeconfig", str(path))
        assert code == 2
        assert "not a kubeconfig" in err

    def test_a_server_that_is_away(self, tmp_path: Path) -> None:
        path = _kubeconfig(tmp_path, f"http://127.0.0.1:{free_port()}")
        code, _, err = secondsite(tmp_path, "init", "--kube", "prod", "--kubeconfig", str(path))
        assert code == 4
        assert "context:prod: no answer" in err

    def test_a_server_that_says_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(listing, "REQUEST_S", 0.2)
        with socket.create_server(("127.0.0.1", 0)) as silent:
            path = _kubeconfig(tmp_path, f"http://127.0.0.1:{silent.getsockname()[1]}")
            code, _, err = secondsite(tmp_path, "init", "--kube", "prod", "--kubeconfig", str(path))
        assert code == 4
        assert "no answer within" in err

    def test_a_namespace_without_a_cluster(self, tmp_path: Path) -> None:
        code, _, err = secondsite(tmp_path, "init", "--namespace", "shop", ".")
        assert code == 2
        assert "--kube" in err


class _Api(BaseHTTPRequestHandler):
    """An API server in pieces: ``answers`` by path and what page is asked for; the rest is away."""

    answers: dict[str, tuple[int, object]]

    def do_GET(self) -> None:
        status, body = self.answers.get(self.path, (503, {"message": "no endpoints"}))
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body if isinstance(body, bytes) else json.dumps(body).encode())

    def log_message(self, *_: object) -> None:
        pass


ROOT: dict[str, tuple[int, object]] = {
    "/apis": (200, {"groups": [{"preferredVersion": {"groupVersion": "metrics.k8s.io/v1"}}]}),
    "/api/v1": (200, {"resources": [{"name": "services", "kind": "Service", "namespaced": True, "verbs": ["list"]}]}),
}
SERVICES = "/api/v1/services?limit=250"


def _answered(folder: Path, answers: dict[str, tuple[int, object]]) -> tuple[int, str, str]:
    handler = type("Api", (_Api,), {"answers": {**ROOT, **answers}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    (folder / "app.json").write_text(json.dumps(running.service()))
    path = _kubeconfig(folder, f"http://127.0.0.1:{server.server_address[1]}")
    try:
        command = ("init", "app.json", "--kube", "prod", "--kubeconfig", str(path), "--verbose")
        return secondsite(folder, *command)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ((200, b"<html>"), "did not answer with a JSON object"),
        ((500, {"message": "etcd is away"}), "answered 500 etcd is away"),
        ((200, {"metadata": {"continue": "again"}, "items": []}), "unknown"),
        ((410, {"message": "too old"}), "answered 410 too old"),
    ],
)
def test_what_is_no_list_is_unknown_at_its_place(tmp_path: Path, answer: tuple[int, object], told: str) -> None:
    code, out, _ = _answered(tmp_path, {SERVICES: answer, f"{SERVICES}&continue=again": answer})
    assert code == 0
    assert "context:prod */services" in out
    assert "context:prod */metrics.k8s.io/v1" in out  # an API behind the API that is away
    assert told in out.replace("\n  ", " ")
