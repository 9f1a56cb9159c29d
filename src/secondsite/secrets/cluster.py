"""Secrets of a Kubernetes cluster, and the operator that brings them there: External Secrets is told to refresh now.

A refresh counts only when the operator itself says that it is over: its ``status.refreshTime`` moved on and the
resource is ready. An annotation that nobody acts on is no refresh.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen

from secondsite.kube.kubeconfig import context_of
from secondsite.model.errors import InputError, MachineError
from secondsite.secrets.entry import SecretEntry, SecretPart, SecretsRefusedError, Values, by_name, printed

if TYPE_CHECKING:
    import httpx2

_LIMIT_S = 5.0
_LOOK_S = 0.2
_MISSING, _REFUSALS = 404, (401, 403)
_RESOURCES = ("/apis/external-secrets.io/v1", "/apis/external-secrets.io/v1beta1")
_SYNC = "force-sync"
_MERGE = {"Content-Type": "application/merge-patch+json"}
Json = Mapping[str, Any]


@frozen
class KubeSecrets:
    """Through a context of a kubeconfig; where the ``uid`` of kube-system is known it is compared first."""

    context: str
    kubeconfig: Path | None = None
    uid: str = ""

    @property
    def shown(self) -> str:
        return f"context:{self.context}"

    async def fingerprints(self, entries: Sequence[SecretEntry], key: bytes) -> Mapping[str, str]:
        """Raises SecretsRefusedError where we may not read, MachineError where nobody answers."""
        async with self._open() as client:
            return by_name([(one, printed(one, await self._values(client, one), key)) for one in entries])

    async def mapped(self, entries: Sequence[SecretEntry]) -> tuple[SecretEntry, ...]:
        """With where each comes from, as its ExternalSecret says; without one it stays as it is."""
        async with self._open() as client:
            return tuple([_mapped(one, await self._resource(client, one)) for one in entries])

    async def refresh(self, entries: Sequence[SecretEntry], within_s: float) -> None:
        """All at once; returns when the operator has refreshed each. Raises MachineError where it has not in time."""
        async with self._open() as client:
            before = {one.name: await self._resource(client, one) for one in entries}
            lacking = [name for name, resource in before.items() if resource is None]
            if lacking:
                what = f"has no ExternalSecret that makes {', '.join(sorted(lacking))}"
                raise SecretsRefusedError.at(self.shown, what, "synchronise it by hand, then resume")
            stamp = str(time.time_ns())
            for resource in before.values():
                await self._annotate(client, resource or {}, stamp)
            await self._refreshed(client, entries, {name: _refreshed_at(one) for name, one in before.items()}, within_s)

    async def _refreshed(
        self,
        client: httpx2.AsyncClient,
        entries: Sequence[SecretEntry],
        before: Mapping[str, tuple[str, str]],
        within_s: float,
    ) -> None:
        end, waiting = time.monotonic() + within_s, list(entries)
        while True:
            now = {one.name: await self._resource(client, one) for one in waiting}
            waiting = [one for one in waiting if not _is_done(now[one.name], before[one.name])]
            if not waiting:
                return
            if time.monotonic() > end:
                names = ", ".join(sorted(one.name for one in waiting))
                why = (
                    "; ".join(filter(None, (_reason(now[one.name]) for one in waiting))) or "no controller acted on it"
                )
                what = f"{names} was not refreshed within {within_s:g} s: {why}"
                raise MachineError.at(
                    self.shown, what, "check that External Secrets is running there, and check its log"
                )
            await asyncio.sleep(_LOOK_S)

    async def _values(self, client: httpx2.AsyncClient, entry: SecretEntry) -> Values | None:
        answer = await self._get(client, f"/api/v1/namespaces/{entry.namespace}/secrets/{entry.name}")
        if answer is None:
            return None
        try:
            return {key: base64.b64decode(str(value)) for key, value in (answer.get("data") or {}).items()}
        except (binascii.Error, AttributeError):
            raise MachineError.at(
                self.shown, f"answers for {entry.name} with no data of a Secret", "ask again"
            ) from None

    async def _resource(self, client: httpx2.AsyncClient, entry: SecretEntry) -> Json | None:
        """The ExternalSecret whose target it is."""
        for api in _RESOURCES:
            listed = await self._get(client, f"{api}/namespaces/{entry.namespace}/externalsecrets")
            for each in (listed or {}).get("items") or ():
                if _target(each) == entry.name:
                    return {**each, "path": f"{api}/namespaces/{entry.namespace}/externalsecrets"}
            if listed is not None:
                return None
        return None

    async def _annotate(self, client: httpx2.AsyncClient, resource: Json, stamp: str) -> None:
        patch = {"metadata": {"annotations": {_SYNC: stamp}}}
        name = resource["metadata"]["name"]
        path = f"{resource['path']}/{name}"
        answer = await self._asked(client.patch(path, content=json.dumps(patch), headers=_MERGE))
        if answer.status_code != 200:
            remedy = "grant `patch` on externalsecrets in its namespace"
            raise SecretsRefusedError.at(self.shown, f"refuses to refresh {name} ({answer.status_code})", remedy)

    async def _get(self, client: httpx2.AsyncClient, path: str) -> Json | None:
        answer = await self._asked(client.get(path))
        if answer.status_code == _MISSING:
            return None
        if answer.status_code in _REFUSALS:
            kind = path.rsplit("/", 2)[-2] if path.startswith("/api/v1") else path.rsplit("/", 1)[-1]
            remedy = f"grant `get` (of externalsecrets also `list`) on {kind} in its namespace"
            raise SecretsRefusedError.at(self.shown, f"refuses {path} ({answer.status_code})", remedy)
        try:
            document = answer.json()
        except (ValueError, RecursionError):
            document = None
        if answer.status_code != 200 or not isinstance(document, dict):
            raise MachineError.at(self.shown, f"answers {answer.status_code} for {path}", "ask again")
        return document

    async def _asked(self, request: Any) -> Any:
        import httpx2

        try:
            return await request
        except (httpx2.HTTPError, OSError):
            what, remedy = "does not answer", "check that the API server is reachable from here"
            raise MachineError.at(self.shown, what, remedy) from None

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[httpx2.AsyncClient]:
        """Raises SecretsRefusedError for another cluster than the one that was named."""
        config = context_of(self.context, self.kubeconfig)
        import httpx2
        from lightkube.config.client_adapter import AsyncClient, ConnectionParams
        from lightkube.core.exceptions import ConfigError

        try:
            made = AsyncClient(config, ConnectionParams(timeout=httpx2.Timeout(_LIMIT_S), trust_env=False))
        except (ConfigError, OSError, ValueError, AssertionError) as error:
            raise InputError.at(self.shown, f"cannot be used: {error}", "fix the kubeconfig") from None
        async with made as client:
            if self.uid:
                own = await self._get(client, "/api/v1/namespaces/kube-system")
                uid = ((own or {}).get("metadata") or {}).get("uid", "")
                if uid != self.uid:
                    what = f"is the cluster {uid or 'without a kube-system'}, not {self.uid}"
                    raise SecretsRefusedError.at(self.shown, what, "name the context of that region")
            yield client


def _target(resource: Json) -> str:
    spec = resource.get("spec") or {}
    return str((spec.get("target") or {}).get("name") or (resource.get("metadata") or {}).get("name", ""))


def _mapped(entry: SecretEntry, resource: Json | None) -> SecretEntry:
    """``data`` names each part; ``dataFrom`` takes a whole secret."""
    spec = (resource or {}).get("spec") or {}
    parts = {str(each.get("secretKey", "")): _part(each.get("remoteRef") or {}) for each in spec.get("data") or ()}
    extracts = [each.get("extract") or {} for each in spec.get("dataFrom") or ()]
    whole = [str(extract["key"]) for extract in extracts if extract.get("key")]
    return evolve(entry, parts=parts, remote=whole[0] if whole and not parts else entry.remote)


def _part(remote: Json) -> SecretPart:
    return SecretPart(str(remote.get("key", "")), str(remote.get("property") or ""))


def _refreshed_at(resource: Json | None) -> tuple[str, str]:
    """When, in whole seconds, and of which version of the resource: two in one second differ by that."""
    status = (resource or {}).get("status") or {}
    return str(status.get("refreshTime") or ""), str(status.get("syncedResourceVersion") or "")


def _ready(resource: Json | None) -> Json:
    conditions = ((resource or {}).get("status") or {}).get("conditions") or ()
    return next((each for each in conditions if each.get("type") == "Ready"), {})


def _is_done(resource: Json | None, before: tuple[str, str]) -> bool:
    now = _refreshed_at(resource)
    return bool(now[0]) and now != before and _ready(resource).get("status") == "True"


def _reason(resource: Json | None) -> str:
    ready = _ready(resource)
    return "" if ready.get("status") == "True" else str(ready.get("message") or ready.get("reason") or "")
