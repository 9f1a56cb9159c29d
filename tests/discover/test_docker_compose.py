"""Docker compose files and a server's own configuration, as people have them before they have manifests."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from secondsite.discover.manifests import Discovery, discover
from secondsite.model.mark import Knowledge
from secondsite.model.nats import NatsCluster
from secondsite.model.service import Role

BASE = """
services:
  bus:
    image: nats:2.12.1-alpine
    command: ["-c", "/etc/nats.conf"]
    volumes:
      - ./bus.conf:/etc/nats.conf:ro
      - bus-data:/data
  desk-api:
    image: example.org/desk/api:${TAG:-3.1}
    environment:
      NATS_URL: nats://bus:4222
      DATABASE_URL: postgres://desk@db:5432/desk
    ports: ["127.0.0.1:8080:80/tcp"]
    deploy: {replicas: 2, resources: {limits: {cpus: "0.5", memory: 256M}}}
  mailer:
    build: ./mailer
    environment: [NATS_URL=nats://bus:4222]
  db:
    image: postgres:16
    volumes: [{type: volume, source: db, target: /var/lib/postgresql/data}]
volumes: {bus-data: {}, db: {}}
"""
CONF = """
server_name: bus
jetstream { store_dir: /data, max_file_store: 5Gi }
"""
MANIFEST = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec: {replicas: 1, template: {spec: {containers: [{name: shop, image: example.org/shop:1}]}}}
"""


def _read(folder: Path, *names: str, **files: str) -> Discovery:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return discover([folder / name for name in names] or [folder], base=folder)


def _cluster(found: Discovery) -> NatsCluster:
    (cluster,) = found.system.nats
    return cluster


def test_a_compose_file_is_read_with_what_it_mounts(tmp_path: Path) -> None:
    found = _read(tmp_path, compose_yaml=BASE, bus_conf=CONF)
    system = found.system
    assert {s.name: s.role for s in system.services} == {
        "bus": Role.NATS,
        "desk-api": Role.API,
        "mailer": Role.WORKER,
        "db": Role.DATABASE,
    }
    cluster = _cluster(found)
    assert (cluster.version, cluster.jetstream, cluster.max_file_bytes) == ("2.12.1-alpine", True, 5 << 30)
    assert system.marks["nats.bus.max_file"].place is not None
    assert system.marks["nats.bus.max_file"].place.file == "bus.conf"
    api = next(s for s in system.services if s.name == "desk-api")
    assert (api.replicas, api.image, set(api.depends_on)) == (2, "example.org/desk/api:3.1", {"bus", "db"})
    assert api.ports == (80,)
    assert [(store.engine, store.persistent) for store in system.stores] == [("postgres", True)]


def test_what_compose_does_not_say_is_assumed(tmp_path: Path) -> None:
    marks = _read(tmp_path, compose_yaml=BASE, bus_conf=CONF).system.marks
    for key in ("services.bus.kind", "services.db.volumes.db-0.size", "stores.db.size"):
        assert marks[key].origin is Knowledge.ASSUMED
        assert "docker compose" in marks[key].why


def test_a_script_that_a_service_runs_is_read_once_and_said_nothing_of(tmp_path: Path) -> None:
    setup = """  setup:
    image: natsio/nats-box:0.18.0
    volumes: ["./streams.sh:/streams.sh:ro"]
    command: ["sh", "/streams.sh"]
volumes:"""
    script = "nats stream add JOBS --subjects 'jobs.>' --server nats://bus:4222 --defaults\n"
    found = _read(
        tmp_path, compose_yaml=BASE.replace("volumes: {bus", f"{setup} {{bus"), streams_sh=script, bus_conf=CONF
    )
    assert [stream.name for stream in _cluster(found).streams] == ["JOBS"]
    assert not [note for note in found.notes if "streams.sh" in note]


def test_servers_of_one_cluster_are_one(tmp_path: Path) -> None:
    names = ("nats-1", "nats-2", "nats-3")
    routes = ",".join(f"nats://{name}:6222" for name in names)
    command = f"-js -sd /data --cluster_name main --cluster nats://0.0.0.0:6222 --routes {routes}"
    services = "".join(f"  {name}: {{image: 'nats:2.11.4', command: '{command}'}}\n" for name in names)
    cluster = _cluster(_read(tmp_path, **{"docker-compose_yml": f"services:\n{services}"}))
    assert (cluster.servers, cluster.jetstream, cluster.cluster_name, cluster.store_dir) == (3, True, "main", "/data")


def test_an_override_is_laid_over_and_a_variant_is_not(tmp_path: Path) -> None:
    override = "services:\n  bus: {image: 'nats:2.12.9'}\n  desk-api: {environment: {MORE: 'x'}}\n"
    variant = "services:\n  bus: {image: 'nats:2.9.0'}\n"
    found = _read(tmp_path, compose_yaml=BASE, bus_conf=CONF, compose_override_yaml=override, compose_prod_yaml=variant)
    assert _cluster(found).version == "2.12.9"
    api = next(s for s in found.system.services if s.name == "desk-api")
    assert "bus" in api.depends_on, "the environment is merged, not replaced"
    assert any(problem.place.file == "compose.prod.yaml" for problem in found.skipped)
    named = discover([tmp_path / "compose.yaml", tmp_path / "compose.prod.yaml"], base=tmp_path)
    assert _cluster(named).version == "2.9.0"


def test_beside_manifests_it_is_left_out_unless_it_is_named(tmp_path: Path) -> None:
    found = _read(tmp_path, compose_yaml=BASE, bus_conf=CONF, shop_yaml=MANIFEST)
    assert [service.name for service in found.system.services] == ["shop"]
    assert any("docker compose file" in problem.what for problem in found.skipped)
    named = _read(tmp_path, "compose.yaml")
    assert _cluster(named).name == "bus"


def test_a_configuration_alone_is_a_server_of_unknown_version(tmp_path: Path) -> None:
    routed = CONF + "cluster { name: main, routes: [nats://a:6222, nats://b:6222, nats://c:6222] }\n"
    found = _read(tmp_path, bus_conf=routed)
    cluster = _cluster(found)
    assert (cluster.name, cluster.servers, cluster.version, cluster.cluster_name) == ("bus", 3, "", "main")
    for key in ("nats.bus.servers", "nats.bus.version", "services.bus.kind"):
        assert found.system.marks[key].origin is Knowledge.ASSUMED
    assert _cluster(_read(tmp_path, "bus.conf")).max_file_bytes == 5 << 30


def test_another_programs_conf_is_no_server(tmp_path: Path) -> None:
    found = _read(tmp_path, shop_yaml=MANIFEST, nginx_conf="worker_processes 4;\nhttp { server { listen 80; } }\n")
    assert found.system.nats == ()


@pytest.mark.parametrize("text", [BASE, MANIFEST, json.dumps({"apiVersion": "v1", "kind": "List", "items": []}) + "\n"])
def test_a_lone_dash_is_standard_input(tmp_path: Path, text: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "secondsite", "init", "-", "--yes"],
        input=text,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    empty = '"items": []' in text
    assert done.returncode == (2 if empty else 0), done.stderr + done.stdout
    assert (tmp_path / "secondsite.yaml").exists() is not empty
    if empty:
        assert "holds no Kubernetes objects" in done.stderr


def test_a_service_or_a_role_beside_it_runs_nothing(tmp_path: Path) -> None:
    role = "apiVersion: v1\nkind: Service\nmetadata: {name: outside}\nspec: {ports: [{port: 4222}]}\n"
    assert _cluster(_read(tmp_path / "a", compose_yaml=BASE, bus_conf=CONF, service_yaml=role)).name == "bus"
    assert _cluster(_read(tmp_path / "b", bus_conf=CONF, service_yaml=role)).name == "bus"
