"""The rendered servers on Kubernetes: configurations as ConfigMaps, and what a StatefulSet has to say to run them.

The StatefulSet itself is the team's: the patch adds to it by strategic merge, and names no secret's value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from secondsite.model.deployment import Deployment
from secondsite.model.nats import NatsCluster
from secondsite.operate.agent import EVERY_S, agent_config
from secondsite.publish.deploy.cluster_rights import rights_files
from secondsite.publish.deploy.network_policy import LABEL, network_policy
from secondsite.publish.deploy.texts import GATE_CONFIG, file_name, server_file
from secondsite.publish.text.yaml_text import yaml_text
from secondsite.strategies.deployed_addresses import CERTIFICATES, CREDENTIALS_SECRET, DeployedAddresses, variables
from secondsite.strategies.server_config import (
    CLIENT_PORT,
    CREDENTIALS,
    GATEWAY_PORT,
    LEAF_CREDENTIALS,
    ROUTE_PORT,
    Login,
    NatsServer,
    gate_system,
    server_configs,
    servers_of,
)
from secondsite.strategies.write_gate import gate_file, gated_subjects, leased

KUSTOMIZATION = "kustomization.yaml"
LOGINS = "nats-logins"
"""The Secret with a key for each password, called like the variable."""
CREDENTIALS_MOUNT: dict[str, Any] = {"name": "creds", "mountPath": CREDENTIALS, "readOnly": True}
CREDENTIALS_VOLUME: dict[str, Any] = {"name": "creds", "secret": {"secretName": CREDENTIALS_SECRET}}
TLS = "nats-tls"
CONTAINER = "nats"
_CONFIGS = "/etc/nats"
_GATES = f"{_CONFIGS}/{gate_file('').rpartition('/')[0]}"
_GATE_KEY = "gate.conf"
_AGENT = "secondsite-agent"
_ALIVE = "/tmp/secondsite-agent"  # noqa: S108 # of its own container
_NONROOT_UID = 65532
_BINARY = "nats-server"
_BESIDE = f"nats://localhost:{CLIENT_PORT}"
_STILL_S = 15
_KEEPER = "/nats"
"""Where the gate's containers see the folder of the configurations; all they need of it is the gate's."""

Yaml = dict[str, Any]


def kubernetes_files(deployment: Deployment, book: DeployedAddresses, gate_image: str) -> Mapping[str, str]:
    """``REGION/kustomization.yaml``, and patches for the StatefulSet of each cluster's part in a region."""
    files = {}
    for region, parts in _parts(deployment).items():
        files[f"{region}/{KUSTOMIZATION}"] = _kustomization(deployment, parts, book)
        for servers in parts:
            files[servers_patch_file(servers[0], book)] = _servers_patch(deployment, servers, book)
            files[f"{region}/{_policy_file(servers[0], book)}"] = _policy(deployment, servers[0], book)
            if gated_subjects(deployment, region):
                patch = _parent_patch if leased(deployment) else _gate_patch
                files[gate_patch_file(servers[0], book)] = patch(servers[0].cluster, gate_image, book)
        if agent_config(deployment, region) is not None:
            files[f"{agent_folder(region)}/{KUSTOMIZATION}"] = _agent_kustomization(parts[0][0], book)
            files[f"{agent_folder(region)}/deployment.yaml"] = _agent(parts[0], gate_image, book)
    texts = {path: f"# Written by `secondsite render`.\n{yaml_text(content)}" for path, content in files.items()}
    for region in _parts(deployment):
        texts |= rights_files(deployment, book, region, logins=LOGINS, agent=_AGENT)
    return texts


def agent_folder(region: str) -> str:
    return f"{region}/agent"


def servers_patch_file(server: NatsServer, book: DeployedAddresses) -> str:
    return f"{server.region}/kubernetes/{file_name(book.label(server.cluster))}.patch.yaml"


def _policy_file(server: NatsServer, book: DeployedAddresses) -> str:
    """Within the region's folder."""
    return f"kubernetes/{file_name(book.label(server.cluster))}.network-policy.yaml"


def _policy(deployment: Deployment, server: NatsServer, book: DeployedAddresses) -> Yaml:
    stretched = any(
        each.cluster.name == server.cluster.name and each.region != server.region for each in servers_of(deployment)
    )
    ports = ((ROUTE_PORT, stretched), (GATEWAY_PORT, bool(server.cluster.gateways)))
    outside = frozenset(port for port, dialled in ports if dialled)
    namespace = book.namespace(server.cluster)
    return dict(network_policy(book.workload(server.cluster), namespace, reached_from_outside=outside))


def gate_patch_file(server: NatsServer, book: DeployedAddresses) -> str:
    return f"{server.region}/kubernetes/{file_name(book.label(server.cluster))}-gate.patch.yaml"


def _parts(deployment: Deployment) -> Mapping[str, Sequence[Sequence[NatsServer]]]:
    """The servers of each cluster in each region."""
    by_place: dict[str, dict[str, list[NatsServer]]] = {}
    for server in servers_of(deployment):
        by_place.setdefault(server.region, {}).setdefault(server.cluster.name, []).append(server)
    return {region: list(parts.values()) for region, parts in by_place.items()}


def _kustomization(deployment: Deployment, parts: Sequence[Sequence[NatsServer]], book: DeployedAddresses) -> Yaml:
    """Each configuration by the name of its pod. Names bear no hash, so that the folder can be applied alone."""
    maps = []
    for servers in parts:
        cluster, region = servers[0].cluster, servers[0].region
        namespace = book.namespace(cluster)
        gated = bool(gated_subjects(deployment, region))
        gate = [f"{_GATE_KEY}=nats/{gate_file(region)}", f"{GATE_CONFIG}=nats/{GATE_CONFIG}"] if gated else []
        maps.append(
            {"name": book.config_map(cluster)}
            | ({"namespace": namespace} if namespace else {})
            | {"files": [*(f"{book.pod(each)}.conf={server_file(each)}" for each in servers), *gate]}
        )
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [_policy_file(servers[0], book) for servers in parts],
        "configMapGenerator": maps,
        "generatorOptions": {"disableNameSuffixHash": True},
    }


def _servers_patch(deployment: Deployment, servers: Sequence[NatsServer], book: DeployedAddresses) -> Yaml:
    """The gate is open and read-only: there is nothing yet that could say that the region may write."""
    text = server_configs(deployment, book)[servers[0].name]
    cluster, region = servers[0].cluster, servers[0].region
    configs = {"name": book.config_map(cluster)}
    mounts: list[Yaml] = [{"name": "servers", "mountPath": _CONFIGS, "readOnly": True}]
    volumes: list[Yaml] = [{"name": "servers", "configMap": configs}]
    if CERTIFICATES.ca_file in text:
        mounts.append({"name": "tls", "mountPath": CERTIFICATES.ca_file.rpartition("/")[0], "readOnly": True})
        volumes.append({"name": "tls", "secret": {"secretName": TLS}})
    if LEAF_CREDENTIALS in text:
        mounts.append(CREDENTIALS_MOUNT)
        volumes.append(CREDENTIALS_VOLUME)
    if gated_subjects(deployment, region):
        mounts.append({"name": "gate-open", "mountPath": _GATES})
        items = [{"key": _GATE_KEY, "path": gate_file(region).rpartition("/")[2]}]
        volumes.append({"name": "gate-open", "configMap": {**configs, "items": items}})
    container = {
        "name": cluster.container or CONTAINER,
        "args": ["--config", f"{_CONFIGS}/$(POD_NAME).conf"],
        "env": list(_environment(deployment, servers[0], text, book)),
        "volumeMounts": mounts,
    }
    pod = {"containers": [container], "volumes": volumes}
    patch = _patch(book.workload(cluster), pod, replicas=len(servers))
    patch["spec"]["template"] |= {"metadata": {"labels": {LABEL: book.workload(cluster)}}}
    return patch


def _gate_patch(cluster: NatsCluster, image: str, book: DeployedAddresses) -> Yaml:
    """Takes the place of the open gate: shut before a server starts, kept beside it."""
    volumes: list[Yaml] = [{"name": "gate", "emptyDir": {}}]
    server = {"name": cluster.container or CONTAINER, "volumeMounts": [{"name": "gate", "mountPath": _GATES}]}
    return _patch(
        book.workload(cluster),
        {
            "initContainers": [_gate("gate-shut", image, book, "--shut")],
            "containers": [server, _gate("gate", image, book)],
            "volumes": volumes,
        },
    )


def _parent_patch(cluster: NatsCluster, image: str, book: DeployedAddresses) -> Yaml:
    """`writers: one`: the gate takes the place of the server, and starts it as its child. A keeper that stands still
    is ended by the kernel while the gate is open, and by the probe while it is shut."""
    binary = {"name": _BINARY, "mountPath": f"/{_BINARY}"}
    copied = {
        "name": _BINARY,
        "image": f"nats:{cluster.version}-alpine" if cluster.version else "nats:alpine",
        "command": ["cp", "/usr/local/bin/nats-server", f"/{_BINARY}/nats-server"],
        "volumeMounts": [binary],
    }
    stuck = f'test -n "$(find {_GATES} -name "*.beat" -newermt "-{_STILL_S} seconds")"'
    server = {
        "name": cluster.container or CONTAINER,
        "image": image,
        "command": ["secondsite"],
        "args": [
            *("gate", "--nats", _BESIDE, "--system", _BESIDE, "--folder", _CONFIGS),
            *("--config", f"{_CONFIGS}/{GATE_CONFIG}"),
            *("--server", f"/{_BINARY}/nats-server --config {_CONFIGS}/$(POD_NAME).conf"),
        ],
        "env": _gate_logins(book),
        "livenessProbe": {
            "exec": {"command": ["sh", "-c", stuck]},
            "httpGet": None,
            "initialDelaySeconds": 30,
            "periodSeconds": 10,
        },
        "volumeMounts": [{"name": "gate", "mountPath": _GATES}, binary],
    }
    volumes: list[Yaml] = [{"name": "gate", "emptyDir": {}}, {"name": _BINARY, "emptyDir": {}}]
    pod = {"initContainers": [copied], "containers": [server], "volumes": volumes}
    return _patch(book.workload(cluster), pod)


def _patch(workload: str, pod: Yaml, **more: object) -> Yaml:
    """For `kubectl patch` and for `patches` of a kustomization alike: the latter wants to know of what."""
    head = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": workload}}
    own = {"automountServiceAccountToken": False}  # neither a server nor a gate speaks to Kubernetes
    return {**head, "spec": {**more, "template": {"spec": own | pod}}}


def _environment(deployment: Deployment, server: NatsServer, text: str, book: DeployedAddresses) -> Iterator[Yaml]:
    """Passwords from the Secret; Kubernetes puts a URL together from the one that stands before it."""
    yield {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    servers = servers_of(deployment)
    urls = {name: book.url_of(name, server.region, servers, lambda each: f"$({each[1:]})") for name in variables(text)}
    yield from (_secret(name[1:], name[1:]) for name, url in urls.items() if url is None)
    yield from ({"name": name[1:], "value": url} for name, url in urls.items() if url is not None)


def _gate(name: str, image: str, book: DeployedAddresses, *more: str) -> Yaml:
    return {
        "name": name,
        "image": image,
        "args": [
            *("gate", "--nats", _BESIDE, "--system", _BESIDE, "--folder", _KEEPER),
            *("--config", f"/secondsite/{GATE_CONFIG}", *more),
        ],
        "env": _gate_logins(book),
        "volumeMounts": [
            {"name": "gate", "mountPath": f"{_KEEPER}/{gate_file('').rpartition('/')[0]}"},
            {"name": "servers", "mountPath": "/secondsite", "readOnly": True},
        ],
    }


def _gate_logins(book: DeployedAddresses) -> list[Yaml]:
    logins = (("NATS", book.gate), ("NATS_SYSTEM", gate_system(book.gate)))
    return [
        entry
        for prefix, login in logins
        for entry in (
            {"name": f"{prefix}_USER", "value": login.user},
            _secret(f"{prefix}_PASSWORD", login.password[1:]),
        )
    ]


def _agent_kustomization(server: NatsServer, book: DeployedAddresses) -> Yaml:
    namespace = book.namespace(server.cluster)
    config = {"name": _AGENT} | ({"namespace": namespace} if namespace else {}) | {"files": ["agent.json"]}
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": ["deployment.yaml"],
        "configMapGenerator": [config],
        "generatorOptions": {"disableNameSuffixHash": True},
    }


def _agent(servers: Sequence[NatsServer], image: str, book: DeployedAddresses) -> Yaml:
    """One is enough: two would copy the same. An agent that is stuck is restarted."""
    cluster = servers[0].cluster
    urls = ",".join(f"nats://{book.inside(each)}:{CLIENT_PORT}" for each in servers)
    namespace = book.namespace(cluster)
    label = {"app.kubernetes.io/name": _AGENT}
    stuck = f'test -n "$(find {_ALIVE} -mmin -2)"'
    container = {
        "name": "agent",
        "image": image,
        "args": [
            *("agent", "--nats", urls),
            *("--config", f"{_CONFIGS}/agent.json", "--every-s", f"{EVERY_S:g}", "--alive", _ALIVE),
        ],
        "env": program_login(book.agent, book),
        "livenessProbe": {
            "exec": {"command": ["sh", "-c", stuck]},
            "initialDelaySeconds": 60,
            "periodSeconds": 30,
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "config", "mountPath": _CONFIGS, "readOnly": True},
            {"name": "alive", "mountPath": _ALIVE.rpartition("/")[0]},
            *([CREDENTIALS_MOUNT] if book.account_key else []),
        ],
    }
    pod = {
        "automountServiceAccountToken": False,  # it never speaks to Kubernetes
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _NONROOT_UID,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [
            {"name": "config", "configMap": {"name": _AGENT}},
            {"name": "alive", "emptyDir": {"sizeLimit": "1Mi"}},
            *([CREDENTIALS_VOLUME] if book.account_key else []),
        ],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": _AGENT, "labels": label} | ({"namespace": namespace} if namespace else {}),
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": label},
            "template": {"metadata": {"labels": label}, "spec": pod},
        },
    }


def program_login(login: Login, book: DeployedAddresses) -> list[Yaml]:
    """In its environment: a password's key, or its credentials file."""
    if book.account_key:
        return [{"name": "NATS_CREDS", "value": f"{CREDENTIALS}/{login.user}.creds"}]
    return [{"name": "NATS_USER", "value": login.user}, _secret("NATS_PASSWORD", login.password[1:])]


def _secret(name: str, key: str) -> Yaml:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": LOGINS, "key": key}}}
