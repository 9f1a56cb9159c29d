"""What kustomize itself makes of a tree, and what we make of it: the same, object by object.

`kustomized/` holds what `kubectl kustomize` (5.5) printed; where kubectl is there, it is asked again.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from manifest_tree import write

from secondsite.discover.files import find
from secondsite.discover.yaml_source import Plain, load_documents, to_plain

HERE = Path(__file__).parent
WORKLOAD = """apiVersion: apps/v1
kind: StatefulSet
metadata: {name: nats}
spec:
  replicas: 3
  serviceName: nats
  selector: {matchLabels: {app: nats}}
  template:
    metadata: {labels: {app: nats}}
    spec:
      containers:
        - name: nats
          image: nats:2.10
          envFrom:
            - configMapRef: {name: fixed}
          env:
            - name: LEVEL
              valueFrom: {configMapKeyRef: {name: nats-config, key: LEVEL}}
            - {name: HOST, value: placeholder}
            - {name: URL, value: "nats://here:4222"}
        - {name: exporter, image: "exporter:0.1", env: [{name: URL, value: "http://x/y"}]}
      volumes:
        - {name: c, configMap: {name: nats-config}}
        - {name: p, projected: {sources: [{configMap: {name: nats-config}}]}}
---
apiVersion: v1
kind: Service
metadata: {name: nats}
spec: {clusterIP: None, selector: {app: nats}, ports: [{port: 4222}]}
"""
GENERATED = """resources: [nats.yaml]
configMapGenerator:
  - name: nats-config
    files: [nats.conf, second=nats.conf]
    envs: [a.env]
    literals: ["Q='quoted'", "R='half", 'H=<a>&"é', "E=a=b"]
  - name: fixed
    literals: [X=1]
    options: {disableNameSuffixHash: true, labels: {l: v}, annotations: {an: v}, immutable: true}
  - name: empty
"""
BASE = {
    "base/kustomization.yaml": GENERATED,
    "base/nats.yaml": WORKLOAD,
    "base/nats.conf": "port: 4222\njetstream {}\n",
    "base/a.env": "# comment\nLEVEL=debug\n\nBAZ=qux # part of it\n  SP=1\n",
}
COMPONENT = """apiVersion: kustomize.config.k8s.io/v1alpha1
kind: Component
configMapGenerator:
  - {name: nats-config, behavior: merge, literals: [EXTRA=1]}
replicas:
  - {name: nats, count: 5}
"""
OVERLAY = """namespace: shop
namePrefix: eu-
resources: [../base]
components: [../part]
configMapGenerator:
  - {name: nats-config, behavior: merge, literals: [LEVEL=info]}
  - {name: fixed, behavior: replace, literals: [Y=2]}
  - {name: empty, behavior: merge, literals: [Z=3], options: {disableNameSuffixHash: true}}
generatorOptions:
  labels: {gen: "yes"}
"""
OUTER = """nameSuffix: -v2
resources: [../overlay]
configMapGenerator:
  - {name: nats-config, behavior: merge, literals: [OUTER=1]}
replicas:
  - {name: nats, count: 7}
patches:
  - target: {kind: StatefulSet, name: nats}
    patch: |
      - {op: add, path: /spec/minReadySeconds, value: 4}
"""
REPLACED = r"""resources: [../base]
namePrefix: eu-
replacements:
  - source: {kind: Service, name: nats, fieldPath: metadata.name}
    targets:
      - select: {kind: StatefulSet}
        fieldPaths:
          - spec.template.spec.containers.[name=nats].env.[name=HOST].value
          - spec.template.metadata.annotations.example\.org/host
          - spec.template.spec.containers.[name=nats].env.[name=NEW].value
        options: {create: true}
      - select: {name: nats}
        reject: [{kind: Service}]
        fieldPaths:
          - spec.template.spec.containers.0.env.[name=URL].value
        options: {delimiter: "/", index: 2}
  - path: more.yaml
"""
MORE = """- source: {kind: StatefulSet, name: nats, fieldPath: spec.template.spec.containers.0.image,
           options: {delimiter: ":", index: 1}}
  targets:
    - select: {kind: StatefulSet, name: nats}
      fieldPaths:
        - spec.template.spec.containers.*.image
      options: {delimiter: ":", index: 1}
- source: {kind: StatefulSet, name: nats, fieldPath: spec.replicas}
  targets:
    - select: {kind: StatefulSet, name: eu-nats}
      fieldPaths: [spec.minReadySeconds]
      options: {create: true}
    - select: {kind: StatefulSet, name: nobody}
      fieldPaths: [spec.replicas]
"""
CASES = {
    "generated": ("base", BASE),
    "merged": ("overlay", {**BASE, "overlay/kustomization.yaml": OVERLAY, "part/kustomization.yaml": COMPONENT}),
    "outer": (
        "outer",
        {
            **BASE,
            "overlay/kustomization.yaml": OVERLAY,
            "part/kustomization.yaml": COMPONENT,
            "outer/kustomization.yaml": OUTER,
        },
    ),
    "replaced": ("over", {**BASE, "over/kustomization.yaml": REPLACED, "over/more.yaml": MORE}),
}


def canonical(value: Plain) -> str:
    """Maps without order."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{canonical(inner)}" for key, inner in sorted(value.items())) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    return repr(value)


def objects(text: str) -> list[str]:
    return sorted(canonical(to_plain(node)) for node in load_documents(text, "kubectl"))


@pytest.mark.parametrize("case", CASES)
def test_the_result_is_that_of_kustomize(tmp_path: Path, case: str) -> None:
    folder, tree = CASES[case]
    root = write(tmp_path, tree)
    found = find([root / folder], root)
    assert found.notes == []
    expected = (HERE / "kustomized" / f"{case}.yaml").read_text("utf-8")
    assert sorted(canonical(to_plain(one.node)) for one in found.resources) == objects(expected)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_kustomize_still_says_so(tmp_path: Path, kubectl: str, case: str) -> None:
    folder, tree = CASES[case]
    root = write(tmp_path, tree)
    done = subprocess.run(
        [kubectl, "kustomize", str(root / folder)], capture_output=True, text=True, timeout=120, check=True
    )
    assert objects(done.stdout) == objects((HERE / "kustomized" / f"{case}.yaml").read_text("utf-8"))
