"""Names that Kubernetes refuses: what carries one is a template, and no object of the system.

A namespace that a variable names is one that nobody knows yet: the object is there, and where is left open.
"""

from __future__ import annotations

import re

from attrs import evolve

from secondsite.discover.resources import Resource
from secondsite.discover.workloads import KINDS
from secondsite.model.errors import Problem

_PLACEHOLDER = re.compile(r"[A-Z_$<>]")
_STRICT = frozenset({*KINDS, "Service", "Ingress", "Secret", "Cluster", "Namespace", "PersistentVolumeClaim", "Job"})
_RENDER = "render it, and name its output"


def is_name(resource: Resource, problems: list[Problem]) -> bool:
    """Whether the object can be one; of a placeholder it is told that it was left out."""
    if not resource.name:
        return False
    if resource.kind not in _STRICT or not _PLACEHOLDER.search(resource.name):
        return True
    what = f"a template: {resource.name!r} is no name of a {resource.kind}"
    problems.append(Problem(resource.place, what, _RENDER))
    return False


def placed(resource: Resource, problems: list[Problem]) -> Resource:
    """Without a namespace that is a placeholder."""
    if "$" not in resource.namespace:
        return resource
    at = resource.top.dig("metadata", "namespace").place or resource.place
    problems.append(Problem(at, f"the namespace {resource.namespace} is not known", _RENDER))
    return evolve(resource, namespace="")
