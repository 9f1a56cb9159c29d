"""A record at Google Cloud DNS: one change deletes exactly what is expected and adds what is wanted. It is refused as a
whole where the record is another by now, and names no other record.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from attrs import field, frozen

from secondsite.dns.http_api import ApiAnswer, ProviderApi
from secondsite.dns.record import HostRecord, RecordConflictError, RecordRefusedError, WantedRecord
from secondsite.model.errors import MachineError

API = "https://dns.googleapis.com/dns/v1"
_REMEDY = "give the account of `operate: dns: key:` the rights of docs/rights.md"
_POLL_S = 1.0
_OF_THE_ZONE = ("parameters.managedZone", "parameters.project")
_MOVED = ("notFound", "alreadyExists", "conditionNotMet")


@frozen
class GoogleRecord:
    """``zone`` is PROJECT/ZONE. ``token`` gets an access token; ``done_s``: how long a change is followed."""

    host: str
    zone: str
    token: Callable[[], Awaitable[str]] = field(repr=False)
    base: str = API
    timeout_s: float = 5.0
    done_s: float = 60.0

    @property
    def shown(self) -> str:
        return f"Google Cloud DNS (zone {self.zone})"

    async def look(self) -> HostRecord | None:
        """Raises RecordRefusedError for a record that this door cannot change whole."""
        for one in await self._sets(self.host):
            if one["type"] not in ("A", "CNAME"):
                continue
            if one.get("routingPolicy"):
                what = f"{self.host} is chosen by a routing policy, which this tool does not change"
                remedy = "make it a plain A or CNAME record, or say `switch: failover-records`"
                raise RecordRefusedError.at(self.shown, what, remedy)
            values = sorted(value.rstrip(".") for value in one.get("rrdatas", ()))
            return HostRecord(one["type"], tuple(values), int(one["ttl"]))
        return None

    async def texts(self, name: str) -> tuple[str, ...]:
        return tuple(v for one in await self._sets(name) if one["type"] == "TXT" for v in one.get("rrdatas", ()))

    async def change(self, expected: HostRecord | None, wanted: WantedRecord, ttl_s: int) -> None:
        new = HostRecord(wanted.kind, wanted.values, ttl_s)
        change = await self._swap(expected, new)
        try:
            async with asyncio.timeout(self.done_s):
                while change.get("status") != "done":
                    await asyncio.sleep(_POLL_S)
                    change = await self._call("GET", f"{self._path}/changes/{change.get('id')}")
        except TimeoutError:
            what = f"the change has not reached all of its servers after {self.done_s:g} s"
            raise MachineError.at(self.shown, what, "wait, and check whether it was applied") from None

    async def may(self) -> str:
        """A change that cannot be taken, as it deletes what does not exist: who may not change it is refused first."""
        state = await self.look()
        if state is None:
            return ""
        absent = HostRecord(state.kind, state.values, state.ttl_s + 1)
        try:
            await self._swap(absent, state)
        except RecordConflictError:
            return ""
        except RecordRefusedError as error:
            return error.problems[0].what
        return ""

    async def _sets(self, name: str) -> list[dict[str, Any]]:
        answer = await self._call("GET", f"{self._path}/rrsets", name=_dotted(name))
        rows = self._api.rows({"rrsets": [], **answer}, "rrsets", name=str, type=str, ttl=int)
        mine = [one for one in rows if one["name"].lower() == _dotted(name).lower()]
        return [{**one, "rrdatas": [str(value) for value in one.get("rrdatas") or ()]} for one in mine]

    async def _swap(self, old: HostRecord | None, new: HostRecord) -> Mapping[str, Any]:
        body = {"deletions": [_set(self.host, old)] if old else [], "additions": [_set(self.host, new)]}
        return await self._call("POST", f"{self._path}/changes", body)

    async def _call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, **query: str
    ) -> Mapping[str, Any]:
        api = self._api
        answer = await api.send(method, path, {"Authorization": f"Bearer {await self.token()}"}, body, **query)
        if answer.status < 300:
            return answer.body
        if _reasons(answer) & set(_MOVED) and not any(each in _why(answer.body) for each in _OF_THE_ZONE):
            raise api.conflict(_why(answer.body))
        raise api.failure(answer)

    @property
    def _api(self) -> ProviderApi:
        return ProviderApi(self.shown, self.base, self.host, _REMEDY, _why, self.timeout_s)

    @property
    def _path(self) -> str:
        project, _, zone = self.zone.partition("/")
        return f"/projects/{project}/managedZones/{zone}"


def _set(host: str, record: HostRecord) -> dict[str, Any]:
    values = [_dotted(value) if record.kind == "CNAME" else value for value in record.values]
    return {"name": _dotted(host), "type": record.kind, "ttl": record.ttl_s, "rrdatas": values}


def _dotted(name: str) -> str:
    return f"{name.rstrip('.')}."


def _error(body: Mapping[str, Any]) -> Mapping[str, Any]:
    error = body.get("error")
    return error if isinstance(error, dict) else {}


def _reasons(answer: ApiAnswer) -> set[str]:
    errors = _error(answer.body).get("errors")
    return (
        {str(one.get("reason", "")) for one in errors if isinstance(one, dict)} if isinstance(errors, list) else set()
    )


def _why(body: Mapping[str, Any]) -> str:
    return str(_error(body).get("message", ""))
