"""The policy for one DNS record, on a server that enforces it: the runbook's change is made, and no other."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from attrs import frozen
from botocore.exceptions import ClientError
from nats_world import free_port, process
from rights_page import policy

from secondsite.model.traffic import Traffic
from secondsite.publish.runbook.dns_commands import dns_steps

pytestmark = pytest.mark.slow
HOST = "api.example.io"
SERVER = Path(__file__).parents[1] / "support" / "route53_server.py"
SETUP_CALLS = 5


@frozen
class Zone:
    id: str
    other: str
    client: Any

    def change(self, batch: dict[str, Any], zone: str = "") -> str:
        done = self.client.change_resource_record_sets(HostedZoneId=zone or self.id, ChangeBatch=batch)
        return str(done["ChangeInfo"]["Id"])

    def target(self) -> str:
        records = self.client.list_resource_record_sets(HostedZoneId=self.id)["ResourceRecordSets"]
        return str(next(one["ResourceRecords"][0]["Value"] for one in records if one["Name"] == f"{HOST}."))


@pytest.fixture(scope="module")
def zone() -> Iterator[Zone]:
    """As whoever has nothing but the policy of docs/rights.md sees it."""
    port = free_port()
    endpoint = {"endpoint_url": f"http://127.0.0.1:{port}", "region_name": "us-east-1"}
    anybody = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
    with pytest.MonkeyPatch.context() as given:
        given.setenv("INITIAL_NO_AUTH_ACTION_COUNT", str(SETUP_CALLS))
        with process(Path(sys.executable), SERVER, "-H", "127.0.0.1", "-p", str(port), port=port):
            dns: Any = boto3.client("route53", **endpoint, **anybody)
            first, second = (
                dns.create_hosted_zone(Name=name, CallerReference=name)["HostedZone"]["Id"].rpartition("/")[2]
                for name in ("example.io", "example.org")
            )
            iam: Any = boto3.client("iam", **endpoint, **anybody)
            iam.create_user(UserName="record")
            document = json.dumps(policy("record", ZONE=first, HOST=HOST))
            iam.put_user_policy(UserName="record", PolicyName="record", PolicyDocument=document)
            made = iam.create_access_key(UserName="record")["AccessKey"]
            keys = {"aws_access_key_id": made["AccessKeyId"], "aws_secret_access_key": made["SecretAccessKey"]}
            yield Zone(first, second, boto3.client("route53", **endpoint, **keys))


def runbook_change(target: str = "lb.us-west-2.example.io") -> dict[str, Any]:
    """What the runbook has a person send."""
    (step, *_) = (step for step in dns_steps(Traffic(host=HOST)) if step.provider == "Route 53")
    found = re.search(r"<<'JSON'\n(.*)\nJSON", step.change[0], re.DOTALL)
    assert found
    batch: dict[str, Any] = json.loads(found[1].replace("$TARGET", target))
    return batch


def test_the_runbooks_change_is_made_and_watched(zone: Zone) -> None:
    for target in ("lb.us-west-2.example.io", "lb.us-east-1.example.io"):
        change = zone.change(runbook_change(target))
        assert zone.target() == target
        assert zone.client.get_change(Id=change)["ChangeInfo"]["Status"] == "INSYNC"


def changed(**more: object) -> dict[str, Any]:
    batch = runbook_change()
    batch["Changes"][0]["ResourceRecordSet"] |= more
    return batch


def besides() -> dict[str, Any]:
    """The change that is allowed, and another in the same request."""
    mine, other = runbook_change(), changed(Name="www.example.io")
    return {"Changes": [*mine["Changes"], *other["Changes"]]}


def deleting() -> dict[str, Any]:
    batch = runbook_change()
    batch["Changes"][0]["Action"] = "DELETE"
    return batch


ADDRESS = [{"Value": "192.0.2.1"}]
MORE: dict[str, Callable[[Zone], object]] = {
    "another name": lambda zone: zone.change(changed(Name="www.example.io")),
    "the name above": lambda zone: zone.change(changed(Name="example.io", Type="A", ResourceRecords=ADDRESS)),
    "every name below": lambda zone: zone.change(changed(Name="*.api.example.io")),
    "another type": lambda zone: zone.change(changed(Type="TXT", ResourceRecords=[{"Value": '"x"'}])),
    "a deletion": lambda zone: zone.change(deleting()),
    "another record beside it": lambda zone: zone.change(besides()),
    "another zone": lambda zone: zone.change(runbook_change(), zone.other),
    "the zone itself": lambda zone: zone.client.delete_hosted_zone(Id=zone.id),
    "a zone of his own": lambda zone: zone.client.create_hosted_zone(Name="x.io", CallerReference="x"),
    "what another zone holds": lambda zone: zone.client.list_resource_record_sets(HostedZoneId=zone.other),
    "all zones": lambda zone: zone.client.list_hosted_zones(),
}


@pytest.mark.parametrize("tried", MORE)
def test_one_thing_more_is_refused(zone: Zone, tried: str) -> None:
    with pytest.raises(ClientError) as refused:
        MORE[tried](zone)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
