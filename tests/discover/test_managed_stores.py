"""Databases that a provider runs, by the host names that workloads are given: found, and accused of nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from manifest_tree import discovered

from secondsite.audit.registry import audit
from secondsite.discover.manifests import Discovery
from secondsite.model.mark import Knowledge
from secondsite.model.store import Loss

APP = """
    apiVersion: apps/v1
    kind: Deployment
    metadata: {{name: shop-api}}
    spec:
      replicas: 2
      template:
        spec:
          containers:
            - name: shop-api
              image: example.org/shop-api:1
              env:
                - {{name: {name}, value: "{value}"}}
    """


def _found(folder: Path, value: str, name: str = "DATABASE_URL") -> Discovery:
    return discovered(folder, {"app.yaml": APP.format(name=name, value=value)})


@pytest.mark.parametrize(
    ("value", "name", "engine", "loss"),
    [
        ("postgres://u@shop.c9akciq32.eu-west-1.rds.amazonaws.com:5432/shop", "shop", "postgres", Loss.DATA),
        ("shop.cluster-c9akciq32.eu-west-1.rds.amazonaws.com:3306", "shop", "mysql", Loss.DATA),
        ("shop.cluster-ro-c9akciq32.eu-west-1.rds.amazonaws.com", "shop", "unknown", Loss.DATA),
        ("rediss://master.carts.abc123.euw1.cache.amazonaws.com:6379", "carts", "redis", Loss.CACHE),
        ("clustercfg.carts.abc123.memorydb.eu-west-1.amazonaws.com:6379", "carts", "redis", Loss.DATA),
        ("shop-db.postgres.database.azure.com", "shop-db", "postgres", Loss.DATA),
        ("shop-db.mysql.database.azure.com", "shop-db", "mysql", Loss.DATA),
        ("carts.redis.cache.windows.net:6380", "carts", "redis", Loss.CACHE),
        ("shop-project:europe-west1:shop-sql", "shop-sql", "unknown", Loss.DATA),
        ("a1.b2c3.europe-west1.sql.goog:5432", "a1", "postgres", Loss.DATA),
    ],
)
def test_a_managed_database_is_a_store(tmp_path: Path, value: str, name: str, engine: str, loss: Loss) -> None:
    found = _found(tmp_path, value, "SETTING")
    (store,) = found.system.stores
    assert (store.name, store.engine, store.loss, store.service) == (name, engine, loss, "")
    assert found.system.marks[f"stores.{name}.replicas"].origin is Knowledge.ASSUMED
    place = found.system.marks[f"stores.{name}"].place
    assert place is not None
    assert (place.file, place.line > 1) == ("app.yaml", True)


def test_reader_and_writer_of_one_are_one_and_a_comment_is_none(tmp_path: Path) -> None:
    both = (
        "shop.cluster-ro-c9a.eu-west-1.rds.amazonaws.com,postgres://shop.cluster-c9a.eu-west-1.rds.amazonaws.com:5432/x"
    )
    (store,) = _found(tmp_path, both).system.stores
    assert store.engine == "postgres"
    assert _found(tmp_path, "# shop.c9a.eu-west-1.rds.amazonaws.com").system.stores == ()
    assert _found(tmp_path, "https://s3.eu-west-1.amazonaws.com/bucket").system.stores == ()


def test_nothing_is_held_against_what_nobody_can_see(tmp_path: Path) -> None:
    system = _found(tmp_path, "postgres://shop.c9a.eu-west-1.rds.amazonaws.com:5432/shop").system
    assert [hazard.rule for hazard in audit(system) if hazard.rule in ("backup-missing", "state-single-replica")] == []
