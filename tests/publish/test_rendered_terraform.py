"""What is rendered for Terraform and OpenTofu: known arguments of the provider, all that it requires, no loose end.

The two programs cannot be had here; `terraform_aws.json` is what the provider documents of each resource.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from secondsite.catalogue.bundle import load_catalogue
from secondsite.model.errors import InputError
from secondsite.model.store import Replication
from secondsite.model.strategy import Link, Strategy
from secondsite.publish.deploy.buckets import BACKUPS, backup_bucket_files
from secondsite.publish.deploy.store_archives import BUCKETS, log_archive_files
from secondsite.publish.deploy.tree import files
from secondsite.strategies.archiver import bucket_name
from secondsite.strategies.compose import lay_out
from secondsite.strategies.deployed_addresses import DeployedAddresses
from secondsite.strategies.design import Kit
from secondsite.strategies.registry import STRATEGIES

RUNNABLE = [strategy for strategy in STRATEGIES if strategy.link is not Link.MANAGED]
PROVIDER = json.loads((Path(__file__).parent / "terraform_aws.json").read_text())["resources"]
TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "bool": (bool,),
    "list": (list,),
    "map": (dict,),
}
_REFERENCE = re.compile(r"\$\{(?:\w+\()*(aws_\w+|var)\.([\w-]+)(?:\.(\w+))?")


def problems(made: Mapping[str, Any]) -> Iterator[str]:
    """What `validate` would refuse, as far as the provider's documentation says."""
    for block in set(made) - {"variable", "provider", "resource", "output", "terraform", "locals", "data"}:
        yield f"{block} is no block"
    for kind, by_label in made.get("resource", {}).items():
        for label, arguments in by_label.items():
            if not re.fullmatch(r"[A-Za-z_][\w-]*", label):
                yield f"{label} is no name"
            yield from _arguments(f"{kind}.{label}", arguments, PROVIDER[kind])
    known = {f"{kind}.{label}" for kind, by_label in made.get("resource", {}).items() for label in by_label}
    known |= {f"var.{name}" for name in made.get("variable", {})}
    for kind, name, _ in _REFERENCE.findall(json.dumps(made)):
        if f"{kind}.{name}" not in known:
            yield f"{kind}.{name} is not there"


def _arguments(where: str, given: Mapping[str, Any], known: Mapping[str, Any]) -> Iterator[str]:
    by_name = {name.lstrip("!"): name for name in known}
    yield from (f"{where} lacks {name}" for name in by_name if f"!{name}" in known and name not in given)
    for name, value in given.items():
        if name not in by_name:
            yield f"{where} has no argument {name}"
            continue
        wanted = known[by_name[name]]
        if isinstance(wanted, dict):
            for block in value if isinstance(value, list) else [value]:
                yield from _arguments(f"{where}.{name}", block, wanted)
        elif not isinstance(value, TYPES[wanted]) and not (isinstance(value, str) and value.startswith("${")):
            yield f"{where}.{name} is a {type(value).__name__}, not a {wanted}"


@pytest.mark.parametrize("strategy", RUNNABLE, ids=lambda one: one.id)
def test_the_provider_knows_all_that_is_rendered(strategy: Strategy, kit: Kit) -> None:
    deployment = lay_out(strategy, kit)
    book = DeployedAddresses(deployment.system.services, "nats.example.com")
    texts = files(deployment, book, "secondsite render", "secondsite:1", "s3://acme-backups/prod")
    made = {path: json.loads(text) for path, text in texts.items() if path.endswith(".tf.json")}
    assert BACKUPS in made
    assert [problem for one in made.values() for problem in problems(one)] == []


def test_the_provider_knows_what_is_rendered_for_logs_of_two_databases(kit: Kit) -> None:
    """Both in one file, side by side."""
    (store,) = (one for one in kit.system.stores if one.engine == "postgres")
    ways = tuple(evolve(store, replication=Replication.ARCHIVE, name=name) for name in (store.name, "other"))
    system = evolve(kit.system, stores=ways, backups=())
    deployment = lay_out(Strategy.parse("warm-standby/leafnode-mirror"), Kit.of(system, load_catalogue()))
    made = json.loads(log_archive_files(deployment)[BUCKETS])
    assert list(problems(made)) == []
    assert len({one["bucket"] for one in made["resource"]["aws_s3_bucket"].values()}) == 2
    assert len(made["resource"]["aws_iam_policy"]) == len(made["output"]) == 4


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        (("Acme Shop!", "db", "log", "us-west-2"), "acme-shop-db-log-us-west-2"),
        (("日本", "db"), "system-db"),
        (("a" * 80, "db"), "a" * 63),
    ],
)
def test_a_bucket_is_called_as_s3_lets_it(parts: tuple[str, ...], name: str) -> None:
    assert bucket_name(*parts) == name


def test_what_the_provider_would_refuse_is_seen() -> None:
    arguments = {"bucket": "a", "lock": True, "tags": "x", "object_lock_enabled": "${var.lock}"}
    made = {"resource": {"aws_s3_bucket": {"a": arguments}, "aws_iam_policy": {"p": {}}}, "resources": {}}
    assert set(problems(made)) == {
        "resources is no block",
        "aws_s3_bucket.a has no argument lock",
        "aws_s3_bucket.a.tags is a str, not a map",
        "aws_iam_policy.p lacks policy",
        "var.lock is not there",
    }


def test_backups_lie_in_the_second_region_and_who_writes_them_deletes_none(kit: Kit) -> None:
    deployment = lay_out(Strategy.parse("warm-standby/leafnode-mirror"), kit)
    made = json.loads(backup_bucket_files(deployment, "s3://acme-backups/prod")[BACKUPS])
    assert made["provider"]["aws"]["region"] == "us-west-2"
    assert made["resource"]["aws_s3_bucket"]["backups"] == {"bucket": "acme-backups", "object_lock_enabled": True}
    policies = made["resource"]["aws_iam_policy"]
    writing, pruning = (json.loads(policies[who]["policy"])["Statement"] for who in ("backup", "prune"))
    assert [one["Resource"] for one in writing if "s3:DeleteObject" in one["Action"]] == [
        ["arn:aws:s3:::acme-backups/prod/probes/*"]
    ]
    assert [one["Resource"] for one in pruning if "s3:DeleteObject" in one["Action"]] == [
        ["arn:aws:s3:::acme-backups/prod/*"]
    ]
    assert not [one for one in pruning if "s3:PutObject" in one["Action"]]
    assert backup_bucket_files(deployment, "") == {}, "only where it is asked for"


def test_a_bucket_that_is_not_rendered_is_refused(kit: Kit) -> None:
    deployment = lay_out(Strategy.parse("warm-standby/leafnode-mirror"), kit)
    with pytest.raises(InputError, match="gs://acme is no S3 bucket"):
        backup_bucket_files(deployment, "gs://acme")
    alone = lay_out(Strategy.parse("single-region/none"), evolve(kit, system=evolve(kit.system, second=None)))
    with pytest.raises(InputError, match="no second region is known"):
        backup_bucket_files(alone, "s3://acme")
