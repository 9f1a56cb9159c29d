"""`operate: secrets:` as what can be asked: each region's cluster, and whoever says what a secret should be.

References only. Vault and AWS are logged in to as their own tools are: by VAULT_ADDR and VAULT_TOKEN, by what boto3
finds.
"""

from __future__ import annotations

import os
from pathlib import Path

from secondsite.model.access import KubeAccess, SecretSource
from secondsite.model.deployment import Deployment
from secondsite.model.errors import InputError
from secondsite.operate.references import path_of
from secondsite.secrets.aws import AwsSecrets
from secondsite.secrets.cluster import KubeSecrets
from secondsite.secrets.door import SecretPlaces
from secondsite.secrets.entry import SecretEntry, SecretReader
from secondsite.secrets.recorded import key_of, read_recorded
from secondsite.secrets.vault import VaultSecrets

RECORDED = Path(".secondsite/secret-fingerprints.json")
KEY = "SECONDSITE_FINGERPRINT_KEY"
EXTERNAL_SECRETS = "external-secrets"
_WHERE = "operate.secrets"


def secret_places(deployment: Deployment) -> SecretPlaces | None:
    """None where nobody said how secrets are compared, or there are none: a person does it then. Raises InputError."""
    operate, system = deployment.system.operate, deployment.system
    if operate is None or operate.secrets is None or not system.secrets:
        return None
    access = operate.secrets
    entries = tuple(SecretEntry(one.name, one.namespace, one.keys) for one in system.secrets)
    regions = {
        place.region: _cluster(place.kube, place.region, operate.cluster_uid(place.region))
        for place in operate.places
        if place.kube
    }
    source = _source(access.reference, deployment, regions)
    return SecretPlaces(entries, source, regions, refreshes=access.refresh == EXTERNAL_SECRETS)


def _cluster(access: KubeAccess, region: str, uid: str) -> KubeSecrets:
    where = f"operate.places.{region}.kube"
    if not access.context:
        raise InputError.at(where, "names no context", "write context: NAME, as in kubectl")
    kubeconfig = path_of(access.kubeconfig, f"{where}.kubeconfig") if access.kubeconfig else None
    return KubeSecrets(access.context, kubeconfig, uid)


def _source(kind: SecretSource, deployment: Deployment, regions: dict[str, KubeSecrets]) -> SecretReader:
    if kind is SecretSource.RECORDED:
        return read_recorded(RECORDED, key_of(_environment(KEY), f"env:{KEY}"))
    if kind is SecretSource.VAULT:
        mount, namespace = os.environ.get("VAULT_KV_MOUNT", "secret"), os.environ.get("VAULT_NAMESPACE", "")
        return VaultSecrets(_environment("VAULT_ADDR"), _environment("VAULT_TOKEN"), mount, namespace)
    if kind is SecretSource.AWS_SECRETS_MANAGER:
        return AwsSecrets(deployment.sites[-1 if len(deployment.sites) < 2 else 1].region.name)
    home = deployment.primary.region.name
    if home not in regions:
        what = f"takes {home}'s cluster as the reference, but none is configured"
        raise InputError.at(_WHERE, what, f"configure operate.places.{home}.kube")
    return regions[home]


def _environment(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise InputError.at(_WHERE, f"env:{name} is not set", "set it in this environment")
    return value
