"""What a kustomization changes on its objects: namespace, names, labels, images, replicas."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from secondsite.discover.resources import Resource, YamlNode, mapping, scalar, with_entries
from secondsite.discover.yaml_source import ListNode, MapNode, Node, ScalarNode

_CLUSTER_WIDE = re.compile(
    r"Namespace|Node|PersistentVolume|StorageClass|PriorityClass|IngressClass|RuntimeClass|CSIDriver|APIService"
    r"|CustomResourceDefinition|.*WebhookConfiguration|Cluster[A-Z].*|KongClusterPlugin"
)
_REFERENCES = {  # a `name` in these names an object of that kind
    "configMap": "ConfigMap",
    "configMapRef": "ConfigMap",
    "configMapKeyRef": "ConfigMap",
    "secret": "Secret",
    "secretRef": "Secret",
    "secretKeyRef": "Secret",
    "imagePullSecrets": "Secret",
    "service": "Service",
}
_PLAIN_REFERENCES = {
    "claimName": "PersistentVolumeClaim",
    "secretName": "Secret",
    "serviceName": "Service",
    "serviceAccountName": "ServiceAccount",
}
_NAMED_ELSEWHERE = ("Namespace", "CustomResourceDefinition")

Rename = Callable[[str, str], str]
"""From kind and name to the new name."""


def _set(resource: Resource, path: tuple[str, ...], value: Node) -> Resource:
    def change(node: Node | None, rest: tuple[str, ...]) -> Node:
        if not rest:
            return value
        here = node if isinstance(node, MapNode) else mapping({}, value.place)
        return with_entries(here, {rest[0]: change(here.get(rest[0]), rest[1:])})

    changed = change(resource.node, path)
    return resource.becoming(changed) if isinstance(changed, MapNode) else resource


def namespaced(resource: Resource, namespace: YamlNode) -> Resource:
    if not namespace.text or namespace.node is None or _CLUSTER_WIDE.fullmatch(resource.kind):
        return resource
    return _set(resource, ("metadata", "namespace"), namespace.node)


def renamed(resources: list[Resource], prefix: YamlNode, suffix: YamlNode) -> list[Resource]:
    """Prefix and suffix on every name, and on the references between these objects."""
    if not prefix.text and not suffix.text:
        return resources
    names = {(resource.kind, resource.name) for resource in resources if resource.kind not in _NAMED_ELSEWHERE}
    return named_anew(
        resources, lambda kind, name: f"{prefix.text}{name}{suffix.text}" if (kind, name) in names else name
    )


def named_anew(resources: list[Resource], new: Rename) -> list[Resource]:
    """New names for the objects, and in the references between them."""
    result = []
    for resource in resources:
        rewritten = _with_references(resource.node, new, "")
        if isinstance(rewritten, MapNode):
            name = new(resource.kind, resource.name)
            kept = resource.becoming(rewritten)
            result.append(
                kept if name == resource.name else _set(kept, ("metadata", "name"), scalar(name, resource.place))
            )
    return result


def _with_references(node: Node, new: Rename, kind: str) -> Node:
    """``kind`` is what a `name` in this mapping, or in those of this list, names; empty: nothing."""
    if isinstance(node, ListNode):
        return ListNode(tuple(_with_references(item, new, kind) for item in node.items), node.place)
    if not isinstance(node, MapNode):
        return node
    changed: dict[str, Node] = {}
    for key, value in node.entries.items():
        if not isinstance(value, ScalarNode):
            target = YamlNode(value)["kind"].text if key == "scaleTargetRef" else _REFERENCES.get(key, "")
            changed[key] = _with_references(value, new, target)
            continue
        named = _PLAIN_REFERENCES.get(key) or (kind if key == "name" else "")
        name = new(named, value.text) if named else value.text
        changed[key] = value if name == value.text else ScalarNode(name, name, value.place)
    return MapNode(changed, node.keys, node.place)


def labelled(resource: Resource, at: YamlNode) -> Resource:
    for pairs, selectors, templates in _label_sets(at):
        paths: list[tuple[str, ...]] = [("metadata", "labels")]
        if selectors or templates:
            paths += [(*path, "metadata", "labels") for path in _templates(resource)]
        if selectors and resource.kind == "Service":
            paths.append(("spec", "selector"))
        elif selectors and resource.spec.dig("selector", "matchLabels"):
            paths.append(("spec", "selector", "matchLabels"))
        elif selectors and resource.kind == "NetworkPolicy":
            paths.append(("spec", "podSelector", "matchLabels"))
        for path in paths:
            for key, value in pairs.entries.items():
                if value.node is not None:
                    resource = _set(resource, (*path, key), value.node)
    return resource


def annotated(resource: Resource, pairs: YamlNode) -> Resource:
    for path in ((), *_templates(resource)):
        for key, value in pairs.entries.items():
            if value.node is not None:
                resource = _set(resource, (*path, "metadata", "annotations", key), value.node)
    return resource


def _templates(resource: Resource) -> list[tuple[str, ...]]:
    """Where the object holds templates of pods (and of jobs)."""
    paths = (("spec", "template"), ("spec", "jobTemplate"), ("spec", "jobTemplate", "spec", "template"))
    return [path for path in paths if isinstance(resource.top.dig(*path).node, MapNode)]


def _label_sets(at: YamlNode) -> list[tuple[YamlNode, bool, bool]]:
    """Pairs, whether they go into selectors, whether into pod templates."""
    sets = [
        (entry["pairs"], entry["includeSelectors"].flag or False, entry["includeTemplates"].flag or False)
        for entry in at["labels"].items
    ]
    return [*sets, (at["commonLabels"], True, True)] if at["commonLabels"] else sets


def with_images(resource: Resource, images: Iterable[YamlNode]) -> Resource:
    wanted = {image["name"].text: image for image in images if image["name"].text}
    if not wanted:
        return resource

    def rewrite(node: Node) -> Node:
        if isinstance(node, ListNode):
            return ListNode(tuple(rewrite(item) for item in node.items), node.place)
        if not isinstance(node, MapNode):
            return node
        changed = {key: rewrite(value) for key, value in node.entries.items()}
        image = node.get("image")
        if isinstance(image, ScalarNode):
            changed["image"] = _image(image, wanted)
        return MapNode(changed, node.keys, node.place)

    changed = rewrite(resource.node)
    return resource.becoming(changed) if isinstance(changed, MapNode) else resource


def _image(node: ScalarNode, wanted: dict[str, YamlNode]) -> ScalarNode:
    name, tail = split_image(node.text)
    entry = wanted.get(name)
    if entry is None:
        return node
    new = entry["newName"].text or name
    if entry["digest"]:
        tail = "@" + entry["digest"].text
    elif entry["newTag"]:
        tail = ":" + entry["newTag"].text
    place = (entry["digest"] or entry["newTag"] or entry["newName"]).place or node.place
    return ScalarNode(new + tail, new + tail, place)


def split_image(image: str) -> tuple[str, str]:
    """Repository, and ``:tag`` or ``@digest`` (empty when there is none)."""
    if "@" in image:
        name, _, digest = image.partition("@")
        return split_image(name)[0], f"@{digest}"
    head, slash, last = image.rpartition("/")
    name, colon, tag = last.partition(":")
    return f"{head}{slash}{name}", f"{colon}{tag}"


def with_replicas(resource: Resource, counts: Iterable[YamlNode]) -> Resource:
    for count in counts:
        node = count["count"].node
        if count["name"].text in resource.names and node is not None and resource.spec["template"]:
            return _set(resource, ("spec", "replicas"), node)
    return resource
