"""What puts back what a failover changes is told as the lines that `operate: reconcilers:` takes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from secondsite.discover.manifests import discover
from secondsite.discover.system_file.reading import load_system
from secondsite.model.operate import Operate, Reconciler, ReconcilerKind

OBJECTS = """
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: shop, namespace: argocd}
spec: {source: {repoURL: https://example.com/shop.git}, syncPolicy: {automated: {selfHeal: HEAL}}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: apps, namespace: flux-system}
spec: {suspend: SUSPENDED}
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: web, namespace: shop}
spec: {suspend: SUSPENDED}
---
apiVersion: jetstream.nats.io/v1beta2
kind: Stream
metadata: {name: orders, namespace: nats}
spec: {name: ORDERS, subjects: [orders.>]}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: api-scaler, namespace: shop}
spec: {scaleTargetRef: {kind: Deployment, name: api}, minReplicas: 2, maxReplicas: 6}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: shop}
spec: {template: {spec: {containers: [{name: api, image: "example.org/api:1"}]}}}
---
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
metadata: {name: no-controller}
"""


def _told(folder: Path, heal: str = "true", suspended: str = "false") -> list[str]:
    (folder / "all.yaml").write_text(OBJECTS.replace("HEAL", heal).replace("SUSPENDED", suspended))
    notes = discover([folder], base=folder).notes
    return [match[1] for note in notes if (match := re.search(r"`operate: reconcilers:` as `(.*)`", note))]


def test_each_is_told_as_a_line_that_the_file_takes(tmp_path: Path) -> None:
    lines = _told(tmp_path)
    written = [YAML(typ="safe").load(line) for line in lines]
    region = written[0]["region"]
    file = tmp_path / "secondsite.yaml"
    listed = "".join(f"    - {line}\n" for line in lines)
    head = f"schema: secondsite/system/1\nname: shop\nregion: {{provider: aws, name: {region}}}\n"
    file.write_text(f"{head}operate:\n  reconcilers:\n{listed}")
    operate = load_system(file).operate or Operate()
    assert set(operate.reconcilers) == {
        Reconciler(ReconcilerKind.ARGO_CD, "shop", region, "argocd"),
        Reconciler(ReconcilerKind.FLUX_KUSTOMIZATION, "apps", region, "flux-system"),
        Reconciler(ReconcilerKind.FLUX_HELM_RELEASE, "web", region, "shop"),
        Reconciler(ReconcilerKind.NACK, "orders", region, "nats", ("ORDERS",)),
        Reconciler(ReconcilerKind.HPA, "api-scaler", region, "shop", ("api",)),
    }


@pytest.mark.parametrize(("heal", "suspended", "left"), [("false", "false", 4), ("true", "true", 3)])
def test_what_shows_a_difference_and_leaves_it_is_not_told(
    tmp_path: Path, heal: str, suspended: str, left: int
) -> None:
    assert len(_told(tmp_path, heal, suspended)) == left
