"""A record at Cloudflare: what is there now is deleted by its ids and what is wanted created, in one batch that is
taken whole or not at all. No other name is read or written.

The API knows no precondition beyond the ids: who edits the same record in place within the same instant is overrun.
So it is looked at right before, and right after.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from secondsite.dns.http_api import ApiAnswer, ProviderApi, shape_of
from secondsite.dns.record import HostRecord, RecordConflictError, RecordRefusedError, WantedRecord

API = "https://api.cloudflare.com/client/v4"
_REMEDY = "give a token with DNS edit of this zone in `operate: dns: key:` (docs/rights.md)"
_AUTOMATIC, _AUTOMATIC_S = 1, 300
"""What Cloudflare writes for a TTL that it chooses, and what it chooses."""
_NOT_OURS = frozenset({9109, 10000, 10001, 9103, 6003})
"""Its codes for a token that is none, or that may not."""
_MOVED = frozenset({81044, 81053, 81054, 81057, 81058})
"""A record that is gone, or one that stands in the way."""
_NO_ID = "0" * 32


@frozen
class CloudflareRecord:
    """``zone`` is the zone's id."""

    host: str
    zone: str
    token: str = field(repr=False)
    base: str = API
    timeout_s: float = 5.0

    @property
    def shown(self) -> str:
        return f"Cloudflare (zone {self.zone})"

    async def look(self) -> HostRecord | None:
        return self._record(await self._all(self.host))

    async def texts(self, name: str) -> tuple[str, ...]:
        return tuple(one["content"] for one in await self._all(name) if one["type"] == "TXT")

    async def change(self, expected: HostRecord | None, wanted: WantedRecord, ttl_s: int) -> None:
        """A TTL that Cloudflare chooses stays so, as does its proxy."""
        api, old = self._api, [one for one in await self._all(self.host) if one["type"] in ("A", "CNAME")]
        api.same(self._record(old), expected)
        ttl = _AUTOMATIC if old and old[0]["ttl"] == _AUTOMATIC else ttl_s
        more = {"ttl": ttl, "proxied": bool(old and old[0].get("proxied"))}
        name = self.host.rstrip(".")
        new = [{"name": name, "type": wanted.kind, "content": value, **more} for value in wanted.values]
        await self._batch([one["id"] for one in old], new)
        now = await self.look()
        if shape_of(now) != (wanted.kind, tuple(sorted(wanted.values))):
            raise api.conflict(f"it was set, and is {', '.join(now.values) if now else 'gone'}")

    async def may(self) -> str:
        """A batch that cannot be taken, as it deletes what does not exist: who may not change it is refused first."""
        try:
            await self._batch([_NO_ID], [])
        except RecordConflictError:
            return ""
        except RecordRefusedError as error:
            return error.problems[0].what
        return ""

    def _record(self, records: list[dict[str, Any]]) -> HostRecord | None:
        for kind in ("CNAME", "A"):
            mine = [one for one in records if one["type"] == kind]
            if mine:
                values = sorted(one["content"].rstrip(".") for one in mine)
                ttl = int(mine[0]["ttl"])
                return HostRecord(kind, tuple(values), _AUTOMATIC_S if ttl == _AUTOMATIC else ttl)
        return None

    async def _all(self, name: str) -> list[dict[str, Any]]:
        """All records of that very name."""
        answer = await self._call("GET", self._path, name=name.rstrip("."), per_page="100")
        rows = self._api.rows(answer, "result", id=str, name=str, type=str, content=str, ttl=int)
        return [one for one in rows if one["name"].lower() == name.rstrip(".").lower()]

    async def _batch(self, deleted: list[str], created: list[dict[str, Any]]) -> None:
        body = {"deletes": [{"id": each} for each in deleted], "posts": created}
        await self._call("POST", f"{self._path}/batch", body)

    async def _call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, **query: str
    ) -> Mapping[str, Any]:
        api = self._api
        answer = await api.send(method, path, {"Authorization": f"Bearer {self.token}"}, body, **query)
        if answer.status < 300 and answer.body.get("success") is not False:
            return answer.body
        codes = _codes(answer)
        if codes & _NOT_OURS:
            raise api.refused(_why(answer.body))
        if codes & _MOVED:
            raise api.conflict(_why(answer.body))
        raise api.failure(answer)

    @property
    def _path(self) -> str:
        return f"/zones/{self.zone}/dns_records"

    @property
    def _api(self) -> ProviderApi:
        return ProviderApi(self.shown, self.base, self.host, _REMEDY, _why, self.timeout_s)


def _errors(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    errors = body.get("errors")
    return [one for one in errors if isinstance(one, dict)] if isinstance(errors, list) else []


def _codes(answer: ApiAnswer) -> set[int]:
    return {int(one["code"]) for one in _errors(answer.body) if str(one.get("code", "")).isdigit()}


def _why(body: Mapping[str, Any]) -> str:
    return "; ".join(str(one.get("message", "")) for one in _errors(body))
