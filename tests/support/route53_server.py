"""A moto server that knows what Amazon documents of Route 53 and moto leaves out: which zone a request is about, the
condition keys of a change, and that a batch is taken whole or not at all, where each deletion names what is there and
each creation what is not. Run with the arguments of `moto_server`.

https://docs.aws.amazon.com/Route53/latest/APIReference/API_ChangeResourceRecordSets.html

https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/specifying-conditions-route53.html: names in small letters
without the dot at the end, types and actions in capitals; `ForAllValues` holds where each of them is among the wanted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

from flask import request
from moto.iam.access_control import IAMPolicyStatement, IAMRequestBase, PermissionResult
from moto.route53.exceptions import Route53ClientError
from moto.route53.models import Route53Backend
from moto.route53.responses import Route53
from moto.server import main

PREFIX = "route53:ChangeResourceRecordSets"
KEYS = {"NormalizedRecordNames": "Name", "RecordTypes": "Type", "Actions": "Action"}


def resource(_response: Route53) -> str:
    """`/2013-04-01/hostedzone/Z1/rrset/` is about the hosted zone Z1."""
    _, kind, name, *_ = request.path.strip("/").split("/") + [""] * 3
    return f"arn:aws:route53:::{kind}/{name}"


def asked() -> Mapping[str, set[str]]:
    tree = ElementTree.fromstring(request.get_data() or b"<none/>")  # noqa: S314 # of our own test
    found = {key: {each.text or "" for each in tree.iter() if _named(each, tag)} for key, tag in KEYS.items()}
    found["NormalizedRecordNames"] = {name.lower().removesuffix(".") for name in found["NormalizedRecordNames"]}
    return {f"{PREFIX}{key}": values for key, values in found.items()}


def _named(element: ElementTree.Element, tag: str) -> bool:
    return element.tag.rpartition("}")[2] == tag


def holds(statement: Mapping[str, Any]) -> bool:
    for operator, wanted in statement.get("Condition", {}).items():
        if operator != "ForAllValues:StringEquals":
            return False
        known = asked()
        if not all(known.get(key, {""}) <= set(values) for key, values in wanted.items()):
            return False
    return True


def permitted(self: IAMPolicyStatement, action: str, resource: str = "*", *_: object) -> PermissionResult:
    """A statement whose conditions do not hold says nothing."""
    return _permitted(self, action, resource) if holds(self._statement) else PermissionResult.NEUTRAL


def changed(self: Route53Backend, zoneid: str, change_list: list[dict[str, Any]]) -> None:
    there = {(one.name, one.type): (str(one.ttl), sorted(one.records)) for one in self.get_hosted_zone(zoneid).rrsets}
    for change in change_list:
        record = change["ResourceRecordSet"]
        key = f"{record['Name'].rstrip('.')}.", record["Type"]
        values = record.get("ResourceRecords") or []
        exact = str(record.get("TTL")), sorted(one["Value"] for one in values)
        if change["Action"] == "DELETE" and there.pop(key, None) != exact:
            raise Route53ClientError("InvalidChangeBatch", "the values provided do not match the current values")
        if change["Action"] == "CREATE" and key in there:
            raise Route53ClientError("InvalidChangeBatch", "but it already exists")
        if change["Action"] != "DELETE":
            there[key] = exact
    # moto holds a creation against one of the same record that was deleted since.
    _changed(self, zoneid, [{**one, "Action": one["Action"].replace("CREATE", "UPSERT")} for one in change_list])


_changed = Route53Backend.change_resource_record_sets
_permitted = IAMPolicyStatement.is_action_permitted
for kind, name, made in (
    (IAMPolicyStatement, "is_action_permitted", permitted),
    (IAMPolicyStatement, "_check_conditions", lambda *_: True),
    (IAMRequestBase, "check_signature", lambda _: None),  # it leaves queries out: so every 403 is a denial
    (Route53, "_determine_resource", resource),
    (Route53Backend, "change_resource_record_sets", changed),
):
    setattr(kind, name, made)

if __name__ == "__main__":
    main()
