"""A record at Amazon Route 53. UPSERT would overrun whoever was faster: DELETE of what is expected and CREATE of what
is wanted in one change batch is taken whole or not at all.

Its API lives in us-east-1: where that region may be the lost one, failover records with health checks are the switch
that needs no change. The login is boto3's own: environment, profile, workload identity.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from attrs import field, frozen

from secondsite.dns.record import HostRecord, RecordConflictError, RecordRefusedError, WantedRecord
from secondsite.extras import install
from secondsite.model.errors import MachineError

_REFUSALS = (401, 403)
_POLL_S = 1.0
_REMEDY = "give the role the policy of docs/rights.md"


@frozen
class Route53Record:
    """``insync_s``: how long a change is followed until all of their servers have it."""

    host: str
    zone: str
    timeout_s: float = 5.0
    insync_s: float = 60.0
    made: dict[str, Any] = field(factory=dict, repr=False)

    @property
    def shown(self) -> str:
        return f"Route 53 (zone {self.zone})"

    async def look(self) -> HostRecord | None:
        """Raises RecordRefusedError for a record that this door cannot change whole."""
        for one in await self._sets(self.host):
            if one.get("AliasTarget") or one.get("SetIdentifier"):
                what = f"{self.host} is an alias record or one of several by policy, which this tool does not change"
                remedy = "make it a plain A or CNAME record, or say `switch: failover-records`"
                raise RecordRefusedError.at(self.shown, what, remedy)
            if one["Type"] in ("A", "CNAME"):
                values = sorted(value["Value"].rstrip(".") for value in one.get("ResourceRecords", ()))
                return HostRecord(one["Type"], tuple(values), int(one["TTL"]))
        return None

    async def texts(self, name: str) -> tuple[str, ...]:
        sets = await self._sets(name)
        return tuple(v["Value"] for one in sets if one["Type"] == "TXT" for v in one.get("ResourceRecords", ()))

    async def change(self, expected: HostRecord | None, wanted: WantedRecord, ttl_s: int) -> None:
        new = HostRecord(wanted.kind, wanted.values, ttl_s)
        changes = [*([_change("DELETE", self.host, expected)] if expected else []), _change("CREATE", self.host, new)]
        change = await self._batch(changes)
        try:
            async with asyncio.timeout(self.insync_s):
                while change["Status"] != "INSYNC":
                    await asyncio.sleep(_POLL_S)
                    answer = await self._call("get_change", Id=change["Id"].rpartition("/")[2])
                    change = answer["ChangeInfo"]
        except TimeoutError:
            what = f"the change has not reached all of its servers after {self.insync_s:g} s"
            raise MachineError.at(self.shown, what, "wait, and check whether it was applied") from None

    async def may(self) -> str:
        """A change that cannot be taken, as it deletes what does not exist: who may not change it is refused first."""
        state = await self.look()
        if state is None:
            return ""
        absent = HostRecord(state.kind, state.values, state.ttl_s + 1)
        try:
            await self._batch([_change("DELETE", self.host, absent), _change("CREATE", self.host, state)])
        except RecordConflictError:
            return ""
        except RecordRefusedError as error:
            return error.problems[0].what
        return ""

    async def _sets(self, name: str) -> list[dict[str, Any]]:
        """All records of that very name; the API lists on from it."""
        answer = await self._call(
            "list_resource_record_sets", HostedZoneId=self.zone, StartRecordName=name, MaxItems="20"
        )
        return [one for one in answer["ResourceRecordSets"] if one["Name"].rstrip(".") == name.rstrip(".")]

    async def _batch(self, changes: list[dict[str, Any]]) -> dict[str, Any]:
        batch = {"Comment": "secondsite", "Changes": changes}
        answer = await self._call("change_resource_record_sets", HostedZoneId=self.zone, ChangeBatch=batch)
        info: dict[str, Any] = answer["ChangeInfo"]
        return info

    async def _call(self, name: str, **arguments: Any) -> dict[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            call: Callable[..., dict[str, Any]] = getattr(self._client(), name)
            return await asyncio.to_thread(lambda: call(**arguments))
        except ClientError as error:
            raise self._failure(error.response) from None
        except BotoCoreError as error:
            what = f"does not answer ({type(error).__name__})"
            raise MachineError.at(
                self.shown, what, "check that AWS is reachable and that credentials are set"
            ) from None

    def _failure(self, response: Any) -> MachineError:
        error, status = response.get("Error", {}), response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        code, message = str(error.get("Code") or ""), str(error.get("Message") or "")
        if status in _REFUSALS:
            what = f"no permission to change {self.host}: {code or 'access denied'}"
            return RecordRefusedError.at(self.shown, what, _REMEDY)
        if code in ("InvalidChangeBatch", "InvalidInput"):
            what = f"{self.host} changed in the meantime ({message})"
            return RecordConflictError.at(self.shown, what, "somebody else changed it; read it again")
        if code == "NoSuchHostedZone":
            return RecordRefusedError.at(self.shown, "has no such zone", "correct `operate: dns: zone:`")
        return MachineError.at(self.shown, f"answers {status}: {code} {message}".strip(), "ask again")

    def _client(self) -> Any:
        if "client" not in self.made:
            try:
                import boto3
                from botocore.config import Config
            except ImportError:
                what = "boto3 is not installed"
                raise MachineError.at("operate.dns", what, f"run: {install('aws')}") from None
            waits = Config(connect_timeout=self.timeout_s, read_timeout=self.timeout_s, retries={"max_attempts": 2})
            self.made["client"] = boto3.client("route53", config=waits, region_name="us-east-1")
        return self.made["client"]


def _change(action: str, host: str, state: HostRecord) -> dict[str, Any]:
    dot = "." if state.kind == "CNAME" else ""
    record = {
        "Name": f"{host.rstrip('.')}.",
        "Type": state.kind,
        "TTL": state.ttl_s,
        "ResourceRecords": [{"Value": f"{value}{dot}"} for value in state.values],
    }
    return {"Action": action, "ResourceRecordSet": record}
