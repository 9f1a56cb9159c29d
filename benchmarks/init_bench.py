"""How long `secondsite init` takes to read a large repository: 7 MB in 5,000 files, as they lie together in one.

Its own manifests, definitions of custom resources with their schemas, and the YAML and JSON of everything else: CI,
values of other charts, API descriptions, dashboards. The peer is PyYAML's own loader (libyaml) over the same files,
which builds plain values without places. Exit code 1 when reading takes more CPU than the goal.

    python benchmarks/init_bench.py
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import yaml

from secondsite.discover.manifests import discover

GOAL_S = 5.0
FILES, BYTES = 5_000, 7_000_000
SERVICES, DEFINITIONS, LARGE = 1_000, 50, 80

SERVER = """apiVersion: apps/v1
kind: StatefulSet
metadata: {name: nats, namespace: messaging}
spec:
  serviceName: nats
  replicas: 3
  template:
    metadata: {labels: {app: nats}}
    spec:
      containers:
        - name: nats
          image: nats:2.12.1-alpine
          args: [-js, -sd, /data, --cluster_name, main]
"""
APPLICATION = """apiVersion: apps/v1
kind: Deployment
metadata:
  name: app-{0}
  namespace: apps
  labels: {{app: app-{0}, team: team-{1}}}
spec:
  replicas: 3
  selector:
    matchLabels: {{app: app-{0}}}
  template:
    metadata:
      labels: {{app: app-{0}}}
    spec:
      containers:
        - name: app
          image: registry.example.com/app-{0}:1.{1}.0
          ports: [{{containerPort: 8080}}]
          env:
            - {{name: NATS_URL, value: "nats://nats.messaging:4222"}}
            - {{name: PEER, value: "http://app-{2}.apps:8080"}}
          resources:
            requests: {{cpu: 100m, memory: 128Mi}}
            limits: {{memory: 256Mi}}
          readinessProbe:
            httpGet: {{path: /ready, port: 8080}}
---
apiVersion: v1
kind: Service
metadata: {{name: app-{0}, namespace: apps}}
spec:
  selector: {{app: app-{0}}}
  ports: [{{port: 8080}}]
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {{name: app-{0}, namespace: apps}}
spec:
  maxUnavailable: 1
  selector:
    matchLabels: {{app: app-{0}}}
"""
DEFINITION = """apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: things{0}.example.com
spec:
  versions:
    - name: v1
      schema:
        openAPIV3Schema:
          properties:
"""
PROPERTY = """            field{0}:
              description: What the field is for, in a few words.
              type: string
"""
WORKFLOW = "name: build {0}\non: [push]\njobs:\n  test:\n    runs-on: ubuntu\n    steps:\n      - run: make test\n"
ENTRY = "  /path/{0}:\n    get:\n      responses:\n        '200': {{description: ok}}\n"


def write(root: Path) -> tuple[int, int]:
    """Files and bytes that were written."""
    (root / "nats.yaml").write_text(SERVER)
    for number in range(SERVICES):
        (root / f"app-{number}.yaml").write_text(APPLICATION.format(number, number % 20, (number + 1) % SERVICES))
    for number in range(DEFINITIONS):
        text = DEFINITION.format(number) + "".join(PROPERTY.format(each) for each in range(700))
        (root / f"crd-{number}.yaml").write_text(text)
    (root / "docs").mkdir()
    for number in range(LARGE):
        text = "openapi: 3.0.0\npaths:\n" + "".join(ENTRY.format(each) for each in range(400))
        (root / "docs" / f"api-{number}.yaml").write_text(text)
    (root / "ci").mkdir()
    left = FILES - len(list(root.rglob("*.yaml")))
    for number in range(left):
        (root / "ci" / f"workflow-{number}.yaml").write_text(WORKFLOW.format(number))
    files = list(root.rglob("*.yaml"))
    return len(files), sum(file.stat().st_size for file in files)


def spent_s(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def load_all(root: Path) -> None:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    for file in root.rglob("*.yaml"):
        list(yaml.load_all(file.read_text(), Loader=loader))


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        files, size = write(root)
        found = []
        own = spent_s(lambda: found.append(discover([root], base=root)))
        peer = spent_s(lambda: load_all(root))
    print(f"read                     {files:,} files, {size / 1e6:.1f} MB, {len(found[0].system.services)} services")
    print(f"secondsite init          {own:.2f} s of CPU, {own / size * 1e6:.2f} s for each MB (goal {GOAL_S:g} s)")
    print(f"PyYAML's loader alone    {peer:.2f} s of CPU")
    return 0 if own <= GOAL_S and files >= FILES and size >= BYTES else 1


if __name__ == "__main__":
    sys.exit(main())
