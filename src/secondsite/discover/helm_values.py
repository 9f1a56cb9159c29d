"""Which documents are values of a chart that runs NATS, and how several files of them make one.

Three charts are known by their shape: the official one (1.x: ``config.jetstream``), its predecessor (0.x:
``nats.jetstream``) and Bitnami's (``replicaCount`` beside ``jetstream``). The other two are put into the words of the
official one, so that there is one reader. Values of any other chart are left alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from attrs import frozen

from secondsite.discover.resources import YamlNode
from secondsite.discover.yaml_source import MapNode, Node, ScalarNode, load_manifests
from secondsite.model.errors import InputError
from secondsite.model.place import Place

_SECTIONS = ("jetstream", "cluster", "leafnodes", "gateway", "websocket", "mqtt")
_PRODUCT = "nats"


@frozen(eq=False)
class ValuesFile:
    """``named``: a person named the file by itself."""

    path: Path
    node: MapNode
    named: bool = False


def aliases_of(folder: Path) -> tuple[str, ...]:
    """The keys under which a chart in this folder holds the values of NATS: its name, or its alias."""
    path = folder / "Chart.yaml"
    try:
        documents = load_manifests(path.read_text(errors="replace"), str(path)) if path.is_file() else []
    except (InputError, OSError):
        documents = []
    aliases = [
        dependency["alias"].text or _PRODUCT
        for document in documents
        for dependency in YamlNode(document)["dependencies"].items
        if dependency["name"].text == _PRODUCT
    ]
    return tuple(dict.fromkeys((*aliases, _PRODUCT)))


def values_in(document: Node, aliases: Sequence[str] = (_PRODUCT,), *, asked: bool = False) -> MapNode | None:
    """The values in the words of the official chart; None for anything else."""
    if not isinstance(document, MapNode) or YamlNode(document)["kind"]:
        return None
    for alias in aliases:
        inner = document.get(alias)
        if isinstance(inner, MapNode) and (values := _of_a_chart(inner)):
            return values
    values = _of_a_chart(document)
    if values is None and asked and any(isinstance(document.get(key), MapNode) for key in ("podTemplate", "container")):
        return document
    return values


def _of_a_chart(node: MapNode) -> MapNode | None:
    top = YamlNode(node)
    config = top["config"]
    if any(isinstance(config[key].node, MapNode) for key in _SECTIONS) and not _of_another(top):
        return node
    if isinstance(top["nats"]["jetstream"].node, MapNode) and not top["config"]:
        return _from_old_chart(top, node)
    if isinstance(top["jetstream"].node, MapNode) and (top["replicaCount"] or top["resourceType"]):
        return _from_bitnami(top, node)
    return None


def _of_another(top: YamlNode) -> bool:
    """The official chart keeps its image under ``container``; one at the top belongs to another application."""
    repository = top["image"]["repository"].text
    return bool(repository) and _PRODUCT not in repository


def _from_bitnami(top: YamlNode, node: MapNode) -> MapNode:
    jetstream, stored = top["jetstream"], top["persistence"]
    enabled = jetstream["enabled"].node or _written(False, node.place)
    volume = _map(node.place, size=stored["size"].node, storageClassName=stored["storageClass"].node)
    on_disk = stored["enabled"].node or _written(True, node.place)
    config = _map(
        node.place,
        cluster=_cluster(
            node.place, top["replicaCount"].node, top["cluster"]["name"].node or _text(_PRODUCT, node.place)
        ),
        jetstream=_map(
            node.place,
            enabled=enabled,
            fileStore=_map(node.place, pvc=_map(node.place, enabled=on_disk, **volume.entries)),
            memoryStore=_map(
                node.place,
                enabled=_written(True, node.place) if jetstream["maxMemory"] else None,
                maxSize=jetstream["maxMemory"].node,
            ),
        ),
    )
    image = _map(node.place, image=_map(node.place, tag=top["image"]["tag"].node))
    return _map(
        node.place,
        translated=_written(True, node.place),
        config=config,
        container=image,
        fullnameOverride=top["fullnameOverride"].node,
        nameOverride=top["nameOverride"].node,
    )


def _from_old_chart(top: YamlNode, node: MapNode) -> MapNode:
    inner, cluster = top["nats"]["jetstream"], top["cluster"]
    stored, memory = inner["fileStorage"], inner["memStorage"]
    on = bool(cluster["enabled"].flag)
    config = _map(
        node.place,
        cluster=_cluster(
            node.place,
            cluster["replicas"].node if on else None,
            cluster["name"].node or top["nameOverride"].node or _text(_PRODUCT, node.place),
        ),
        jetstream=_map(
            node.place,
            enabled=inner["enabled"].node,
            fileStore=_map(
                node.place,
                enabled=stored["enabled"].node,
                pvc=_map(node.place, size=stored["size"].node, storageClassName=stored["storageClassName"].node),
                dir=stored["storageDirectory"].node or _text("/data", node.place),
            ),
            memoryStore=_map(node.place, enabled=memory["enabled"].node, maxSize=memory["size"].node),
        ),
    )
    image = _map(node.place, image=_map(node.place, tag=top["nats"]["image"]["tag"].node))
    return _map(
        node.place,
        translated=_written(True, node.place),
        config=config,
        container=image,
        fullnameOverride=top["fullnameOverride"].node,
        nameOverride=top["nameOverride"].node,
        oneService=_written(True, node.place),
    )


def _cluster(place: Place, replicas: Node | None, name: Node | None) -> MapNode:
    many = isinstance(replicas, ScalarNode) and replicas.text not in ("", "0", "1")
    return _map(place, enabled=_written(many, place), replicas=replicas, name=name)


def chart_values(
    place: Place,
    replicas: Node | None,
    size: Node | None,
    version: Node | None,
    name: str,
    *,
    in_memory: Node | None = None,
    cluster_name: str = "",
    headless: str = "",
    folder: str = "",
) -> MapNode:
    """What an operator's resource says, in the words of the official chart, with JetStream on."""
    kept = _text(folder, place) if folder else None
    store = _map(place, pvc=_map(place, size=size), dir=kept)
    memory = None if size and not in_memory else _map(place, enabled=_written(True, place), maxSize=in_memory)
    jetstream = _map(place, enabled=_written(True, place), fileStore=store, memoryStore=memory)
    return _map(
        place,
        translated=_written(True, place),
        config=_map(
            place,
            cluster=_cluster(
                place, replicas or _text("3", place), _text(cluster_name, place) if cluster_name else None
            ),
            jetstream=jetstream,
        ),
        container=_map(place, image=_map(place, tag=version)),
        fullnameOverride=_text(name, place),
        operated=_written(True, place),
        headlessService=_map(place, name=_text(headless, place)) if headless else None,
    )


def layered(files: Sequence[ValuesFile]) -> MapNode:
    """As Helm lays values over each other: maps together, anything else by the last."""
    merged = files[0].node
    for file in files[1:]:
        merged = over(merged, file.node)
    return merged


def over(below: MapNode, above: MapNode) -> MapNode:
    """Where both say something, what is above counts; maps are laid into each other."""
    entries, keys = dict(below.entries), dict(below.keys)
    for key, node in above.entries.items():
        known = entries.get(key)
        both = isinstance(known, MapNode) and isinstance(node, MapNode)
        entries[key] = over(known, node) if both else node  # type: ignore[arg-type] # both are maps then
        keys[key] = above.keys[key]
    return MapNode(entries, keys, below.place)


def _map(place: Place, **entries: Node | None) -> MapNode:
    present = {key: node for key, node in entries.items() if node is not None}
    return MapNode(present, {key: node.place for key, node in present.items()}, place)


def _written(value: bool, place: Place) -> ScalarNode:
    return ScalarNode(value, str(value).lower(), place)


def _text(text: str, place: Place) -> ScalarNode:
    return ScalarNode(int(text) if text.isdecimal() else text, text, place)
