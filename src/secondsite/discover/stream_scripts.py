"""Shell scripts beside manifests that make streams with the `nats` command: read where nothing else defines any.

A repository's scripts may be tests and demonstrations as well, so what manifests define goes before them.
"""

from __future__ import annotations

import re
from pathlib import Path

from secondsite.discover.resources import Resource, mapping, scalar
from secondsite.discover.yaml_source import Node, ScalarNode
from secondsite.model.place import Place

KIND = "ShellScript"
"""No kind of Kubernetes: how a script stands among what was read."""
_ADDS = re.compile(r"\bnats\b[^\n]*\b(?:stream|str|s|kv|object|obj|consumer|con|c)\s+(?:add|create|new|edit)\b")


def adds_streams(text: str) -> bool:
    return bool(_ADDS.search(text))


def script_of(text: str, path: Path, shown: str) -> Resource:
    place = Place(shown, 1)
    metadata = mapping({"name": scalar(path.name, place)}, place)
    entries: dict[str, Node] = {
        "kind": scalar(KIND, place),
        "metadata": metadata,
        "script": ScalarNode(text, text, place),
    }
    return Resource.of(mapping({"apiVersion": scalar("v1", place), **entries}, place))
