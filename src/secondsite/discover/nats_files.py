"""The files that a NATS server finds mounted: from ConfigMaps, and from Secrets as far as they can be read.

A Secret's configuration is read like any other: of credentials nothing is kept, in errors neither.
"""

from __future__ import annotations

import binascii
import posixpath
from base64 import b64decode
from collections.abc import Iterator, Mapping
from textwrap import indent

from attrs import frozen

from secondsite.discover.nats_conf import Conf, parse_conf
from secondsite.discover.resources import Resource, ResourceInventory, YamlNode
from secondsite.discover.workloads import Workload
from secondsite.discover.yaml_source import ScalarNode
from secondsite.model.place import Place


@frozen
class MountedFile:
    """``path`` is where the server sees it; the text stands in ``place``'s file from its line on, indented."""

    path: str
    text: str
    place: Place
    indent: int = 0


def mounted_files(workload: Workload, inventory: ResourceInventory) -> Mapping[str, MountedFile]:
    """By path, the first of each."""
    files: dict[str, MountedFile] = {}
    for mount in workload.main["volumeMounts"].items:
        volumes = workload.pod["volumes"].items
        volume = next((item for item in volumes if item["name"].text == mount["name"].text), YamlNode(None))
        for resource, keys in _sources(volume, workload, inventory):
            for key, file in _files(resource):
                name = keys.get(key, key) if keys else key
                if keys and key not in keys:
                    continue
                folder, part = mount["mountPath"].text, mount["subPath"].text
                path = folder if part == name else posixpath.join(folder, name)
                files.setdefault(path, MountedFile(path, *file))
    return files


def _sources(
    volume: YamlNode, workload: Workload, inventory: ResourceInventory
) -> Iterator[tuple[Resource, Mapping[str, str]]]:
    """The objects behind a volume, each with the keys it takes and what it calls them (none: all, as they are)."""
    for part in (volume, *volume.dig("projected", "sources").items):
        for kind, at in (("ConfigMap", part["configMap"]), ("Secret", part["secret"])):
            name = at["name"].text or at["secretName"].text
            resource = inventory.find(kind, workload.namespace, name) if name else None
            if resource:
                yield resource, {item["key"].text: item["path"].text for item in at["items"].items}


def _files(resource: Resource) -> Iterator[tuple[str, tuple[str, Place, int]]]:
    encoded = resource.kind == "Secret"
    for part, coded in ((resource.top["stringData"], False), (resource.top["data"], encoded)):
        for key, at in part.entries.items():
            if not isinstance(at.node, ScalarNode):
                continue
            if not coded:
                yield key, (at.text, Place(at.node.place.file, at.node.first_line), at.node.indent)
            elif (text := _decoded(at.text)) is not None:
                yield key, (text, Place(at.node.place.file, at.node.place.line), 0)


def _decoded(text: str) -> str | None:
    try:
        return b64decode("".join(text.split()), validate=True).decode()
    except (binascii.Error, ValueError):
        return None


def parse_mounted(file: MountedFile, files: Mapping[str, MountedFile], environment: Mapping[str, str]) -> Conf:
    """Included files are those mounted beside it. Raises `InputError`."""
    folder = posixpath.dirname(file.path)

    def include(name: str) -> tuple[str, str]:
        other = files[posixpath.normpath(posixpath.join(folder, name))]
        # Padded and indented, so that its lines and columns are those of the manifest.
        return "\n" * (other.place.line - 1) + indent(other.text, " " * other.indent), other.place.file

    return parse_conf(
        file.text,
        file.place.file,
        first_line=file.place.line,
        indent=file.indent,
        include=include,
        environment=environment,
    )
