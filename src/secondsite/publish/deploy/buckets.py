"""Buckets that outlive whoever takes over the cluster, in Terraform's and OpenTofu's JSON.

Versions are kept under a lock, nothing is public, and uploads that nobody finished are cleared away. A bucket of
backups lies in the second region: beside the streams it would be lost with them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from secondsite.model.deployment import Deployment
from secondsite.model.errors import InputError
from secondsite.model.region import Region
from secondsite.objects.address import parse_store
from secondsite.objects.store import PROBES

BACKUPS = "backup/bucket.tf.json"
LOCKED_DAYS = 7
REPLACED_DAYS = 14
_BLOCKED = ("block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets")


def bucket(
    label: str, name: str, region: str, policies: Mapping[str, Any], *, replaced_days: int = 0
) -> dict[str, Any]:
    """``policies``: IAM policies by what they are for; each is an output, to be attached to an identity of yours.

    ``replaced_days``: what its writer deletes or replaces goes for good after as many days, where it deletes at all;
    none of a version goes before its lock ends.
    """
    of_bucket = {"bucket": f"${{aws_s3_bucket.{label}.id}}"}
    lock = {"default_retention": {"mode": "COMPLIANCE", "days": "${var.locked_days}"}}
    unfinished = {"abort_incomplete_multipart_upload": {"days_after_initiation": 1}}
    rules = [{"id": "unfinished-uploads", "status": "Enabled", "filter": {}, **unfinished}]
    if replaced_days:
        rules.append({"id": "replaced", "status": "Enabled", "filter": {}, **_replaced(replaced_days)})
    days = "days during which nobody can delete a version of an object"
    return {
        "variable": {"locked_days": {"type": "number", "default": LOCKED_DAYS, "description": days}},
        "provider": {"aws": {"region": region}},
        "resource": {
            "aws_s3_bucket": {label: {"bucket": name, "object_lock_enabled": True}},
            "aws_s3_bucket_versioning": {label: {**of_bucket, "versioning_configuration": {"status": "Enabled"}}},
            "aws_s3_bucket_object_lock_configuration": {label: {**of_bucket, "rule": lock}},
            "aws_s3_bucket_public_access_block": {label: {**of_bucket, **dict.fromkeys(_BLOCKED, True)}},
            "aws_s3_bucket_lifecycle_configuration": {
                label: {**of_bucket, "rule": rules if replaced_days else rules[0]}
            },
            "aws_iam_policy": {
                who: {"name": f"{name}-{who}", "policy": json.dumps(policy)} for who, policy in policies.items()
            },
        },
        "output": {f"{who}_policy": {"value": f"${{aws_iam_policy.{who}.arn}}"} for who in policies},
    }


def _replaced(days: int) -> dict[str, Any]:
    """Versions that are no longer the newest, and marks of deletion with nothing behind them."""
    return {
        "noncurrent_version_expiration": {"noncurrent_days": days},
        "expiration": {"expired_object_delete_marker": True},
    }


def log_bucket(label: str, name: str, region: str) -> dict[str, Any]:
    """Of a database's log and base backups: who ships them deletes old ones too, and the versions stay for a while."""
    ship = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
    policies = {
        f"{label}_ship": _allowing(_listing(name, ""), _of_objects("Ship", ship, name, "", "*")),
        f"{label}_restore": _allowing(_listing(name, ""), _of_objects("Restore", ["s3:GetObject"], name, "", "*")),
    }
    return bucket(label, name, region, policies, replaced_days=REPLACED_DAYS)


def backup_bucket_files(deployment: Deployment, url: str) -> Mapping[str, str]:
    """``url`` is what `secondsite backup --to` takes; none where no bucket is asked for."""
    if not url:
        return {}
    store = parse_store(url, option="--backup-bucket")
    if store.scheme != "s3":
        what, remedy = f"{url} is no S3 bucket", "give s3://NAME/PREFIX; for gs:// and az://, see docs/backup.md"
        raise InputError.at("--backup-bucket", what, remedy)
    policies = {
        "backup": _backup_policy(store.container, store.prefix),
        "prune": _prune_policy(store.container, store.prefix),
    }
    made = bucket("backups", store.container, _elsewhere(deployment).name, policies)
    return {BACKUPS: json.dumps(made, indent=2) + "\n"}


def _elsewhere(deployment: Deployment) -> Region:
    system = deployment.system
    others = [site.region for site in deployment.sites if site.region != deployment.primary.region]
    region = others[0] if others else system.second
    if region is None:
        raise InputError.at("--backup-bucket", "no second region is known", "write `second:` in the system file")
    if region.provider != "aws":
        what = f"a bucket in {region.name} of {region.provider} is not rendered"
        raise InputError.at("--backup-bucket", what, "make it yourself, as docs/backup.md says what it needs")
    return region


def _backup_policy(name: str, prefix: str) -> dict[str, Any]:
    """Writes, reads and lists; deletes nothing but the probe that tries conditional writes."""
    return _allowing(
        _listing(name, prefix),
        _of_objects("BackUp", ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"], name, prefix, "*"),
        _of_objects("TakeBackProbes", ["s3:DeleteObject"], name, prefix, f"{PROBES}/*"),
    )


def _prune_policy(name: str, prefix: str) -> dict[str, Any]:
    """Of another identity, elsewhere: what a backup may not delete, `secondsite backup prune` may."""
    read = _of_objects("Judge", ["s3:GetObject", "s3:GetObjectRetention"], name, prefix, "*")
    return _allowing(_listing(name, prefix), read, _of_objects("Prune", ["s3:DeleteObject"], name, prefix, "*"))


def _allowing(*statements: Mapping[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _listing(name: str, prefix: str) -> dict[str, Any]:
    listing = {
        "Sid": "ListBackups",
        "Effect": "Allow",
        "Action": ["s3:ListBucket"],
        "Resource": [f"arn:aws:s3:::{name}"],
    }
    return {**listing, "Condition": {"StringLike": {"s3:prefix": [prefix, f"{prefix}/*"]}}} if prefix else listing


def _of_objects(sid: str, actions: list[str], name: str, prefix: str, below: str) -> dict[str, Any]:
    path = "/".join(filter(None, (f"arn:aws:s3:::{name}", prefix, below)))
    return {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": [path]}
