"""The way in: gateways with what they route and check, and the DNS record that clients find."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from secondsite.discover.dependencies import Network
from secondsite.discover.draft import Draft
from secondsite.discover.resources import Resource, ResourceInventory, YamlNode
from secondsite.discover.routes import Route, annotation, host_text
from secondsite.discover.workloads import Workload
from secondsite.model.errors import InputError
from secondsite.model.place import Place
from secondsite.model.service import Probe, Role, Service
from secondsite.model.units import Seconds, parse_seconds

_DNS = "external-dns.alpha.kubernetes.io"
_CHECKS = (f"{_DNS}/aws-health-check-id", f"{_DNS}/aws-failover")
_AUTHENTICATION = ("key-auth", "jwt", "oauth2", "openid-connect", "basic-auth", "hmac-auth", "mtls-auth", "ldap-auth")
_RATE_LIMITS = ("rate-limiting", "rate-limiting-advanced", "response-ratelimiting")
_AUTH_ANNOTATIONS = ("nginx.ingress.kubernetes.io/auth-url", "nginx.ingress.kubernetes.io/auth-type")


def gateway_drafts(
    inventory: ResourceInventory, workloads: Sequence[Workload], routes: Sequence[Route], network: Network
) -> Iterator[Draft]:
    """One per gateway that runs here; a class of Ingress that nothing here serves is a gateway of its own."""
    running = [proxy for proxy in workloads if proxy.kind and proxy.kind.role is Role.GATEWAY]
    engines = {proxy.kind.engine for proxy in running if proxy.kind}
    for workload in running:
        engine = workload.kind.engine if workload.kind else ""
        served = [route for route in routes if not route.direct]
        own = [route for route in served if engine in route.gateway or (not route.gateway and len(running) == 1)]
        draft = Draft({"name": workload.name, "service": workload.name})
        draft.mark("", workload.resource.place)
        draft.read("engine", engine, workload.main["image"])
        _describe(draft, own, inventory, network)
        yield draft
    unserved = {route.gateway for route in routes if route.gateway and not any(e in route.gateway for e in engines)}
    for name in sorted(unserved):
        own = [route for route in routes if route.gateway == name]
        draft = Draft({"name": name})
        draft.mark("", own[0].resource.place)
        draft.read("engine", name, own[0].resource.spec["ingressClassName"])
        _describe(draft, own, inventory, network)
        yield draft


def _describe(draft: Draft, routes: Sequence[Route], inventory: ResourceInventory, network: Network) -> None:
    hosts = [at for route in routes for at in route.hosts]
    targets = [target for route in routes for target in route.targets]
    if hosts:
        draft.read("hosts", tuple(dict.fromkeys(host_text(at) for at in hosts)), hosts[0])
    if targets:
        draft.read("routes_to", tuple(dict.fromkeys(name for name, _ in targets)), targets[0][1])
    for route in routes:
        for key in _AUTH_ANNOTATIONS:
            at = annotation(route.resource, key)
            draft.read("authentication", key.rpartition("/")[2] if at else None, at)
    for plugin in _plugins(routes, inventory):
        _plugin(draft, plugin.top["plugin"], plugin.top["config"], plugin.where, network)
    for route in routes:
        for written in _declared_plugins(route.config):
            _plugin(draft, written["name"], written["config"], route.resource.where, network)


def _plugin(draft: Draft, kind: YamlNode, config: YamlNode, namespace: str, network: Network) -> None:
    if kind.text in _AUTHENTICATION:
        draft.read("authentication", kind.text, kind)
    elif kind.text in _RATE_LIMITS:
        host = config["redis"]["host"] if config["redis"]["host"] else config["redis_host"]
        draft.read("rate_limit_store", network.resolve(host.text, namespace) if host.text else None, host)


def _declared_plugins(config: YamlNode) -> Iterator[YamlNode]:
    """Kong's, for all, for a service or for a route."""
    yield from config["plugins"].items
    for service in config["services"].items:
        yield from service["plugins"].items
        yield from (plugin for route in service["routes"].items for plugin in route["plugins"].items)
    yield from (plugin for route in config["routes"].items for plugin in route["plugins"].items)


def _plugins(routes: Sequence[Route], inventory: ResourceInventory) -> Iterator[Resource]:
    """Those that a route names, and those for all."""
    for route in routes:
        for name in annotation(route.resource, "konghq.com/plugins").text.split(","):
            plugin = inventory.find("KongPlugin", route.resource.where, name.strip())
            if plugin:
                yield plugin
    for plugin in inventory.of_kind("KongClusterPlugin"):
        if plugin.labels.get("global") == "true":
            yield plugin


def traffic_draft(inventory: ResourceInventory, routes: Sequence[Route], services: Mapping[str, Service]) -> Draft:
    """The record of the host that leads to the API: what external-dns is told, else the first host."""
    draft = Draft()
    ranked = sorted(routes, key=lambda route: not annotation(route.resource, f"{_DNS}/ttl"))
    host = next((at for route in ranked for at in route.hosts), YamlNode(None))
    sources = [route.resource for route in ranked] + list(inventory.of_kind("Service"))
    named = [at for source in sources if (at := annotation(source, f"{_DNS}/hostname"))]
    host = host if host else (named[0] if named else YamlNode(None))
    if host:
        draft.read("host", host_text(host).split(",")[0], host)
    else:
        draft.assume("host", None, "no Ingress names a host")
    _ttl(draft, [annotation(source, f"{_DNS}/ttl") for source in sources])
    check = next((at for source in sources for key in _CHECKS if (at := annotation(source, key))), None)
    if check:
        draft.read("automatic", True, check)
    else:
        draft.assume("automatic", False, "no manifest gives the DNS record a health check, so a person switches it")
    draft.assume("check_interval_s", Seconds(30), "manifests do not hold DNS health checks; 30 s is a common interval")
    draft.assume("check_threshold", 3, "manifests do not hold DNS health checks; 3 failures is a common threshold")
    paths = [probe.path for service in services.values() if service.role is Role.API for probe in _probes(service)]
    why = "the path of the API's own probe" if paths else "a common path"
    draft.assume("check_path", paths[0] if paths else "/health", f"manifests do not hold DNS health checks; {why}")
    return draft


def _ttl(draft: Draft, annotations: Sequence[YamlNode]) -> None:
    at = next((at for at in annotations if at.text), YamlNode(None))
    if not at:
        draft.assume("ttl_s", Seconds(300), "no manifest sets it; 300 s is the usual default of providers")
        return
    try:
        seconds = Seconds(float(int(at.text))) if at.text.isdecimal() else parse_seconds(at.text)
    except ValueError:
        what, remedy = f"{at.text[:40]!r} is no TTL", "write seconds, such as 60"
        draft.values["ttl_s"] = Seconds(300)
        draft.unknown("ttl_s", InputError.at(at.place or Place("?"), what, remedy))
        return
    draft.read("ttl_s", seconds, at)


def _probes(service: Service) -> tuple[Probe, ...]:
    probes = service.probes
    return tuple(probe for probe in (probes.liveness, probes.readiness, probes.startup) if probe and probe.path)
