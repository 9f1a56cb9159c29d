"""Secrets by name and keys. The values are never looked at: no code here reads below a key."""

from __future__ import annotations

from collections.abc import Sequence

from secondsite.discover.dependencies import secrets_of
from secondsite.discover.draft import Draft
from secondsite.discover.resources import Resource, ResourceInventory, YamlNode
from secondsite.discover.workloads import Workload
from secondsite.model.secret import Kept

_CERTIFICATES = "cert-manager.io"
_FROM_VAULT = ("VaultStaticSecret", "VaultDynamicSecret", "VaultPKISecret")


def secret_drafts(inventory: ResourceInventory, workloads: Sequence[Workload]) -> dict[tuple[str, str], Draft]:
    """By namespace and name: those in manifests, those synchronised from a store, those only referred to."""
    drafts: dict[tuple[str, str], Draft] = {}
    for resource in inventory.of_kind("ExternalSecret", "ClusterExternalSecret"):
        _external(resource, inventory, drafts)
    for resource in inventory.of_kind(*_FROM_VAULT):
        _from_vault(resource, drafts)
    for resource in inventory.of_kind("Certificate"):
        issued = resource.spec["secretName"]
        if issued.text and resource.group == _CERTIFICATES:
            _draft(drafts, resource.where, issued.text, issued).read("kept", Kept.ISSUED, resource.top["kind"])
    for resource in inventory.of_kind("Secret", "SealedSecret"):
        sealed = resource.kind == "SealedSecret"
        draft = _draft(drafts, resource.where, resource.name, resource.top)
        parts = (resource.spec["encryptedData"],) if sealed else (resource.top["data"], resource.top["stringData"])
        keys = [key for part in parts for key in part.entries]
        _keys(draft, keys)
        if sealed or resource.top["sops"]:
            draft.read("kept", Kept.SEALED, resource.top["kind"])
        elif keys and "store" not in draft.values:
            draft.read("kept", Kept.CLEAR, next(part for part in parts if part.entries))
    kinds = ("Secret", "SealedSecret", "ExternalSecret", "Certificate", *_FROM_VAULT)
    unplaced = {one.name for one in inventory.of_kind(*kinds) if not one.namespace}
    referred: set[tuple[str, str]] = set()
    for workload in workloads:
        for name, key, at in secrets_of(workload):
            _place(drafts, unplaced, name, workload.namespace)
            if (workload.namespace, name) not in drafts:
                referred.add((workload.namespace, name))
            draft = _draft(drafts, workload.namespace, name, at)
            if key and (workload.namespace, name) in referred:
                _keys(draft, [key])
    _name(drafts)
    return drafts


def _place(drafts: dict[tuple[str, str], Draft], unplaced: set[str], name: str, namespace: str) -> None:
    """One that names no namespace goes where a person says: where it is used, if nothing else is there."""
    if name in unplaced and (namespace, name) not in drafts and ("default", name) in drafts:
        draft = drafts.pop(("default", name))
        draft.values["namespace"] = namespace
        drafts[namespace, name] = draft


def _from_vault(resource: Resource, drafts: dict[tuple[str, str], Draft]) -> None:
    """Vault's own operator writes it to a Secret of the name under ``destination``."""
    name = resource.spec.dig("destination", "name")
    if name.text:
        draft = _draft(drafts, resource.where, name.text, resource.top)
        mount = resource.spec["mount"]
        draft.read("store", f"vault/{mount.text}" if mount.text else "vault", mount if mount else resource.place)


def _draft(drafts: dict[tuple[str, str], Draft], namespace: str, name: str, at: YamlNode) -> Draft:
    key = (namespace, name)
    if key not in drafts:
        drafts[key] = Draft({"name": name, "namespace": namespace})
        named = at.dig("metadata", "name")
        drafts[key].mark("", named if named else at)
    return drafts[key]


def _keys(draft: Draft, keys: Sequence[str]) -> None:
    names = tuple(dict.fromkeys((*draft.values.get("keys", ()), *keys)))
    if names:
        draft.values["keys"] = names
        draft.marks.setdefault("keys", draft.marks[""])


def _external(resource: Resource, inventory: ResourceInventory, drafts: dict[tuple[str, str], Draft]) -> None:
    top = resource.spec if resource.kind == "ExternalSecret" else resource.spec["externalSecretSpec"]
    name = top.dig("target", "name").text or resource.name
    draft = _draft(drafts, resource.where, name, resource.top)
    keys = [item["secretKey"] for item in top["data"].items if item["secretKey"].text]
    templated = top.dig("target", "template", "data").entries
    draft.read("keys", tuple(at.text for at in keys) + tuple(templated) or None, top["data"])
    store = top["secretStoreRef"]["name"]
    draft.read("store", store.text or None, store)
    refresh = top["refreshInterval"]
    if refresh and refresh.text != "0":
        draft.take("refresh_s", "seconds", refresh)
    region = store_region(inventory, store.text)
    if region:
        draft.read("regions", (region.text,), region)


def store_region(inventory: ResourceInventory, name: str = "") -> YamlNode:
    """Where a secret store of that name (any, when empty) says in which region it is."""
    for store in inventory.of_kind("ClusterSecretStore", "SecretStore"):
        if name and store.name != name:
            continue
        provider = store.spec["provider"]
        for at in (provider.dig("aws", "region"), provider.dig("gcpsm", "location")):
            if at.text:
                return at
    return YamlNode(None)


def _name(drafts: dict[tuple[str, str], Draft]) -> None:
    """A name that is taken in another namespace is told with its own."""
    taken: set[str] = set()
    for (namespace, name), draft in drafts.items():
        if name in taken:
            draft.values |= {"name": f"{namespace}/{name}", "object": name}
            draft.marks["object"] = draft.marks[""]
        taken.add(name)
