"""Shell scripts beside manifests that make streams with the `nats` command: read where nothing else defines any.

A repository's scripts may be tests and demonstrations as well, so what manifests define goes before them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from secondsite.discover.resources import Resource, mapping, scalar
from secondsite.discover.yaml_source import Node, ScalarNode, read_text
from secondsite.model.place import Place

KIND = "ShellScript"
"""No kind of Kubernetes: how a script stands among what was read."""
_ADDS = re.compile(r"\bnats\b[^\n]*\b(?:stream|str|s|kv|object|obj|consumer|con|c)\s+(?:add|create|new|edit)\b")


_CONFIGURED = re.compile(r"\b(?:stream|str|s)\s+(?:add|create|new|edit)\b[^\n]*?--config[= ]+[\"']?([\w.][\w./-]*)")


def adds_streams(text: str) -> bool:
    return bool(_ADDS.search(text))


def script_of(text: str, path: Path, shown: Callable[[Path], str]) -> Resource:
    """With the configurations that it adds streams by, where they lie beside it or below."""
    place = Place(shown(path), 1)
    configured = {}
    for name in dict.fromkeys(_CONFIGURED.findall(text)):
        file = path.parent / name
        if file.is_file() and file.resolve().is_relative_to(path.parent.resolve()):
            held = read_text(file, shown(file))
            configured[name] = ScalarNode(held, held, Place(shown(file), 1))
    metadata = mapping({"name": scalar(path.name, place)}, place)
    entries: dict[str, Node] = {
        "kind": scalar(KIND, place),
        "metadata": metadata,
        "script": ScalarNode(text, text, place),
        "files": mapping(dict(configured), place),
    }
    return Resource.of(mapping({"apiVersion": scalar("v1", place), **entries}, place))
