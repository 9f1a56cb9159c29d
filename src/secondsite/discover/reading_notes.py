"""Notes of one kind are told together: a person reads three lines, and not the same line seventy times."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from attrs import evolve

from secondsite.discover.kinds import is_understood
from secondsite.discover.resources import Resource
from secondsite.discover.stream_scripts import KIND as SCRIPT_KIND
from secondsite.model.wording import counted

MAX_LISTED = 3
REPEATED = "is defined again"


def listed(names: Sequence[str]) -> str:
    """The first few, and how many more there are."""
    more = len(names) - MAX_LISTED
    return ", ".join(names[:MAX_LISTED]) + (f" and {more} more" if more > 0 else "")


def chart_notes(charts: Sequence[Path], shown: Callable[[Path], str]) -> Iterator[str]:
    names = [shown(chart) for chart in charts]
    how = "render what you deploy with `helm template`, and name its output"
    if len(names) == 1:
        yield f"{names[0]}: a Helm chart; its templates were not rendered: {how}"
    elif names:
        yield f"{len(names)} Helm charts, whose templates were not rendered: {listed(names)}; {how}"


def unique(resources: Sequence[Resource], notes: list[str]) -> list[Resource]:
    """One object per kind, namespace and name: the first that was found. Each script is an object of its own."""
    by_identity: dict[tuple[str, str, str, str], Resource] = {}
    generated: dict[str, int] = {}
    again: list[str] = []
    for each in resources:
        resource = each
        if not resource.top.dig("metadata", "name").text and resource.top.dig("metadata", "generateName").text:
            generated[resource.name] = generated.get(resource.name, 0) + 1
            if generated[resource.name] > 1:
                resource = evolve(resource, name=f"{resource.name}{generated[resource.name]}")
        own = resource.place.file if resource.kind == SCRIPT_KIND else resource.name
        key = (resource.group, resource.kind, resource.where, own)
        first = by_identity[key].place if key in by_identity else resource.place
        if first != resource.place and is_understood(resource.kind, resource.group):
            again.append(f"{resource.place}: {resource.kind} {resource.name} {REPEATED}; that of {first} was kept")
        by_identity.setdefault(key, resource)
    notes += again[:MAX_LISTED]
    if len(again) > MAX_LISTED:
        more = counted(len(again) - MAX_LISTED, "more objects")
        notes.append(f"{more} {'is' if len(again) == MAX_LISTED + 1 else 'are'} defined again; the first was kept")
    return list(by_identity.values())
