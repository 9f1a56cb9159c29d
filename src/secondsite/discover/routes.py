"""What is reached from outside the cluster, and by what: one relation, whatever kind of object says it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from attrs import frozen

from secondsite.discover.dependencies import Network
from secondsite.discover.resources import Resource, ResourceInventory, YamlNode, embedded

_HOSTS_IN_MATCH = re.compile(r"Host(?:SNI)?\(([^)]*)\)")
_QUOTED = re.compile(r"[`\"']([^`\"']+)[`\"']")


@frozen(eq=False)
class Route:
    """Hosts and the workloads behind them; ``gateway`` is the class or name of what serves it.

    ``direct``: clients reach the workload itself, as behind a load balancer. ``config`` is a declarative gateway's own.
    """

    resource: Resource
    gateway: str
    hosts: tuple[YamlNode, ...]
    targets: tuple[tuple[str, YamlNode], ...]
    direct: bool = False
    config: YamlNode = YamlNode(None)


def routes_of(inventory: ResourceInventory, network: Network) -> list[Route]:
    """Of every kind that is known to lead in; those of the same workload add up."""
    return [
        *_ingresses(inventory, network),
        *_gateway_api(inventory, network),
        *_meshes(inventory, network),
        *_proxies(inventory, network),
        *_declarative(inventory, network),
        *_direct(inventory, network),
    ]


def _ingresses(inventory: ResourceInventory, network: Network) -> Iterator[Route]:
    for resource in inventory.of_kind("Ingress"):
        rules = resource.spec["rules"].items
        backends = [path["backend"] for rule in rules for path in rule["http"]["paths"].items]
        old = resource.spec["backend"]
        named = [_backend_service(at) for at in (*backends, resource.spec["defaultBackend"], old)]
        classes = (resource.spec["ingressClassName"].text, annotation(resource, "kubernetes.io/ingress.class").text)
        hosts = tuple(rule["host"] for rule in rules if rule["host"].text)
        yield Route(resource, next(filter(None, classes), ""), hosts, _targets(named, resource, network))


def _gateway_api(inventory: ResourceInventory, network: Network) -> Iterator[Route]:
    for resource in inventory.of_kind("HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute"):
        named = [reference["name"] for rule in resource.spec["rules"].items for reference in rule["backendRefs"].items]
        hosts = tuple(at for at in resource.spec["hostnames"].items if at.text)
        yield Route(resource, "", hosts, _targets(named, resource, network))


def _meshes(inventory: ResourceInventory, network: Network) -> Iterator[Route]:
    """Istio: a VirtualService that is bound to a gateway, other than the mesh itself."""
    for resource in inventory.of_kind("VirtualService"):
        gateways = [at.text for at in resource.spec["gateways"].items]
        if not any(name != "mesh" for name in gateways):
            continue
        routes = [
            route
            for key in ("http", "tls", "tcp")
            for rule in resource.spec[key].items
            for route in rule["route"].items
        ]
        named = [route.dig("destination", "host") for route in routes]
        hosts = tuple(at for at in resource.spec["hosts"].items if at.text and at.text != "*")
        yield Route(resource, "istio", hosts, _targets(named, resource, network))


def _proxies(inventory: ResourceInventory, network: Network) -> Iterator[Route]:
    """OpenShift, Traefik, Contour, Ambassador."""
    for resource in inventory.of_kind("Route"):
        named = [resource.spec["to"]["name"]]
        yield Route(resource, "openshift", _one(resource.spec["host"]), _targets(named, resource, network))
    for resource in inventory.of_kind("IngressRoute", "IngressRouteTCP"):
        rules = resource.spec["routes"].items
        named = [service["name"] for rule in rules for service in rule["services"].items]
        hosts = tuple(rule["match"] for rule in rules if _HOSTS_IN_MATCH.search(rule["match"].text))
        yield Route(resource, "traefik", hosts, _targets(named, resource, network))
    for resource in inventory.of_kind("HTTPProxy"):
        named = [service["name"] for rule in resource.spec["routes"].items for service in rule["services"].items]
        host = resource.spec.dig("virtualhost", "fqdn")
        yield Route(resource, "contour", _one(host), _targets(named, resource, network))
    for resource in inventory.of_kind("Mapping"):
        host = resource.spec["hostname"] if resource.spec["hostname"].text else resource.spec["host"]
        yield Route(
            resource,
            "ambassador",
            _one(host),
            _targets([resource.spec["service"]], resource, network),
        )


def _declarative(inventory: ResourceInventory, network: Network) -> Iterator[Route]:
    """Kong without a database: its services, routes and plugins as a file in a ConfigMap."""
    for resource in inventory.of_kind("ConfigMap"):
        for at in resource.top["data"].entries.values():
            if "_format_version" not in at.text:
                continue
            for document in embedded(at):
                config = YamlNode(document)
                services = config["services"].items
                named = [service["host"] if service["host"] else service["url"] for service in services]
                routes = [
                    *config["routes"].items,
                    *(route for service in services for route in service["routes"].items),
                ]
                hosts = tuple(host for route in routes for host in route["hosts"].items if host.text)
                yield Route(resource, "kong", hosts, _targets(named, resource, network), config=config)


def _direct(inventory: ResourceInventory, network: Network) -> Iterator[Route]:
    for resource in inventory.of_kind("Service"):
        if resource.spec["type"].text in ("LoadBalancer", "NodePort") or resource.spec["externalIPs"].items:
            target = network.resolve(resource.name, resource.where)
            kind = resource.spec["type"] if resource.spec["type"] else resource.spec["externalIPs"]
            yield Route(resource, "", (), ((target, kind),) if target else (), direct=True)


def _one(host: YamlNode) -> tuple[YamlNode, ...]:
    return (host,) if host.text else ()


def host_text(at: YamlNode) -> str:
    """The host that a node names: itself, or the first in a rule of Traefik."""
    match = _HOSTS_IN_MATCH.search(at.text)
    quoted = _QUOTED.search(match[1]) if match else None
    return quoted[1] if quoted else at.text


def _backend_service(backend: YamlNode) -> YamlNode:
    old = backend["serviceName"]
    return old if old else backend.dig("service", "name")


def _targets(named: Sequence[YamlNode], resource: Resource, network: Network) -> tuple[tuple[str, YamlNode], ...]:
    targets: dict[str, YamlNode] = {}
    for at in named:
        host = re.sub(r"^\w+://", "", at.text).partition("/")[0].partition(":")[0]
        target = network.resolve(host, resource.where) if host else None
        if not target and not resource.namespace:
            target = network.only(host)
        if target:
            targets.setdefault(target, at)
    return tuple(targets.items())


def annotation(resource: Resource, key: str) -> YamlNode:
    return resource.annotations.get(key, YamlNode(None))
