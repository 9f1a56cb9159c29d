"""One cluster as an operator: which it is, what we may do, what runs there, and each change as compare and swap.

Three answers: silence is a `MachineError`, a refusal of us or another cluster a `ClusterRefusedError`; a change that
somebody else was ahead of is a `ClusterConflictError`. Each change can be asked for as a dry run of the server's.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import field, frozen

from secondsite.kube.workload import HELD, Autoscaler, WorkloadState, autoscaler_of, held_text, workload_of
from secondsite.model.errors import InputError, MachineError

if TYPE_CHECKING:
    from lightkube import AsyncClient
    from lightkube.config.kubeconfig import SingleConfig

Result = TypeVar("Result")
FIELD_MANAGER = "secondsite"
_NOT_TAKEN = (400, 422)
"""What an admission, a quota or the object itself speaks against."""
_UNAUTHORISED, _FORBIDDEN, _NO_SUCH, _CONFLICT = 401, 403, 404, 409


class ClusterRefusedError(MachineError):
    """It answers, and will not have us or is another cluster: that is no lost region."""


class ClusterConflictError(MachineError):
    """Somebody changed the object since it was looked at; nothing was changed."""


@frozen
class Right:
    """``resource`` may name a part: ``deployments/scale``. An empty namespace means the whole cluster, or none."""

    verb: str
    group: str
    resource: str
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        what = f"{self.resource}.{self.group}" if self.group else self.resource
        where = f" in {self.namespace}" if self.namespace else ""
        return f"{self.verb} {what}{' ' + self.name if self.name else ''}{where}"


@frozen
class ClusterPlace:
    """``uid`` is that of kube-system; empty where nobody reason which cluster it has to be."""

    config: SingleConfig = field(repr=False)
    shown: str
    uid: str = ""
    within_s: float = 5.0

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Cluster]:
        """Raises MachineError where nobody answers in time, ClusterRefusedError where it is another one."""
        import httpx2
        from lightkube import AsyncClient
        from lightkube.core.exceptions import ConfigError

        try:
            timeout = httpx2.Timeout(self.within_s)
            client = AsyncClient(self.config, timeout=timeout, trust_env=False, field_manager=FIELD_MANAGER)
        except (ConfigError, OSError, ValueError, AssertionError, ssl.SSLError, httpx2.InvalidURL) as error:
            what = f"cannot be used: {type(error).__name__}"
            raise InputError.at(self.shown, what, "fix the kubeconfig") from None
        try:
            cluster = Cluster(client, self.shown, self.within_s)
            if self.uid and (uid := await cluster.identity()) != self.uid:
                what = f"is another cluster: kube-system is {uid}, not {self.uid}"
                raise ClusterRefusedError.at(self.shown, what, "fix the context, or `cluster` under its place")
            yield cluster
        finally:
            await client.close()


@frozen
class Cluster:
    client: AsyncClient = field(repr=False)
    shown: str
    within_s: float

    async def identity(self) -> str:
        """The uid of kube-system, which no other cluster has."""
        from lightkube.resources.core_v1 import Namespace

        space = await self.asked(self.client.get(Namespace, "kube-system"))
        return str(space.metadata.uid) if space and space.metadata else ""

    async def may(self, rights: Iterable[Right]) -> tuple[Right, ...]:
        """Those that we do not have."""
        wanted = list(dict.fromkeys(rights))
        granted = await together(self._granted(right) for right in wanted)
        return tuple(right for right, yes in zip(wanted, granted, strict=True) if not yes)

    async def _granted(self, right: Right) -> bool:
        from lightkube.models.authorization_v1 import ResourceAttributes, SelfSubjectAccessReviewSpec
        from lightkube.models.meta_v1 import ObjectMeta
        from lightkube.resources.authorization_v1 import SelfSubjectAccessReview

        plural, _, part = right.resource.partition("/")
        asked = ResourceAttributes(
            verb=right.verb,
            group=right.group or None,
            resource=plural,
            subresource=part or None,
            namespace=right.namespace or None,
            name=right.name or None,
        )
        review = SelfSubjectAccessReview(SelfSubjectAccessReviewSpec(resourceAttributes=asked), metadata=ObjectMeta())
        answer = await self.asked(self.client.create(review))
        return bool(answer and answer.status and answer.status.allowed)

    async def workload(self, kind: str, namespace: str, name: str) -> WorkloadState | None:
        """None where there is none of that name."""
        kinds = _kinds()
        answer = await self.asked(self.client.get(kinds[kind], name, namespace=namespace)) if kind in kinds else None
        return workload_of(kind, answer) if answer else None

    async def scale(self, expected: WorkloadState, replicas: int, *, dry_run: bool = False) -> None:
        """Only what was looked at is scaled: raises ClusterConflictError where it changed since."""
        from lightkube.models.autoscaling_v1 import ScaleSpec
        from lightkube.models.meta_v1 import ObjectMeta

        scale = _kinds()[expected.kind].Scale
        metadata = ObjectMeta(name=expected.name, namespace=expected.namespace, resourceVersion=expected.version)
        wanted = scale(metadata=metadata, spec=ScaleSpec(replicas=replicas))
        replaced = self.client.replace(wanted, expected.name, namespace=expected.namespace, dry_run=dry_run)
        await self._changed(replaced, expected.shown)

    async def autoscalers(self, namespace: str) -> tuple[Autoscaler, ...]:
        from lightkube.resources.autoscaling_v1 import HorizontalPodAutoscaler

        async def listed() -> tuple[Autoscaler, ...]:
            return tuple(
                [autoscaler_of(one) async for one in self.client.list(HorizontalPodAutoscaler, namespace=namespace)]
            )

        return await self.asked(listed()) or ()

    async def keep_at_least(self, expected: Autoscaler, floor: int, *, dry_run: bool = False) -> None:
        """Raise what an autoscaler goes down to, and write down what that was; raises ClusterConflictError where it
        changed since."""
        first = expected.floor if expected.held is None else expected.held["had"]
        await self._floor(expected, floor, held_text(first), dry_run=dry_run)

    async def give_back_floor(self, expected: Autoscaler) -> None:
        """Nothing where it is not we who raised it."""
        if expected.held is not None:
            await self._floor(expected, expected.held["had"], None, dry_run=False)

    async def _floor(self, expected: Autoscaler, floor: object, held: str | None, *, dry_run: bool) -> None:
        from lightkube.resources.autoscaling_v1 import HorizontalPodAutoscaler
        from lightkube.types import PatchType

        metadata = {"resourceVersion": expected.version, "annotations": {HELD: held}}
        patched = self.client.patch(
            HorizontalPodAutoscaler,
            expected.name,
            {"metadata": metadata, "spec": {"minReplicas": floor}},
            namespace=expected.namespace,
            patch_type=PatchType.MERGE,
            dry_run=dry_run,
        )
        await self._changed(patched, expected.shown)

    async def entrance(self, namespace: str, name: str) -> tuple[str, ...]:
        """Addresses and names of a Service's load balancer; none while it has none."""
        from lightkube.resources.core_v1 import Service

        service = await self.asked(self.client.get(Service, name, namespace=namespace))
        if service is None:
            raise MachineError.at(self.shown, f"there is no Service {namespace}/{name}", "correct `address: service:`")
        balancer = service.status.loadBalancer if service.status else None
        entries = (balancer.ingress if balancer else None) or []
        return tuple(str(entry.ip or entry.hostname) for entry in entries if entry.ip or entry.hostname)

    async def _changed(self, change: Awaitable[object], shown: str) -> None:
        if await self.asked(change) is None:
            raise MachineError.at(self.shown, f"{shown} does not exist", "look again")

    async def asked(self, asking: Awaitable[Result]) -> Result | None:
        """None for what does not exist. Raises MachineError, ClusterRefusedError or ClusterConflictError."""
        import httpx2
        from lightkube.core.exceptions import ApiError, ConfigError

        try:
            async with asyncio.timeout(self.within_s):
                return await asking
        except ApiError as error:
            code, reason = error.status.code, str(error.status.message)
        except httpx2.HTTPStatusError as error:
            code, reason = error.response.status_code, error.response.reason_phrase
        except ConfigError as error:
            raise ClusterRefusedError.at(
                self.shown, f"no login: {error}", "renew the credentials of this context"
            ) from None
        except (httpx2.HTTPError, TimeoutError, OSError) as error:
            what = f"does not answer ({type(error).__name__})"
            raise MachineError.at(self.shown, what, "check that its API server is running and reachable") from None
        if code == _NO_SUCH:
            return None
        raise self._refusal(code or 0, reason)

    def _refusal(self, code: int, reason: str) -> MachineError:
        if code == _UNAUTHORISED:
            return ClusterRefusedError.at(
                self.shown, "rejects these credentials (401)", "renew the credentials of this context"
            )
        if code == _FORBIDDEN:
            remedy = "bind the role that `secondsite render` writes: REGION/rights/secondsite-failover.yaml"
            return ClusterRefusedError.at(self.shown, reason, remedy)
        if code == _CONFLICT:
            return ClusterConflictError.at(self.shown, reason, "somebody else changed it; read it again")
        if code in _NOT_TAKEN:
            return ClusterRefusedError.at(self.shown, reason, "fix what it names, then plan again")
        return MachineError.at(self.shown, f"answers {code}: {reason}", "check the log of its API server")


async def together(asks: Iterable[Awaitable[Result]]) -> list[Result]:
    """All at once; where one fails the others are ended first, so that none outlives its connection."""
    tasks = [asyncio.ensure_future(ask) for ask in asks]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _kinds() -> dict[str, Any]:
    from lightkube.resources.apps_v1 import Deployment, StatefulSet

    return {"Deployment": Deployment, "StatefulSet": StatefulSet}
