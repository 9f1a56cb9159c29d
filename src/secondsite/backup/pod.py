"""The pod that runs a backup or an archiver in a cluster: no root, nothing written to disk, no token. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

USER = 65532


@frozen
class PodSpec:
    """``arguments`` are those of the verb, which names the container too. Secrets are named; their values are in the
    cluster.
    """

    verb: str
    image: str
    arguments: Sequence[str]
    service_account: str = ""
    environment_secret: str = ""
    credentials_secret: str = ""
    signing_secret: str = ""
    env: Sequence[Mapping[str, Any]] = ()

    @property
    def mounted(self) -> list[tuple[str, str, str]]:
        """Volume, secret, and where it is mounted."""
        wanted = [("nats", self.credentials_secret, "/etc/nats"), ("signing", self.signing_secret, "/etc/signing")]
        return [(name, secret, path) for name, secret, path in wanted if secret]


def pod(spec: PodSpec) -> dict[str, Any]:
    """A pod's ``spec`` with one container."""
    security: dict[str, Any] = {
        "runAsNonRoot": True,
        "runAsUser": USER,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    made: dict[str, Any] = {
        "automountServiceAccountToken": False,  # a cloud's identity comes by a token of its own
        "securityContext": security,
        "containers": [_container(spec)],
    }
    if spec.service_account:
        made["serviceAccountName"] = spec.service_account
    if spec.mounted:
        security["fsGroup"] = USER
        made["volumes"] = [
            {"name": name, "secret": {"secretName": secret, "defaultMode": 0o440}} for name, secret, _ in spec.mounted
        ]
    return made


def _container(spec: PodSpec) -> dict[str, Any]:
    container: dict[str, Any] = {
        "name": spec.verb,
        "image": spec.image,
        "args": [spec.verb, *spec.arguments],
        "resources": {"requests": {"cpu": "250m", "memory": "256Mi"}, "limits": {"memory": "512Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    if spec.env:
        container["env"] = [dict(each) for each in spec.env]
    if spec.environment_secret:
        container["envFrom"] = [{"secretRef": {"name": spec.environment_secret}}]
    if spec.mounted:
        container["volumeMounts"] = [
            {"name": name, "mountPath": path, "readOnly": True} for name, _, path in spec.mounted
        ]
    return container
