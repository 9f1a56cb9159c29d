"""What runs an archiver in a cluster is the very command, and its identity may do what it does, and no more."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ruamel.yaml import YAML

from secondsite.archive.manifests import bucket_policy
from secondsite.cli.__main__ import app

DEPLOYMENT = "archive deployment --nats nats://nats:4222 --to s3://bucket/prod --image secondsite:1"


def _printed(command: str, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        app(command.split(), result_action="sys_exit")
    assert ended.value.code in (0, None)
    return capsys.readouterr().out


def _container(text: str) -> dict[str, Any]:
    (container,) = YAML(typ="safe").load(text)["spec"]["template"]["spec"]["containers"]
    return dict(container)


def test_the_deployment_runs_the_command_as_given(capsys: pytest.CaptureFixture[str]) -> None:
    more = " --every 2s --stream KV_* --exclude TMP --signing-secret team --credentials-secret nats --domain east"
    container = _container(_printed(DEPLOYMENT + more, capsys))
    expected = "archive --nats nats://nats:4222 --to s3://bucket/prod --every 2s --bytes 8Mi --json --stream KV_*"
    expected += " --exclude TMP --domain east --creds /etc/nats/user.creds --sign /etc/signing/key"
    assert container["args"] == f"{expected} --metrics-host 0.0.0.0 --metrics-port 9090".split()
    assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/etc/nats", "/etc/signing"}


def test_two_copies_no_root_nothing_written(capsys: pytest.CaptureFixture[str]) -> None:
    manifest = YAML(typ="safe").load(_printed(DEPLOYMENT, capsys))
    assert (manifest["kind"], manifest["spec"]["replicas"]) == ("Deployment", 2)
    pod = manifest["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False, "it never asks the cluster's API"
    assert pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True
    assert (
        manifest["spec"]["selector"]["matchLabels"].items()
        <= manifest["spec"]["template"]["metadata"]["labels"].items()
    )


def test_the_identity_cannot_delete_what_was_shipped(capsys: pytest.CaptureFixture[str]) -> None:
    policy = json.loads(_printed("archive policy --to s3://bucket/prod", capsys))
    assert policy == bucket_policy("bucket", "prod")
    deletes = [part for part in policy["Statement"] if "s3:DeleteObject" in part["Action"]]
    assert [part["Resource"] for part in deletes] == [["arn:aws:s3:::bucket/prod/archive/probes/*"]]
    (lists,) = [part for part in policy["Statement"] if "s3:ListBucket" in part["Action"]]
    assert lists["Condition"]["StringLike"]["s3:prefix"] == ["prod/archive", "prod/archive/*"]
    assert bucket_policy("bucket", "")["Statement"][1]["Resource"] == ["arn:aws:s3:::bucket/archive/*"]
