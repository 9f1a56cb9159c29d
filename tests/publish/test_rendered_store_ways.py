"""What is rendered for a database that commits wait for, that is kept as a log, or that a provider runs."""

from __future__ import annotations

import json
import os
import re
import secrets
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from needed import missing
from ruamel.yaml import YAML
from running_postgres import answers, postgres, sql, until

from secondsite.catalogue.bundle import load_catalogue
from secondsite.discover.system_file.reading import load_system
from secondsite.lab.postgres_files import new_cluster, own, prefix, tools
from secondsite.model.deployment import Deployment
from secondsite.model.store import Replication
from secondsite.model.strategy import Strategy
from secondsite.operate.cluster_jobs import job_origin
from secondsite.publish.deploy.store_archives import KEYS, log_archive_files
from secondsite.publish.deploy.store_providers import TERRAFORM
from secondsite.publish.deploy.tree import files
from secondsite.strategies.compose import lay_out
from secondsite.strategies.deployed_addresses import DeployedAddresses
from secondsite.strategies.design import Kit
from secondsite.strategies.store_servers import CONFIRMING

EXAMPLE = Path(__file__).parents[2] / "examples" / "kgents" / "secondsite.yaml"


def laid_out(kind: str = "StatefulSet", **changes: Any) -> Deployment:
    system = load_system(EXAMPLE)
    stores = tuple(evolve(one, **changes) if one.name == "postgres" else one for one in system.stores)
    services = tuple(evolve(one, kind=kind) if one.name == "postgres" else one for one in system.services)
    kit = Kit.of(evolve(system, stores=stores, services=services), load_catalogue())
    return lay_out(Strategy.parse("warm-standby/leafnode-mirror"), kit)


def tree(deployment: Deployment) -> dict[str, str]:
    book = DeployedAddresses(deployment.system.services, "nats.example.com")
    return dict(files(deployment, book, "secondsite render", "secondsite:1"))


def documents(text: str) -> dict[str, dict[str, Any]]:
    return {each.get("kind", ""): each for each in YAML(typ="safe").load_all(text)}


def commands(readme: str, title: str) -> list[str]:
    """Of the step with that title, in their order."""
    step = readme[readme.index(title) :]
    return step[step.index("```") :].split("```")[1].splitlines()[1:]


def test_a_primary_is_told_to_wait_last_and_only_where_somebody_follows() -> None:
    written = tree(laid_out(replication=Replication.SYNCHRONOUS))
    pod = documents(written["us-west-2/stores/postgres.yaml"])["StatefulSet"]["spec"]["template"]["spec"]
    assert any("application_name=standby" in word for word in pod["containers"][0]["args"])
    assert "synchronous_standby_names" not in written["us-east-1/stores/postgres.sql"]
    lines = commands(written["README.md"], "Let a replica of postgres in us-west-2 follow")
    assert [line.split("/")[-1].split()[0] for line in lines] == [
        "postgres.sql",
        "postgres.yaml",
        "postgres.synchronous.sql",
    ]


def test_a_cluster_of_cloudnativepg_waits_for_the_replica_clusters_name() -> None:
    written = tree(laid_out("Cluster", replication=Replication.SYNCHRONOUS))
    (source,) = documents(written["us-west-2/stores/postgres.yaml"])["Cluster"]["spec"]["externalClusters"]
    patch = documents(written["us-east-1/stores/postgres.synchronous.patch.yaml"])[""]
    waits = patch["spec"]["postgresql"]["synchronous"]
    assert waits["standbyNamesPre"] == [source["connectionParameters"]["application_name"]]
    assert (waits["method"], waits["number"], waits["maxStandbyNamesFromCluster"]) == ("any", 1, 0)
    assert waits["dataDurability"] == "required"
    lines = commands(written["README.md"], "Let a replica of postgres in us-west-2 follow")
    assert lines[-1].startswith("kubectl --context us-east-1 -n kgents-triad patch cluster postgres")


def test_cloudnativepg_ships_to_the_store_that_its_recovery_reads() -> None:
    written = tree(laid_out("Cluster", replication=Replication.ARCHIVE))
    patch = documents(written["us-east-1/stores/postgres.archive.patch.yaml"])[""]["spec"]
    cluster = documents(written["us-west-2/stores/postgres.yaml"])["Cluster"]["spec"]
    (source,) = cluster["externalClusters"]
    assert cluster["bootstrap"] == {"recovery": {"source": source["name"]}}
    shipped = patch["backup"]["barmanObjectStore"]
    assert source["barmanObjectStore"] == {**shipped, "serverName": "postgres"}
    assert patch["postgresql"]["parameters"] == {"archive_timeout": "60s"}
    lines = commands(written["README.md"], "Ship the log of postgres to us-west-2")
    assert not [line for line in lines if "us-west-2" in line], "a second database, before the failover"


@pytest.mark.parametrize("kind", ["StatefulSet", "Cluster"])
def test_the_bucket_of_a_log_is_the_one_that_is_shipped_to_and_keeps_what_is_deleted_for_a_while(kind: str) -> None:
    deployment = laid_out(kind, replication=Replication.ARCHIVE)
    written = tree(deployment)
    made = json.loads(written["log-archive/bucket.tf.json"])
    assert made["provider"]["aws"]["region"] == "us-west-2"
    (label,) = made["resource"]["aws_s3_bucket"]
    bucket = made["resource"]["aws_s3_bucket"][label]
    assert bucket["object_lock_enabled"] is True
    shipping = [text for path, text in written.items() if "/stores/" in path and f"s3://{bucket['bucket']}" in text]
    assert len(shipping) == 2, "from the one region to the other"
    rules = {one["id"]: one for one in made["resource"]["aws_s3_bucket_lifecycle_configuration"][label]["rule"]}
    assert rules["unfinished-uploads"]["abort_incomplete_multipart_upload"] == {"days_after_initiation": 1}
    kept_days = rules["replaced"]["noncurrent_version_expiration"]["noncurrent_days"]
    assert kept_days > made["variable"]["locked_days"]["default"]
    policies = {who: json.loads(one["policy"]) for who, one in made["resource"]["aws_iam_policy"].items()}
    allowed = {who: {each for one in policy["Statement"] for each in one["Action"]} for who, policy in policies.items()}
    assert "s3:PutObject" in allowed[f"{label}_ship"]
    assert allowed[f"{label}_restore"] == {"s3:ListBucket", "s3:GetObject"}
    lines = commands(written["README.md"], "Ship the log of postgres to us-west-2")
    assert [line.split("  #")[0] for line in lines[:2]] == [
        "terraform -chdir=./log-archive init",
        "terraform -chdir=./log-archive apply",
    ]


@pytest.mark.parametrize("kind", ["StatefulSet", "Cluster"])
def test_no_key_of_a_log_s_bucket_is_in_what_is_rendered(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever renders has them in the environment: pods take them from a Secret."""
    keys = (*KEYS, "PGPASSWORD")
    held = {name: secrets.token_hex() for name in keys}
    for name, value in held.items():
        monkeypatch.setenv(name, value)
    written = tree(laid_out(kind, replication=Replication.ARCHIVE))
    assert not [path for path, text in written.items() for value in held.values() if value in text]
    named = [
        (path, given)
        for path, text in written.items()
        if "/stores/" in path and path.endswith(".yaml")
        for given in re.findall(rf"name: (?:{'|'.join(keys)})\n\s+(\w+):", text)
    ]
    assert {given for _, given in named} <= {"valueFrom"}
    assert bool(named) is (kind == "StatefulSet")


def test_no_bucket_is_made_where_the_log_goes_somewhere_already() -> None:
    deployment = laid_out(replication=Replication.ARCHIVE)
    system = deployment.system
    (store,) = (one for one in system.stores if one.name == "postgres")
    backup = evolve(system.backups[0], covers=(store.service,), destination="s3://ours/pg")
    shipped = evolve(deployment, system=evolve(system, backups=(backup,)))
    assert not [path for path in tree(shipped) if path.startswith("log-archive/")]
    azure = [evolve(site, region=evolve(site.region, provider="azure")) for site in deployment.sites]
    assert not [path for path in tree(evolve(deployment, sites=tuple(azure))) if path.startswith("log-archive/")]


def test_the_first_base_backup_is_a_job_of_the_rendered_schedule() -> None:
    """Without one the log restores nothing until the schedule's first night is over."""
    written = tree(laid_out(replication=Replication.ARCHIVE))
    made = documents(written["us-east-1/stores/postgres.base-backup.yaml"])["CronJob"]["metadata"]
    lines = commands(written["README.md"], "Ship the log of postgres to us-west-2")
    applied = next(number for number, line in enumerate(lines) if "base-backup.yaml" in line)
    words = shlex.split(lines[applied + 1], comments=True)
    assert words[:3] == ["secondsite", "operate", "job"]
    region, of = words[3:5]
    assert region == "us-east-1"
    origin = job_origin(of, words[words.index("--as") + 1])
    assert (origin.kind, origin.namespace, origin.of) == ("CronJob", made["namespace"], made["name"])
    assert "--apply" in words


@pytest.mark.parametrize(
    ("product", "kind"),
    [
        ("Amazon RDS", "aws_db_instance"),
        ("Amazon Aurora", "aws_rds_cluster"),
        ("Cloud SQL", "google_sql_database_instance"),
        ("Azure Database for PostgreSQL", "azurerm_postgresql_flexible_server"),
    ],
)
def test_a_providers_replica_names_no_value_that_nobody_knows(product: str, kind: str) -> None:
    written = tree(laid_out(service="", product=product))
    whole = json.loads(written[TERRAFORM])
    assert kind in whole["resource"]
    asked = set(re.findall(r"\$\{var\.(\w+)\}", written[TERRAFORM]))
    assert asked == set(whole["variable"])
    assert not [each for each in whole["variable"].values() if "default" in each]
    lines = commands(written["README.md"], "Let the provider replicate postgres")
    assert lines[-1] == "terraform -chdir=./stores apply"
    assert "by hand" in written["README.md"]


STAND_IN = """\
#!/bin/sh
set -eu
case "$1" in
  wal-push) mkdir -p "$WALG_S3_PREFIX/wal"; cp "$2" "$WALG_S3_PREFIX/wal/";;
  wal-fetch) cp "$WALG_S3_PREFIX/wal/$2" "$3";;
  backup-push) pg_basebackup -D "$WALG_S3_PREFIX/base" -X none --checkpoint=fast;;
  backup-fetch) [ "$3" = LATEST ]; cp -a "$WALG_S3_PREFIX/base" "$2";;
  delete) ;;
  *) exit 2;;
esac
"""
"""Of WAL-G: it copies files, and shows nothing of WAL-G itself."""


@pytest.mark.slow
def test_the_rendered_archive_brings_back_all_that_was_shipped(tmp_path: Path) -> None:
    """On real servers; with a stand-in that copies files in WAL-G's place."""
    programs = tools()
    if programs is None:
        missing("PostgreSQL is not installed: pip install 'secondsite[lab]'")
    texts = log_archive_files(laid_out(replication=Replication.ARCHIVE))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "wal-g").write_text(STAND_IN)
    (tmp_path / "bin" / "wal-g").chmod(0o755)
    (tmp_path / "archive.sql").write_text(texts["us-east-1/stores/postgres.archive.sql"])
    for folder in ("bucket", "away"):
        (tmp_path / folder).mkdir()
        own(tmp_path / folder)
    env = {"PATH": f"{tmp_path}/bin:{programs}:{os.environ['PATH']}", "WALG_S3_PREFIX": f"{tmp_path}/bucket"}
    env |= {"PGUSER": "postgres", "PGHOST": "127.0.0.1"}
    job = documents(texts["us-east-1/stores/postgres.base-backup.yaml"])["CronJob"]
    (backup,) = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    pod = documents(texts["us-west-2/stores/postgres.yaml"])["StatefulSet"]["spec"]
    assert pod["replicas"] == 0, "it would be a second database"
    (begin,), (server,) = (pod["template"]["spec"][part] for part in ("initContainers", "containers"))
    rules = "host all postgres 127.0.0.0/8 trust\nhost replication postgres 127.0.0.0/8 trust\n"
    home, away = tmp_path / "home", tmp_path / "away"
    new_cluster(programs, home, standby=False)
    with postgres(programs, home, rules, **env) as port:
        until(lambda: answers(port))
        sql(programs, port, "-f", str(tmp_path / "archive.sql"))
    (home / "postmaster.pid").unlink(missing_ok=True)
    with postgres(programs, home, rules, **env) as port:  # archive_mode takes a restart
        until(lambda: answers(port))
        run(backup["command"], env, PGPORT=str(port))
        sql(programs, port, "-c", "CREATE TABLE kept (n int)", "-c", "INSERT INTO kept VALUES (1), (2), (3)")
        segment = sql(programs, port, "-c", "SELECT pg_walfile_name(pg_switch_wal())")

        async def shipped() -> bool:
            return (tmp_path / "bucket" / "wal" / segment).exists()

        until(shipped)
        sql(programs, port, "-c", "INSERT INTO kept VALUES (4)")
    for _ in range(2):  # asked again it changes nothing more
        run(begin["command"], env, PGDATA=str(away / "pgdata"))
    with postgres(programs, away / "pgdata", rules, *server["args"][1:], **env) as port:
        probe = server["readinessProbe"]["exec"]["command"]

        async def serves() -> bool:
            return ready(probe, {**os.environ, **env, "PGPORT": str(port)})

        until(serves)
        assert sql(programs, port, "-c", "SELECT n FROM kept ORDER BY 1").split() == ["1", "2", "3"]
        sql(programs, port, "-c", "INSERT INTO kept VALUES (5)")


def ready(probe: list[str], env: dict[str, str]) -> bool:
    return subprocess.run(probe, env=env, capture_output=True, check=False).returncode == 0


def run(command: list[str], env: dict[str, str], **more: str) -> None:
    done = subprocess.run(
        [*prefix(), *command], env={**os.environ, **env, **more}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_rendered_sql_makes_no_primary_wait_for_nobody(tmp_path: Path) -> None:
    programs = tools()
    if programs is None:
        missing("PostgreSQL is not installed: pip install 'secondsite[lab]'")
    text = tree(laid_out(replication=Replication.SYNCHRONOUS))["us-east-1/stores/postgres.synchronous.sql"]
    (tmp_path / "wait.sql").write_text(text)
    home = tmp_path / "home"
    new_cluster(programs, home, standby=False)
    with postgres(programs, home, "host all postgres 127.0.0.0/8 trust\n") as port:
        until(lambda: answers(port))
        with pytest.raises(subprocess.CalledProcessError) as refused:
            sql(programs, port, "-f", str(tmp_path / "wait.sql"))
        assert "no standby follows" in refused.value.stderr
        assert sql(programs, port, "-c", "SHOW synchronous_standby_names") == ""
    assert CONFIRMING in text
