"""NATS that another tool deploys: Flux HelmReleases, Argo CD Applications, and operators' own resources."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from attrs import frozen

from secondsite.discover.helm_values import chart_values
from secondsite.discover.release_values import argo_values, flux_values
from secondsite.discover.resources import Resource, ResourceInventory, YamlNode
from secondsite.discover.yaml_source import MapNode

CHARTS = frozenset({"nats"})
_ARGO = "argoproj.io"


@frozen(eq=False)
class Release:
    """``values`` are in the words of the official chart, ``unread`` places of others that were not at hand.

    ``known``: what the release is called is known, and with it what the chart calls its objects.
    """

    name: str
    namespace: str
    values: MapNode
    unread: tuple[str, ...] = ()
    known: bool = True


def releases_in(inventory: ResourceInventory) -> Iterator[Release]:
    for resource in inventory.of_kind("HelmRelease"):
        if is_release(resource):
            yield _flux(resource, inventory)
    for resource in argo_applications(inventory):
        yield from _argo(resource)
    for resource in inventory.of_kind("EventBus"):
        jetstream = resource.spec["jetstream"]
        if jetstream.node is not None:
            yield _operated(resource, jetstream, "eventbus")
    for resource in inventory.of_kind("InterStepBufferService"):
        jetstream = resource.spec["jetstream"]
        if jetstream.node is not None:
            yield _operated(resource, jetstream, "isbsvc")
    for resource in inventory.of_kind("NATS", "NatsCluster"):
        yield _cluster(resource)


def argo_applications(inventory: ResourceInventory) -> Iterator[Resource]:
    """Argo CD's; an Application of others is another thing."""
    return (resource for resource in inventory.of_kind("Application") if resource.group == _ARGO)


def bus_notes(inventory: ResourceInventory) -> Iterator[str]:
    """An EventBus that runs no JetStream of its own: what it holds is not seen."""
    for resource in inventory.of_kind("EventBus"):
        spec = resource.spec
        if spec["nats"]["native"].node is not None:
            what = "runs NATS Streaming (STAN), not NATS JetStream: its data is not read, and no strategy moves it"
        elif spec["jetstreamExotic"]["url"].text:
            what = "uses a JetStream that stands elsewhere: read that one with `init --nats URL`"
        elif spec["jetstream"].node is None:
            what = "runs no JetStream"
        else:
            continue
        yield f"{resource.place}: EventBus {resource.name} {what}"


def value_files(resources: Iterable[Resource]) -> Mapping[str, Sequence[str]]:
    """The values files, in order, that Argo CD deploys a folder of the repository with."""
    files: dict[str, Sequence[str]] = {}
    for resource in resources:
        if resource.kind == "Application" and resource.group == _ARGO:
            for source in (resource.spec["source"], *resource.spec["sources"].items):
                names = source["helm"]["valueFiles"].texts
                if source["path"].text and names:
                    files[source["path"].text.strip("/")] = names
    return files


def is_release(resource: Resource) -> bool:
    """Whether a HelmRelease deploys NATS: by its chart, or by the name of the object that holds it."""
    spec = resource.spec
    chart = spec.dig("chart", "spec", "chart").text or spec.dig("chart", "name").text or spec["chartRef"]["name"].text
    return resource.kind == "HelmRelease" and chart.rpartition("/")[2] in CHARTS


def _flux(resource: Resource, inventory: ResourceInventory) -> Release:
    target = resource.spec["targetNamespace"].text
    name = resource.spec["releaseName"].text or "-".join(filter(None, (target, resource.name)))
    given = flux_values(resource, inventory)
    return Release(name, target or resource.where, given.values, given.unread)


def _argo(resource: Resource) -> Iterator[Release]:
    for source in (resource.spec["source"], *resource.spec["sources"].items):
        if source["chart"].text in CHARTS:
            given = argo_values(resource, source)
            name = source["helm"]["releaseName"].text or resource.name
            namespace = resource.spec.dig("destination", "namespace").text or "default"
            yield Release(name, namespace, given.values, given.unread)


def _operated(resource: Resource, jetstream: YamlNode, prefix: str) -> Release:
    """argo-events and numaflow write the same words, and the same configuration."""
    name = f"{prefix}-{resource.name}-js"
    size = jetstream.dig("persistence", "volumeSize")
    values = chart_values(
        *(resource.place, jetstream["replicas"].node, size.node, jetstream["version"].node, name),
        cluster_name=resource.name,
        headless=f"{name}-svc",
        folder="/data/jetstream/store",
    )
    return Release(name, resource.where, values)


def _cluster(resource: Resource) -> Release:
    """Kyma's NATS, and the older operator's NatsCluster, which has no JetStream to speak of."""
    spec = resource.spec
    replicas = spec.dig("cluster", "size") if spec["cluster"]["size"] else spec["size"]
    size, memory = spec.dig("jetStream", "fileStorage", "size"), spec.dig("jetStream", "memStorage")
    in_memory = memory["size"].node if memory["enabled"].flag is not False else None
    values = chart_values(
        resource.place, replicas.node, size.node, spec["version"].node, resource.name, in_memory=in_memory
    )
    return Release(resource.name, resource.where, values)
