"""A record at an authoritative PowerDNS, through the HTTP API of its webserver.

One PATCH replaces sets of one name and touches no other; it is taken whole or not at all. The API knows no
precondition: the record is looked at right before and right after, and what somebody else wrote between is told, not
undone. An API key may do everything, so prefer RFC 2136 with a key for one name where `dnsupdate=yes` can be set.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from secondsite.dns.http_api import ProviderApi, shape_of
from secondsite.dns.record import HostRecord, RecordRefusedError, WantedRecord

_REMEDY = "give its api-key in `operate: dns: key:` (docs/rights.md)"
_SECONDARY = ("slave", "secondary", "consumer")


@frozen
class PowerDnsRecord:
    """``base`` is its webserver, such as http://ns1.example.io:8081."""

    host: str
    zone: str
    base: str
    key: str = field(repr=False)
    timeout_s: float = 5.0

    @property
    def shown(self) -> str:
        return f"PowerDNS at {self.base} (zone {self.zone})"

    async def look(self) -> HostRecord | None:
        """Raises RecordRefusedError for a set that this door cannot change whole."""
        for one in await self._sets(self.host):
            if one["type"] not in ("A", "CNAME"):
                continue
            if any(record.get("disabled") for record in one["records"]):
                what = f"{self.host} has a record that is disabled, which this tool does not change"
                raise RecordRefusedError.at(self.shown, what, "delete the disabled one")
            values = sorted(record["content"].rstrip(".") for record in one["records"])
            return HostRecord(one["type"], tuple(values), int(one["ttl"]))
        return None

    async def texts(self, name: str) -> tuple[str, ...]:
        sets = await self._sets(name)
        return tuple(record["content"] for one in sets if one["type"] == "TXT" for record in one["records"])

    async def change(self, expected: HostRecord | None, wanted: WantedRecord, ttl_s: int) -> None:
        api = self._api
        api.same(await self.look(), expected)
        new = HostRecord(wanted.kind, wanted.values, ttl_s)
        sets = [_set(self._name(self.host), new)]
        if expected is not None and expected.kind != wanted.kind:
            sets.insert(0, {"name": self._name(self.host), "type": expected.kind, "changetype": "DELETE"})
        await api.take("PATCH", self._path, self._headers, {"rrsets": sets})
        now = await self.look()
        if shape_of(now) != shape_of(new):
            raise api.conflict(f"it was set, and is {', '.join(now.values) if now else 'gone'}")

    async def may(self) -> str:
        """A change of nothing: a key that is none is refused."""
        try:
            zone = await self._api.take("GET", self._path, self._headers, rrsets="false")
            if str(zone.get("kind", "")).lower() in _SECONDARY:
                return f"no permission to change {self.host}: the zone is a {zone['kind']} here; name its primary"
            await self._api.take("PATCH", self._path, self._headers, {"rrsets": []})
        except RecordRefusedError as error:
            return error.problems[0].what
        return ""

    async def _sets(self, name: str) -> list[dict[str, Any]]:
        api = self._api
        zone = await api.take("GET", self._path, self._headers, rrset_name=self._name(name))
        sets = api.rows(zone, "rrsets", name=str, type=str, ttl=int, records=list)
        mine = [one for one in sets if one["name"].lower() == self._name(name).lower()]
        return [{**one, "records": api.rows(one, "records", content=str)} for one in mine]

    @property
    def _api(self) -> ProviderApi:
        why = lambda body: str(body.get("error", ""))  # noqa: E731 - a reader of one key
        return ProviderApi(self.shown, self.base.rstrip("/"), self.host, _REMEDY, why, self.timeout_s)

    @property
    def _path(self) -> str:
        return f"/api/v1/servers/localhost/zones/{self._name(self.zone)}"

    @property
    def _headers(self) -> Mapping[str, str]:
        return {"X-API-Key": self.key}

    def _name(self, name: str) -> str:
        return f"{name.rstrip('.')}."


def _set(name: str, record: HostRecord) -> dict[str, Any]:
    dot = "." if record.kind == "CNAME" else ""
    return {
        "name": name,
        "type": record.kind,
        "ttl": record.ttl_s,
        "changetype": "REPLACE",
        "records": [{"content": f"{value}{dot}", "disabled": False} for value in record.values],
    }
