"""Hazards of secrets: whether the standby could start with them. Only names are known here, never values."""

from __future__ import annotations

from collections.abc import Iterator

from secondsite.audit.audited import Audited
from secondsite.audit.rule import Finding, rule
from secondsite.model.contract import Subject
from secondsite.model.fault import LOSES_REGION
from secondsite.model.hazard import Severity
from secondsite.model.secret import Kept

STARTED = (Subject.API, Subject.STATE)


@rule(
    id="secret-one-region",
    severity=Severity.HIGH,
    title="A secret store in one region",
    why="The standby asks the store of the lost region for its secrets and does not start.",
    source="AWS Secrets Manager documentation, replica secrets; External Secrets Operator documentation",
    remedy="Replicate the secret to the second region, point a second SecretStore at it, and list both under regions.",
)
def secret_one_region(audited: Audited) -> Iterator[Finding]:
    for secret in audited.system.secrets:
        if secret.store and len(set(secret.regions)) < 2:
            known = f"only in {secret.regions[0]}" if secret.regions else "in no second region that is known"
            yield Finding(
                f"secrets.{secret.name}.regions",
                f"{secret.name} comes from {secret.store}, {known}",
                audited.endangered(STARTED, LOSES_REGION),
            )


@rule(
    id="secret-in-cluster",
    severity=Severity.MEDIUM,
    title="A secret that lives in one cluster only",
    why="It is lost with the cluster, and whoever made it has to be found.",
    source="Kubernetes documentation, secrets: stored in the cluster's etcd",
    remedy="Keep it in an external secret store with a copy in the second region.",
)
def secret_in_cluster(audited: Audited) -> Iterator[Finding]:
    for secret in audited.system.secrets:
        if not secret.store and secret.kept is Kept.CLUSTER:
            yield Finding(
                f"secrets.{secret.name}.store",
                f"{secret.name} exists in the Kubernetes cluster only, nothing brings it to a standby",
                audited.endangered(STARTED, LOSES_REGION),
            )


@rule(
    id="secret-in-clear",
    severity=Severity.MEDIUM,
    title="A secret in clear text in the manifests",
    why="Whoever reads the repository has it, as base64 hides nothing: a standby starts with it, and so does anybody.",
    source="Kubernetes documentation, good practices for secrets: do not share manifests with Secret data",
    remedy="Seal it (SealedSecret, SOPS), or keep it in an external secret store; then change its value.",
)
def secret_in_clear(audited: Audited) -> Iterator[Finding]:
    for secret in audited.system.secrets:
        if secret.kept is Kept.CLEAR:
            yield Finding(
                f"secrets.{secret.name}.kept",
                f"{secret.name} stands in the manifests, readable by all who see them",
                (),
            )
