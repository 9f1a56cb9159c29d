"""Where everything runs, today and as recommended, as inline SVG: regions side by side, links between them."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import shorten, wrap
from xml.etree.ElementTree import Element, SubElement, tostring

from attrs import frozen

from secondsite.model.deployment import Deployment, Site, SiteRole
from secondsite.model.nats import NatsCluster
from secondsite.model.service import Role
from secondsite.model.wording import counted
from secondsite.publish.text.markdown import plain

_WIDTH, _GAP, _LINE, _TOP = 340, 130, 17, 62
_LETTERS = 46
_SHOWN = 12
_ELSEWHERE = frozenset({Role.NATS, Role.OBSERVABILITY})
_TITLE = {
    SiteRole.PRIMARY: "serves",
    SiteRole.ACTIVE: "serves",
    SiteRole.STANDBY: "stands by",
    SiteRole.WITNESS: "votes",
    SiteRole.VAULT: "keeps backups",
}
_ORDER = tuple(Role)


@frozen
class Box:
    """A region: its name, what it does, and a line for each thing in it."""

    name: str
    role: str
    lines: tuple[str, ...]


def topology(deployment: Deployment, title: str) -> str:
    """Links are drawn between neighbours and listed by kind; the drawing is told again in ``aria-label``."""
    boxes = [_box(deployment, site) for site in deployment.sites]
    height = _TOP + _LINE * max(len(box.lines) for box in boxes) + 18
    width = len(boxes) * _WIDTH + (len(boxes) - 1) * _GAP
    svg = Element("svg", {"class": "topology", "viewBox": f"-4 -4 {width + 8} {height + 8}"})
    svg.set("role", "img")
    svg.set("aria-label", plain(f"{title}: {'; '.join(f'{box.name} {box.role}' for box in boxes)}"))
    svg.set("width", str(width + 8))
    svg.set("height", str(height + 8))
    for number, box in enumerate(boxes):
        _draw(svg, box, number * (_WIDTH + _GAP), height)
    for number, (here, there) in enumerate(zip(deployment.sites, deployment.sites[1:], strict=False)):
        _draw_links(svg, _between(deployment, here, there), number * (_WIDTH + _GAP) + _WIDTH)
    return tostring(svg, encoding="unicode")


def _box(deployment: Deployment, site: Site) -> Box:
    services = {service.name: service for service in deployment.system.services}
    running = sorted(
        (services[placed.service] for placed in site.services if placed.service in services),
        key=lambda service: _ORDER.index(service.role),
    )
    clusters = [cluster for cluster in deployment.clusters if cluster.region == site.region.name]
    copies = [copy for copy in deployment.copies if copy.region == site.region.name]
    watching = sum(service.role is Role.OBSERVABILITY for service in running)
    lines = [*map(_cluster, clusters)]
    lines += [f"copy of {plain(copy.what)}: {plain(copy.method)}" for copy in copies]
    lines += [f"{site.replicas(one.name)} × {plain(one.name)}" for one in running if one.role not in _ELSEWHERE]
    lines += [f"{watching} observability services"] if watching else []
    if len(lines) > _SHOWN:
        lines = [*lines[: _SHOWN - 1], f"and {len(lines) - _SHOWN + 1} more"]
    return Box(plain(site.region.name), _TITLE[site.role], tuple(part for line in lines for part in _wrapped(line)))


def _cluster(cluster: NatsCluster) -> str:
    mirrored = sum(stream.mirror is not None for stream in cluster.streams)
    kept = counted(mirrored, "mirrors") if mirrored else counted(len(cluster.streams), "streams")
    version = f" {plain(cluster.version)}" if cluster.version else ""
    return f"{cluster.servers} × nats{version}, {kept}"


def _wrapped(line: str) -> tuple[str, ...]:
    """On two lines at most; the second is indented."""
    first, *more = wrap(line, _LETTERS) or [""]
    return (first, f"\u2003{shorten(' '.join(more), _LETTERS - 2, placeholder=' …')}") if more else (first,)


def _between(deployment: Deployment, here: Site, there: Site) -> tuple[str, ...]:
    pair = {here.region.name, there.region.name}
    links = [link for link in deployment.links if {link.source, link.target} == pair]
    return tuple(dict.fromkeys(f"{link.kind}: {plain(link.carries)}" for link in links))


def _draw(svg: Element, box: Box, x: int, height: int) -> None:
    frame = {"class": "region", "x": str(x), "y": "0", "width": str(_WIDTH), "height": str(height), "rx": "8"}
    SubElement(svg, "rect", frame)
    _text(svg, "name", x + 14, 24, box.name)
    _text(svg, "muted", x + 14, 42, box.role)
    for number, line in enumerate(box.lines):
        _text(svg, "line", x + 14, _TOP + 6 + _LINE * number, line)


def _draw_links(svg: Element, links: Sequence[str], x: int) -> None:
    for number, link in enumerate(links):
        y = 70 + 44 * number
        SubElement(svg, "path", {"class": "wire", "d": f"M{x} {y} H{x + _GAP}"})
        kind, _, carries = link.partition(": ")
        _text(svg, "muted", x + _GAP / 2, y - 6, kind, "middle")
        _text(svg, "muted", x + _GAP / 2, y + 14, carries if len(carries) <= 18 else f"{carries[:17]}…", "middle")


def _text(svg: Element, kind: str, x: float, y: float, shown: str, anchor: str = "start") -> None:
    where = {"class": kind, "x": f"{x:g}", "y": f"{y:g}", "text-anchor": anchor}
    SubElement(svg, "text", where).text = shown
