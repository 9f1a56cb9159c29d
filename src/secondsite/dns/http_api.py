"""One request to a provider's HTTP API, and the door's answers: silence, a refusal of us, somebody was faster."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import httpx2
from attrs import frozen

from secondsite.dns.record import HostRecord, RecordConflictError, RecordRefusedError
from secondsite.model.errors import MachineError

_REFUSALS = (401, 403)
_CONFLICTS = (409, 412)
_NO_SUCH = 404


@frozen
class ApiAnswer:
    """``body`` is empty where it is no JSON object."""

    status: int
    body: Mapping[str, Any]


@frozen
class ProviderApi:
    """``shown`` is its name in messages; ``why`` reads what an error's body says; ``remedy`` is for who may not."""

    shown: str
    base: str
    host: str
    remedy: str
    why: Callable[[Mapping[str, Any]], str]
    timeout_s: float = 5.0

    async def send(
        self, method: str, path: str, headers: Mapping[str, str], body: Mapping[str, Any] | None = None, **query: str
    ) -> ApiAnswer:
        """Raises MachineError where nobody answers in time: a change may have been applied then."""
        try:
            async with httpx2.AsyncClient(timeout=self.timeout_s, trust_env=False) as client:
                url = f"{self.base}{path}"
                answer = await client.request(method, url, headers=dict(headers), json=body, params=query or None)
                plain = answer.json() if answer.content else {}
        except ValueError:
            plain = {}
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            what = f"does not answer ({type(error).__name__})"
            raise MachineError.at(
                self.shown, what, "check that it can be reached; check whether a change was applied"
            ) from None
        return ApiAnswer(answer.status_code, plain if isinstance(plain, dict) else {})

    async def take(
        self, method: str, path: str, headers: Mapping[str, str], body: Mapping[str, Any] | None = None, **query: str
    ) -> Mapping[str, Any]:
        """The body of an answer that says yes; raises what any other says."""
        answer = await self.send(method, path, headers, body, **query)
        if answer.status < 300:
            return answer.body
        raise self.failure(answer)

    def rows(self, body: Mapping[str, Any], key: str, **kinds: type) -> list[dict[str, Any]]:
        """What a list in the body holds, each with fields of these kinds. Raises MachineError for anything else: what
        cannot be read is unknown, and no record that is gone."""
        several = body.get(key)
        rows: list[Any] = several if isinstance(several, list) else [None]
        for row in rows:
            if not isinstance(row, dict) or not all(isinstance(row.get(name), kind) for name, kind in kinds.items()):
                what = f"answers without {', '.join(kinds)} in {key}"
                raise MachineError.at(self.shown, what, "check that this is the provider's own API")
        return rows

    def failure(self, answer: ApiAnswer) -> MachineError:
        reason = self.why(answer.body)[:200]
        if answer.status in _REFUSALS:
            return self.refused(reason or str(answer.status))
        if answer.status in _CONFLICTS:
            return self.conflict(reason or str(answer.status))
        if answer.status == _NO_SUCH:
            return RecordRefusedError.at(self.shown, f"has no such zone: {reason}", "correct `operate: dns: zone:`")
        return MachineError.at(self.shown, f"answers {answer.status}: {reason}".rstrip(": "), "ask again")

    def refused(self, reason: str) -> RecordRefusedError:
        return RecordRefusedError.at(self.shown, f"no permission to change {self.host}: {reason}", self.remedy)

    def conflict(self, reason: str) -> RecordConflictError:
        what = f"{self.host} changed in the meantime ({reason})"
        return RecordConflictError.at(self.shown, what, "somebody else changed it; read it again")

    def same(self, now: HostRecord | None, expected: HostRecord | None) -> None:
        """Raises RecordConflictError where it is not what was expected."""
        if shape_of(now) != shape_of(expected):
            raise self.conflict(f"it is {', '.join(now.values) if now else 'gone'}")


def shape_of(record: HostRecord | None) -> tuple[str, tuple[str, ...]] | None:
    return (record.kind, tuple(sorted(record.values))) if record else None
