"""The CronJob for a cluster: the schedule, no root, nothing written, and secrets by name only."""

from __future__ import annotations

from typing import Any

from attrs import evolve

from secondsite.backup.cronjob import CronJobSpec, cron, cron_job

SPEC = CronJobSpec("nightly", "ops", "secondsite:1", 300, ("--to", "s3://bucket"))


def pod(spec: CronJobSpec) -> dict[str, Any]:
    found: dict[str, Any] = cron_job(spec)["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    return found


def test_a_week_and_a_day_begin_at_midnight() -> None:
    assert (cron(604800), cron(86400)) == ("0 0 * * 0", "0 0 * * *")


def test_one_run_at_a_time_on_the_clock_of_the_slots() -> None:
    job = cron_job(SPEC)
    assert (job["kind"], job["metadata"]["name"], job["metadata"]["namespace"]) == ("CronJob", "nightly", "ops")
    spec = job["spec"]
    assert (spec["schedule"], spec["timeZone"], spec["concurrencyPolicy"]) == ("*/5 * * * *", "Etc/UTC", "Forbid")
    assert spec["startingDeadlineSeconds"] == 300
    assert cron_job(evolve(SPEC, every_s=86400))["spec"]["startingDeadlineSeconds"] == 3600
    assert (spec["jobTemplate"]["spec"]["backoffLimit"], spec["jobTemplate"]["spec"]["activeDeadlineSeconds"]) == (
        0,
        3600,
    )


def test_it_is_not_root_and_writes_nothing() -> None:
    found = pod(SPEC)
    assert found["securityContext"]["runAsNonRoot"] is True
    (container,) = found["containers"]
    assert container["args"] == ["backup", "--to", "s3://bucket"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_without_secrets_nothing_is_mounted() -> None:
    found = pod(SPEC)
    assert not {"volumes", "serviceAccountName"} & set(found)
    assert not {"volumeMounts", "envFrom"} & set(found["containers"][0])


def test_every_volume_is_a_secret_that_is_mounted_read_only() -> None:
    spec = evolve(
        SPEC, service_account="saver", environment_secret="s3", credentials_secret="creds", signing_secret="team"
    )
    found = pod(spec)
    (container,) = found["containers"]
    assert found["serviceAccountName"] == "saver"
    assert container["envFrom"] == [{"secretRef": {"name": "s3"}}]
    assert {item["name"]: item["secret"]["secretName"] for item in found["volumes"]} == {
        "nats": "creds",
        "signing": "team",
    }
    assert {item["name"]: item["mountPath"] for item in container["volumeMounts"]} == {
        "nats": "/etc/nats",
        "signing": "/etc/signing",
    }
    assert all(item["readOnly"] for item in container["volumeMounts"])
    assert all(item["secret"]["defaultMode"] == 0o440 for item in found["volumes"])  # readable by the group below
    assert found["securityContext"]["fsGroup"] == found["securityContext"]["runAsUser"]
