"""The policies of docs/rights.md, on a server that enforces them: enough for the work, and not one thing more."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from nats_world import BIN, Server, fill, free_port, process
from rights_page import policy

from nats import connect
from secondsite.backup.layout import manifest_key
from secondsite.backup.progress import Silent
from secondsite.backup.run import BackupPlan, run_backup
from secondsite.model.errors import MachineError
from secondsite.objects.address import parse_store
from secondsite.objects.store import ObjectStorage

pytestmark = pytest.mark.slow
Start = Callable[..., Server]
SETUP_CALLS = 7
# Of a request that deletes several, Amazon asks this for each key, and moto for the bucket alone.
BY_LIST = {"Effect": "Allow", "Action": "s3:DeleteObject", "Resource": "arn:aws:s3:::bucket"}


@pytest.fixture
def stores(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ObjectStorage]]:
    """The store as the identity of each policy sees it."""
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    monkeypatch.setenv("INITIAL_NO_AUTH_ACTION_COUNT", str(SETUP_CALLS))
    with process(BIN / "moto_server", "-H", "127.0.0.1", "-p", str(port), port=port):
        anybody = {"region_name": "us-east-1", "aws_access_key_id": "x", "aws_secret_access_key": "x"}
        boto3.client("s3", endpoint_url=endpoint, **anybody).create_bucket(Bucket="bucket")
        iam: Any = boto3.client("iam", endpoint_url=endpoint, **anybody)
        keys = {}
        for name in ("backup", "prune"):
            iam.create_user(UserName=name)
            document = policy(name, BUCKET="bucket", PREFIX="saved")
            document["Statement"].append(BY_LIST)
            iam.put_user_policy(UserName=name, PolicyName=name, PolicyDocument=json.dumps(document))
            keys[name] = iam.create_access_key(UserName=name)["AccessKey"]

        def opened(name: str) -> ObjectStorage:
            monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys[name]["AccessKeyId"])
            monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys[name]["SecretAccessKey"])
            return ObjectStorage(parse_store("s3://bucket/saved", endpoint))

        yield opened


def test_a_backup_is_made_and_none_can_be_taken_away(start: Start, stores: Callable[[str], ObjectStorage]) -> None:
    server, store = start(), stores("backup")

    async def saved() -> str:
        client = await connect(server.url)
        await fill(client, "S", 5)
        await client.close()
        return (await run_backup(server.place, store, BackupPlan(), Silent())).id

    made = asyncio.run(saved())
    key = f"saved/{manifest_key(made)}"
    s3 = boto3.Session().client("s3", endpoint_url=store._address.endpoint, region_name="us-east-1")
    with pytest.raises(ClientError, match="Access Denied"):
        s3.delete_object(Bucket="bucket", Key=key)
    s3.delete_object(Bucket="bucket", Key="saved/probes/x")
    assert asyncio.run(store.read(manifest_key(made)))
    with pytest.raises(MachineError):
        asyncio.run(ObjectStorage(parse_store("s3://bucket/other", store._address.endpoint)).create("x", b""))
    stores("prune")
    pruning = boto3.Session().client("s3", endpoint_url=store._address.endpoint, region_name="us-east-1")
    pruning.delete_object(Bucket="bucket", Key=key)
    with pytest.raises(MachineError):
        asyncio.run(store.read(manifest_key(made)))
    with pytest.raises(ClientError, match="Access Denied"):
        pruning.delete_object(Bucket="bucket", Key="other/x")


@pytest.mark.parametrize("name", ["backup", "prune", "record"])
def test_no_policy_is_wide(name: str) -> None:
    """No action by a star, no resource of everything; a record is one name, one type and one change."""
    for statement in policy(name)["Statement"]:
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        assert statement["Effect"] == "Allow"
        assert not any("*" in action for action in actions)
        assert statement["Resource"].partition(":::")[2] not in ("", "*")
        if "route53:ChangeResourceRecordSets" in actions:
            (condition,) = statement["Condition"].values()
            assert {key.rpartition("Sets")[2]: len(values) for key, values in condition.items()} == {
                "NormalizedRecordNames": 1,
                "RecordTypes": 1,
                "Actions": 1,
            }
