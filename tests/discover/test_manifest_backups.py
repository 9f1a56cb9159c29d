"""What a backup job really saves, where, and how often: by its script."""

from __future__ import annotations

from pathlib import Path
from textwrap import indent

import pytest
from hypothesis import given
from hypothesis import strategies as st
from manifest_tree import discovered, line_at

from secondsite.discover.cron import longest_gap_s
from secondsite.model.backup import Backup, Content, Where
from secondsite.model.units import Seconds

CRON_JOB = """
apiVersion: batch/v1
kind: CronJob
metadata:
  name: {name}
spec:
  schedule: "{schedule}"
  jobTemplate:
    spec:
      template:
        spec:
          containers:
            - name: job
              image: shop/tools:1
              env:
{env}
              command:
                - sh
                - -c
                - |
{script}
          volumes:
{volumes}
"""
SERVERS = """
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: nats}
spec: {replicas: 3, template: {metadata: {labels: {app: nats}}, spec: {containers: [{name: n, image: "nats:2.12.0"}]}}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec: {template: {spec: {containers: [{name: n, image: "postgres:16"}]}}}
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: gp3}
allowedTopologies: [{matchLabelExpressions: [{key: topology.kubernetes.io/region, values: [eu-west-1]}]}]
"""
CLAIM = "- name: out\n  persistentVolumeClaim: {claimName: out}"
EMPTY = "- {name: out, emptyDir: {}}"
OPTIONAL = "- name: AWS_ACCESS_KEY_ID\n  valueFrom: {secretKeyRef: {name: s3, key: id, optional: true}}"
PLAIN = "- {name: X, value: y}"


def backups(
    root: Path,
    script: str,
    *,
    name: str = "nightly",
    env: str = PLAIN,
    volumes: str = EMPTY,
    schedule: str = "0 2 * * *",
) -> tuple[Backup, ...]:
    job = CRON_JOB.format(
        name=name,
        schedule=schedule,
        env=indent(env, " " * 16),
        script=indent(script, " " * 18),
        volumes=indent(volumes, " " * 12),
    )
    return discovered(root, {"servers.yaml": SERVERS, "job.yaml": job}).system.backups


@pytest.mark.parametrize(
    ("script", "content", "covers"),
    [
        ("nats stream backup EVENTS /out", Content.MESSAGES, ("nats",)),
        ("nats -s $URL stream backup EVENTS /out\nnats stream info EVENTS", Content.MESSAGES, ("nats",)),
        ("nats account backup /out", Content.MESSAGES, ("nats",)),
        ("nats stream info EVENTS --json > /out/x", Content.CONFIGURATION, ("nats",)),
        ("nats stream report --json > /out/x", Content.CONFIGURATION, ("nats",)),
        ("# nats stream backup EVENTS /out\nnats consumer info E c", Content.CONFIGURATION, ("nats",)),
        ("pg_dump $URL | gzip > /out/x", Content.DATA, ("db",)),
        ("kubectl get all -A -o yaml > /out/x", Content.RESOURCES, ()),
    ],
)
def test_the_script_says_what_is_saved(tmp_path: Path, script: str, content: Content, covers: tuple[str, ...]) -> None:
    (backup,) = backups(tmp_path, script)
    assert (backup.content, backup.covers) == (content, covers)


def test_a_job_that_saves_two_things_is_two_backups(tmp_path: Path) -> None:
    found = backups(tmp_path, "pg_dump $URL > /out/x\nnats stream ls --json > /out/y")
    assert [(backup.name, backup.content) for backup in found] == [
        ("nightly", Content.DATA),
        ("nightly-configuration", Content.CONFIGURATION),
    ]


def test_a_job_by_name_only_saves_nobody_knows_what(tmp_path: Path) -> None:
    (backup,) = backups(tmp_path, "/bin/do-it", name="db-backup")
    assert (backup.content, backup.covers) == (Content.UNKNOWN, ())


def test_a_job_that_saves_nothing_is_no_backup(tmp_path: Path) -> None:
    assert backups(tmp_path, "curl http://shop/reindex") == ()


@pytest.mark.parametrize(
    ("script", "env", "volumes", "where", "optional"),
    [
        ("pg_dump > /out/x", PLAIN, CLAIM, Where.CLUSTER, False),
        ("pg_dump > /out/x\naws s3 cp /out/x s3://b/", PLAIN, CLAIM, Where.UNKNOWN, False),
        ("pg_dump > /out/x\naws s3 cp /out/x s3://b/ --region eu-west-1", PLAIN, CLAIM, Where.REGION, False),
        ("pg_dump > /out/x\naws s3 cp /out/x s3://b/ --region us-east-1", PLAIN, CLAIM, Where.ELSEWHERE, False),
        (
            "pg_dump > /out/x\naws s3 cp /out/x s3://b/",
            "- {name: AWS_REGION, value: us-east-1}",
            CLAIM,
            Where.ELSEWHERE,
            False,
        ),
        ("pg_dump > /out/x\naws s3 cp /out/x s3://b/", OPTIONAL, CLAIM, Where.CLUSTER, True),
        (
            'pg_dump > /out/x\nif [ -n "$AWS_KEY" ]; then\n  aws s3 cp /out/x s3://b/\nfi',
            PLAIN,
            CLAIM,
            Where.CLUSTER,
            True,
        ),
        (
            "pg_dump > /out/x\nif [ -f /out/x ]; then\n  aws s3 cp /out/x s3://b/\nfi",
            PLAIN,
            CLAIM,
            Where.UNKNOWN,
            False,
        ),
        ("pg_dump > /out/x", PLAIN, EMPTY, Where.CLUSTER, False),
    ],
)
def test_where_it_lies_is_where_it_is_sure_to_lie(
    tmp_path: Path, script: str, env: str, volumes: str, where: Where, optional: bool
) -> None:
    (backup,) = backups(tmp_path, script, env=env, volumes=volumes)
    assert (backup.where, backup.optional_upload) == (where, optional)


@pytest.mark.parametrize(
    ("script", "swallowed"),
    [
        ("pg_dump > /out/x || true", True),
        ("pg_dump > /out/x 2>/dev/null", True),
        ("set +e\npg_dump > /out/x", True),
        ("set -e\npg_dump > /out/x\nrm /tmp/y || true", False),
        ("set -euo pipefail\npg_dump \\\n  > /out/x || :", True),
        ("pg_dump > /out/x", False),
    ],
)
def test_swallowed_errors_are_those_of_the_saving_itself(tmp_path: Path, script: str, swallowed: bool) -> None:
    (backup,) = backups(tmp_path, script)
    assert backup.errors_swallowed is swallowed


def test_a_finding_in_a_script_leads_to_its_line(tmp_path: Path) -> None:
    job = CRON_JOB.format(
        name="n", schedule="@daily", env=indent(PLAIN, " " * 16), volumes=indent(EMPTY, " " * 12),
        script=indent("set -e\npg_dump > /out/x || true\nfind /out -mtime +3 -delete", " " * 18),
    )  # fmt: skip
    found = discovered(tmp_path, {"job.yaml": job})
    marks = found.system.marks
    assert line_at(tmp_path, str(marks["backups.n.errors_swallowed"].place)) == "pg_dump > /out/x || true"
    assert line_at(tmp_path, str(marks["backups.n.retention"].place)) == "find /out -mtime +3 -delete"
    assert found.system.backups[0].retention_s == Seconds(3 * 86400)


def test_velero_saves_volumes_unless_told_not_to(tmp_path: Path) -> None:
    def content(template: str) -> Content:
        schedule = "apiVersion: velero.io/v1\nkind: Schedule\nmetadata: {name: s}\nspec:\n  schedule: '@daily'\n"
        return discovered(tmp_path, {"s.yaml": f"{schedule}  template: {template}\n"}).system.backups[0].content

    assert content("{ttl: 24h}") is Content.VOLUMES
    assert content("{snapshotVolumes: false}") is Content.RESOURCES
    assert content("{snapshotVolumes: false, defaultVolumesToFsBackup: true}") is Content.VOLUMES


def test_a_schedule_that_is_none_is_unknown(tmp_path: Path) -> None:
    (found,) = backups(tmp_path, "pg_dump", schedule="0 2 * *")
    assert found.interval_s == Seconds(86400)


@pytest.mark.parametrize(
    ("schedule", "hours"),
    [
        ("0 2 * * *", 24),
        ("*/15 * * * *", 0.25),
        ("0 */6 * * *", 6),
        ("30 1,13 * * *", 12),
        ("0 8-18 * * *", 14),
        ("0 0 * * 1-5", 72),
        ("0 0 * * MON,THU", 96),
        ("0 0 * * 7", 168),
        ("0 0 1 * *", 31 * 24),
        ("0 0 13 * 5", 168),
        ("0 0 31 * *", 61 * 24),
        ("0 0 1 1 *", 366 * 24),
        ("@weekly", 168),
        ("@every 90m", 1.5),
        ("TZ=UTC 0 2 * * *", 24),
    ],
)
def test_the_interval_is_the_longest_time_between_two_runs(schedule: str, hours: float) -> None:
    assert longest_gap_s(schedule) == hours * 3600


@pytest.mark.parametrize(
    "schedule", ["", "* * * *", "60 * * * *", "* * * 13 *", "*/0 * * * *", "a * * * *", "0 0 30 2 *", "5-1 * * * *"]
)
def test_what_never_runs_is_refused(schedule: str) -> None:
    with pytest.raises(ValueError, match="schedule"):
        longest_gap_s(schedule)


FIELD = st.one_of(
    st.just("*"), st.integers(1, 12).map(str), st.integers(1, 6).map(lambda n: f"*/{n}"), st.text(max_size=6)
)


@given(st.lists(FIELD, max_size=6).map(" ".join))
def test_a_schedule_is_a_positive_gap_or_an_error(schedule: str) -> None:
    gap = 1.0
    try:
        gap = longest_gap_s(schedule)
    except ValueError as error:
        assert str(error)  # noqa: PT017 (either outcome is right)
    assert gap > 0
