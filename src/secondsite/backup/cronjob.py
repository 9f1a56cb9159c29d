"""A Kubernetes CronJob that makes the same backup, for those who let the cluster keep the time. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import frozen

from secondsite.backup.pod import PodSpec, pod
from secondsite.model.errors import InputError

_STEPS = (("minute", 60, 60), ("hour", 3600, 24))


@frozen
class CronJobSpec:
    """``arguments`` are those of ``secondsite backup``. Secrets are named, and their values are in the cluster."""

    name: str
    namespace: str
    image: str
    every_s: float
    arguments: Sequence[str]
    service_account: str = ""
    environment_secret: str = ""
    credentials_secret: str = ""
    deadline_s: int = 3600
    signing_secret: str = ""


def cron(every_s: float) -> str:
    """``*/5 * * * *`` for five minutes. Raises InputError for what cron cannot say evenly."""
    if every_s == 604800:
        return "0 0 * * 0"
    if every_s == 86400:
        return "0 0 * * *"
    for unit, size, count in _STEPS:
        steps = every_s / size
        if steps.is_integer() and 1 <= steps < count and count % int(steps) == 0:
            step = "*" if steps == 1 else f"*/{int(steps)}"
            return f"{step} * * * *" if unit == "minute" else f"0 {step} * * *"
    what = f"cron has no schedule of every {every_s:g} s"
    raise InputError.at("--every", what, "give minutes that divide an hour, hours that divide a day, 1d or 7d")


def cron_job(spec: CronJobSpec) -> dict[str, Any]:
    """The manifest. One run at a time, no retries beside the tool's own, no root, nothing written to disk."""
    labels = {"app.kubernetes.io/name": spec.name, "app.kubernetes.io/managed-by": "secondsite"}
    secrets = (spec.service_account, spec.environment_secret, spec.credentials_secret, spec.signing_secret)
    once = {"restartPolicy": "Never", **pod(PodSpec("backup", spec.image, spec.arguments, *secrets))}
    job = {
        "activeDeadlineSeconds": spec.deadline_s,
        "backoffLimit": 0,
        "template": {"metadata": {"labels": dict(labels)}, "spec": once},
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": spec.name, "namespace": spec.namespace, "labels": labels},
        "spec": {
            "schedule": cron(spec.every_s),
            "timeZone": "Etc/UTC",
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": int(min(spec.every_s, 3600)),
            "successfulJobsHistoryLimit": 1,
            "failedJobsHistoryLimit": 3,
            "jobTemplate": {"spec": job},
        },
    }
