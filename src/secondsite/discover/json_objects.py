"""Objects as an API server gives them -> the same `Resource` that a file becomes, each at its own place.

There is no file and no line: the place of every value is ``context:NAME namespace/kind/name``. A text of several lines
that an object holds, as a ``nats.conf``, counts its own lines from 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from secondsite.discover.resources import Resource
from secondsite.discover.yaml_source import ListNode, MapNode, Node, ScalarNode
from secondsite.model.place import Place

Json = Mapping[str, Any]

_BOOKKEEPING = frozenset({"managedFields", "resourceVersion", "uid", "generation", "selfLink", "creationTimestamp"})
_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def place_in(context: str, namespace: str, kind: str, name: str = "") -> Place:
    """``*`` stands for every namespace."""
    return Place(f"context:{context} {'/'.join(filter(None, (namespace, kind, name)))}")


def resource_of(item: Json, api_version: str, kind: str, context: str) -> Resource | None:
    """None for what has no name. Lists of one kind leave kind and version out of their items."""
    metadata = item.get("metadata")
    if not isinstance(metadata, Mapping) or not metadata.get("name"):
        return None
    place = place_in(context, str(metadata.get("namespace") or ""), kind, str(metadata["name"]))
    kept = {
        "apiVersion": api_version,
        "kind": kind,
        **{key: value for key, value in item.items() if key not in ("apiVersion", "kind", "status")},
        "metadata": _without_bookkeeping(metadata),
    }
    node = _node(kept, place)
    return Resource.of(node) if isinstance(node, MapNode) else None


def _without_bookkeeping(metadata: Json) -> Json:
    annotations = metadata.get("annotations")
    kept = {key: value for key, value in metadata.items() if key not in _BOOKKEEPING}
    if isinstance(annotations, Mapping):
        kept["annotations"] = {key: value for key, value in annotations.items() if key != _APPLIED}
    return kept


def _node(value: Any, place: Place) -> Node:
    if isinstance(value, Mapping):
        entries = {str(key): _node(inner, place) for key, inner in value.items()}
        return MapNode(entries, dict.fromkeys(entries, place), place)
    if isinstance(value, list):
        return ListNode(tuple(_node(inner, place) for inner in value), place)
    if isinstance(value, bool):
        return ScalarNode(value, str(value).lower(), place)
    if value is None:
        return ScalarNode(None, "", place)
    text = str(value)
    return ScalarNode(value if isinstance(value, int | float) else text, text, place, block="\n" in text)
