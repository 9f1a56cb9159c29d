"""What runs an archiver in Kubernetes, and what its identity may do in the bucket. Pure."""

from __future__ import annotations

from typing import Any

from attrs import evolve, frozen

from secondsite.backup.pod import PodSpec, pod
from secondsite.strategies.archiver import METRICS_PORT


@frozen
class ArchiverSpec:
    """What it is called, where it runs, and the pod of which there are two."""

    name: str
    namespace: str
    pod: PodSpec


def deployment(spec: ArchiverSpec) -> dict[str, Any]:
    """Two copies on two nodes, of which one ships. No root, nothing written to disk."""
    labels = {"app.kubernetes.io/name": spec.name, "app.kubernetes.io/managed-by": "secondsite"}
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": {"app.kubernetes.io/name": spec.name}},
    }
    served = ("--metrics-host", "0.0.0.0", "--metrics-port", str(METRICS_PORT))  # noqa: S104 # the pod's own address
    replica = pod(evolve(spec.pod, arguments=(*spec.pod.arguments, *served)))
    replica |= {"terminationGracePeriodSeconds": 60, "topologySpreadConstraints": [spread]}
    replica["containers"][0]["ports"] = [{"name": "metrics", "containerPort": METRICS_PORT}]
    scraped = {"prometheus.io/scrape": "true", "prometheus.io/port": str(METRICS_PORT)}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": spec.name, "namespace": spec.namespace, "labels": labels},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app.kubernetes.io/name": spec.name}},
            "template": {"metadata": {"labels": dict(labels), "annotations": scraped}, "spec": replica},
        },
    }


def bucket_policy(bucket: str, prefix: str) -> dict[str, Any]:
    """An AWS IAM policy: the archiver writes, reads and lists below its prefix, and deletes nothing but probes."""
    root = f"{prefix}/archive" if prefix else "archive"
    objects = f"arn:aws:s3:::{bucket}/{root}"
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "ListTheArchive",
                "Effect": "Allow",
                "Action": ["s3:ListBucket"],
                "Resource": [f"arn:aws:s3:::{bucket}"],
                "Condition": {"StringLike": {"s3:prefix": [root, f"{root}/*"]}},
            },
            {
                "Sid": "ShipAndGoOn",
                "Effect": "Allow",
                "Action": ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"],
                "Resource": [f"{objects}/*"],
            },
            {
                "Sid": "TakeBackProbes",
                "Effect": "Allow",
                "Action": ["s3:DeleteObject"],
                "Resource": [f"{objects}/probes/*"],
            },
        ],
    }
