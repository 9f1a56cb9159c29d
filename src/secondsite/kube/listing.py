"""What runs in a cluster, listed through a context of a kubeconfig: read only, page by page, within bounds.

Secrets are never asked for: a right to list them is a right to read them. What is known of one is what refers to it.
A kind that may not be listed, or whose list does not come, is unknown at its place and ends nothing; a cluster that
does not let us in, or does not answer, does.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import define, field, frozen

from secondsite.discover.json_objects import Json, place_in, resource_of
from secondsite.discover.kinds import is_understood
from secondsite.discover.resources import Resource
from secondsite.kube.kubeconfig import context_of
from secondsite.model.errors import InputError, MachineError, Problem, SecondsiteError

if TYPE_CHECKING:
    import httpx2
    from lightkube.config.kubeconfig import SingleConfig

PAGE = 250
REQUEST_S = 15.0
WHOLE_S = 300.0
MAX_PAGE_BYTES = 64_000_000
MAX_OBJECTS = 50_000
SILENT_AT_MOST = 3
OWN_NAMESPACES = frozenset({"kube-system", "kube-public", "kube-node-lease"})
"""Kubernetes' own; read only where they are named."""
_PLAIN = {"Accept": "application/json", "Accept-Encoding": "identity"}
_GONE, _UNAUTHORISED, _FORBIDDEN, _NO_SUCH = 410, 401, 403, 404
_VIEW = "bind the ClusterRole `view` to this user, or name the namespaces that it may read with --namespace"
_LOGIN = "renew the credentials of this context, as with `kubectl --context NAME get pods`, then run init again"


@frozen
class Listing:
    """``unread`` are kinds that are unknown, each with the reason."""

    resources: tuple[Resource, ...]
    unread: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()


@frozen
class ListedKind:
    """A kind of the API, by the version that the server prefers."""

    version: str
    kind: str
    plural: str
    namespaced: bool

    @property
    def group(self) -> str:
        return self.version.rpartition("/")[0]

    @property
    def shown(self) -> str:
        return ".".join(filter(None, (self.plural, self.group)))

    def path(self, namespace: str) -> str:
        """Empty for all namespaces."""
        root = f"/apis/{self.version}" if self.group else f"/api/{self.version}"
        return f"{root}/namespaces/{namespace}/{self.plural}" if namespace else f"{root}/{self.plural}"


class NotListedError(Exception):
    """A list that did not come; the text says why. ``silent``: there was no answer at all."""

    def __init__(self, what: str, remedy: str, *, silent: bool = False, status: int = 0) -> None:
        super().__init__(what)
        self.remedy, self.silent, self.status = remedy, silent, status


def list_objects(context: str, *, kubeconfig: Path | None, namespaces: Sequence[str]) -> Listing:
    """Everything in the cluster that `discover` understands. Raises `InputError` for a context that does not exist or
    not let in, `MachineError` for a cluster that does not answer.
    """
    config = context_of(context, kubeconfig)
    return asyncio.run(_listed(config, context, namespaces))


async def _listed(config: SingleConfig, context: str, namespaces: Sequence[str]) -> Listing:
    import httpx2
    from lightkube.config.client_adapter import AsyncClient, ConnectionParams
    from lightkube.core.exceptions import ConfigError

    place = f"context:{context}"
    try:
        client = AsyncClient(config, ConnectionParams(timeout=httpx2.Timeout(REQUEST_S), trust_env=False))
    except (ConfigError, OSError, ValueError, AssertionError, ssl.SSLError, httpx2.InvalidURL) as error:
        raise InputError.at(place, f"cannot be used: {_reason(error)}", "fix the kubeconfig") from None
    async with client:
        try:
            async with asyncio.timeout(WHOLE_S):
                return await _Reading(client, context).all(namespaces)
        except TimeoutError:
            what = f"the cluster was not read within {WHOLE_S:.0f} s"
            raise MachineError.at(place, what, "give fewer namespaces with --namespace") from None
        except ConfigError as error:
            what = f"its login cannot be used: {_reason(error)}"
            raise InputError.at(place, what, "use a context with a token or a certificate") from None


@define
class _Reading:
    """One pass over a cluster."""

    client: httpx2.AsyncClient
    context: str
    resources: list[Resource] = field(factory=list)
    unread: list[Problem] = field(factory=list)
    silent: int = 0

    async def all(self, namespaces: Sequence[str]) -> Listing:
        kinds = [kind async for kind in self._kinds()]
        for kind in kinds:
            for namespace in namespaces if namespaces and kind.namespaced else ("",):
                await self._kind(kind, namespace)
        own = OWN_NAMESPACES - set(namespaces)
        kept = [resource for resource in self.resources if resource.namespace not in own]
        notes = [f"context:{self.context}: Secrets are never read; only those that something refers to are known"]
        left = len(self.resources) - len(kept)
        if left:
            notes.append(f"context:{self.context}: {left} objects of Kubernetes' own namespaces (kube-…) were left out")
        if refused := sorted({problem.place.file.rpartition("/")[2] for problem in self.unread}):
            notes.append(f"context:{self.context}: unknown, as not listed: {', '.join(refused)}; {_VIEW}")
        return Listing(tuple(kept), tuple(self.unread), tuple(notes))

    async def _kinds(self) -> AsyncIterator[ListedKind]:
        """What the API has and `discover` reads, without Secrets and without a second way to the same objects."""
        groups = await self._discovery("/apis")
        listed = groups.get("groups")
        versions = ["v1"]
        for group in listed if isinstance(listed, list) else ():
            preferred = group.get("preferredVersion") if isinstance(group, dict) else None
            if isinstance(preferred, dict) and preferred.get("groupVersion"):
                versions.append(str(preferred["groupVersion"]))
        kinds: set[str] = set()
        for version in sorted(versions, key=lambda name: name.startswith("extensions/")):
            root = f"/apis/{version}" if "/" in version else f"/api/{version}"
            try:
                answer = await self._discovery(root)
            except NotListedError as error:
                self._unknown("*", version, error)
                continue
            for kind in _kinds_in(answer, version):
                if not (version.startswith("extensions/") and kind.kind in kinds):
                    kinds.add(kind.kind)
                    yield kind

    async def _discovery(self, path: str) -> Json:
        """What the API says of itself, which everybody with a login may ask; without it nothing can be read."""
        try:
            return await self._get(path, {})
        except NotListedError as error:
            if path.count("/") > 1 and path != "/api/v1":
                raise
            raise self._fatal(error, str(error)) from None

    async def _kind(self, kind: ListedKind, namespace: str) -> None:
        try:
            items = await self._pages(kind, namespace)
        except NotListedError as error:
            self._unknown(namespace or "*", kind.shown, error)
            return
        self.silent = 0
        made = (resource_of(item, kind.version, kind.kind, self.context) for item in items)
        self.resources += [resource for resource in made if resource]

    def _unknown(self, namespace: str, what: str, error: NotListedError) -> None:
        """Unknown at its place; after several silences in a row the cluster is not waited for any longer."""
        if error.status == _UNAUTHORISED:
            raise self._fatal(error, str(error))
        self.silent = self.silent + 1 if error.silent else 0
        if self.silent >= SILENT_AT_MOST:
            raise self._fatal(error, f"stopped answering: {error}")
        place = place_in(self.context, namespace, what)
        self.unread.append(Problem(place, f"unknown: {error}", error.remedy))

    def _fatal(self, error: NotListedError, what: str) -> SecondsiteError:
        kind = MachineError if error.silent else InputError
        return kind.at(f"context:{self.context}", what, error.remedy.replace("NAME", self.context))

    async def _pages(self, kind: ListedKind, namespace: str) -> list[Json]:
        """All objects; a list that grew too old on the way is begun once more."""
        for last in (False, True):
            try:
                return await self._once(kind, namespace)
            except NotListedError as error:
                if last or error.status != _GONE:
                    raise
        return []

    async def _once(self, kind: ListedKind, namespace: str) -> list[Json]:
        objects: list[Json] = []
        following = ""
        while True:
            more = {"continue": following} if following else {}
            page = await self._get(kind.path(namespace), {"limit": str(PAGE), **more})
            items, metadata = page.get("items"), page.get("metadata")
            objects += [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
            before, following = following, str((metadata if isinstance(metadata, dict) else {}).get("continue") or "")
            if not following:
                return objects
            if len(objects) > MAX_OBJECTS or following == before:
                raise NotListedError(f"more than {MAX_OBJECTS:,} objects", "give namespaces with --namespace")

    async def _get(self, path: str, query: Mapping[str, str]) -> Json:
        import httpx2

        try:
            async with (
                asyncio.timeout(REQUEST_S),
                self.client.stream("GET", path, params=dict(query), headers=_PLAIN) as response,
            ):
                return _answer(response.status_code, await _body(response))
        except TimeoutError:
            raise NotListedError(f"no answer within {REQUEST_S:.0f} s", _REACH, silent=True) from None
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise NotListedError(f"no answer: {_reason(error)}", _REACH, silent=True) from None


_REACH = "check that `kubectl --context NAME get --raw /readyz` answers from this machine"


def _kinds_in(answer: Json, version: str) -> list[ListedKind]:
    resources = answer.get("resources")
    kinds = []
    for one in resources if isinstance(resources, list) else ():
        if not isinstance(one, dict) or "list" not in (one.get("verbs") or ()) or "/" in str(one.get("name")):
            continue
        kind = ListedKind(version, str(one.get("kind")), str(one.get("name")), bool(one.get("namespaced")))
        if kind.kind != "Secret" and is_understood(kind.kind, kind.group):
            kinds.append(kind)
    return kinds


async def _body(response: httpx2.Response) -> bytes:
    content = bytearray()
    async for chunk in response.aiter_raw():
        content += chunk
        if len(content) > MAX_PAGE_BYTES:
            what = f"a page of more than {MAX_PAGE_BYTES:,} bytes"
            raise NotListedError(what, "give namespaces with --namespace")
    return bytes(content)


def _answer(status: int, body: bytes) -> Json:
    """The object in it. A refusal is told in the server's words."""
    try:
        document: Any = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    words = str(document.get("message") or "") if isinstance(document, dict) else ""
    if status == _UNAUTHORISED:
        raise NotListedError("the credentials of this context are rejected (401)", _LOGIN, status=status)
    if status == _FORBIDDEN:
        raise NotListedError(f"may not be listed (403): {words[:200]}", _VIEW, status=status)
    if status == _NO_SUCH:
        raise NotListedError("not found (404)", "check that the context points to a Kubernetes API", status=status)
    if status != 200 or not isinstance(document, dict):
        what = f"answered {status} {words[:200]}".strip() if status != 200 else "did not answer with a JSON object"
        raise NotListedError(what, _REACH, status=status)
    return document


def _reason(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]
