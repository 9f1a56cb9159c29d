"""Streams and consumers in their three spellings, and the cluster that they belong to."""

from __future__ import annotations

from pathlib import Path

import pytest
from manifest_tree import discovered, line_at

from secondsite.model.mark import Knowledge
from secondsite.model.nats import Consumer, Discard, NatsCluster, Retention, Storage, Stream, StreamOrigin
from secondsite.model.units import Seconds

WANTED = Stream(
    name="JOBS",
    subjects=("jobs.>", "tasks.*"),
    retention=Retention.WORKQUEUE,
    storage=Storage.MEMORY,
    discard=Discard.NEW,
    replicas=3,
    max_age_s=Seconds(3600),
    max_messages=1000,
    max_messages_per_subject=10,
    duplicate_window_s=Seconds(60),
    consumers=(Consumer("worker", filter_subject="jobs.a", max_deliver=5),),
)
JSON = """
apiVersion: v1
kind: ConfigMap
metadata: {name: streams}
data:
  JOBS.json: |
    {"name": "JOBS",
     "subjects": ["jobs.>", "tasks.*"],
     "retention": "workqueue", "storage": "memory", "discard": "new", "num_replicas": 3,
     "max_age": 3600000000000, "max_msgs": 1000, "max_msgs_per_subject": 10, "max_bytes": -1,
     "duplicate_window": 60000000000}
  consumer.json: |
    {"stream_name": "JOBS", "config": {
      "durable_name": "worker", "filter_subject": "jobs.a", "max_deliver": 5, "ack_policy": "explicit"}}
"""
NACK = """
apiVersion: jetstream.nats.io/v1beta2
kind: Stream
metadata: {name: jobs}
spec:
  name: JOBS
  subjects: ["jobs.>", "tasks.*"]
  retention: workqueue
  storage: memory
  discard: new
  replicas: 3
  maxAge: 1h
  maxMsgs: 1000
  maxMsgsPerSubject: 10
  maxBytes: -1
  duplicateWindow: 1m
---
apiVersion: jetstream.nats.io/v1beta2
kind: Consumer
metadata: {name: worker}
spec: {streamName: JOBS, durableName: worker, filterSubject: jobs.a, maxDeliver: 5, ackPolicy: explicit}
"""
CALLS = """
apiVersion: batch/v1
kind: Job
metadata: {name: setup}
spec:
  template:
    spec:
      containers:
        - name: setup
          image: natsio/nats-box:0.14
          command:
            - sh
            - -c
            - |
              # nats stream add OLD --subjects old
              nats -s $URL stream add JOBS --subjects "jobs.>,tasks.*" \\
                --retention work --storage memory --discard new --replicas 3 --max-age 1h --max-msgs=1000 \\
                --max-msgs-per-subject 10 --max-bytes=-1 --dupe-window 1m --defaults || exit 1
              nats stream add $OTHER --subjects x
              nats consumer add JOBS worker --pull --filter jobs.a --max-deliver 5 --ack explicit
"""


def clusters(root: Path, text: str) -> tuple[NatsCluster, ...]:
    return discovered(root, {"a.yaml": text}).system.nats


@pytest.mark.parametrize("text", [JSON, NACK, CALLS], ids=["json", "nack", "calls"])
def test_the_three_spellings_say_the_same(tmp_path: Path, text: str) -> None:
    (cluster,) = clusters(tmp_path, text)
    assert cluster.streams == (WANTED,)


def test_streams_without_servers_belong_to_a_cluster_that_is_assumed(tmp_path: Path) -> None:
    found = discovered(tmp_path, {"a.yaml": NACK})
    assert found.system.nats[0].service == ""
    assert found.system.marks["nats.nats"].origin is Knowledge.ASSUMED


@pytest.mark.parametrize(
    ("text", "path", "line"),
    [
        (JSON, "subjects", '"subjects": ["jobs.>", "tasks.*"],'),
        (JSON, "consumers.worker", '"durable_name": "worker"'),
        (NACK, "max_age", "maxAge: 1h"),
        (CALLS, "replicas", "nats -s $URL stream add JOBS"),
        (CALLS, "consumers.worker.max_deliver", "nats consumer add JOBS worker"),
    ],
)
def test_a_stream_stands_where_it_is_written(tmp_path: Path, text: str, path: str, line: str) -> None:
    place = discovered(tmp_path, {"a.yaml": text}).system.marks[f"nats.nats.streams.JOBS.{path}"].place
    assert line in line_at(tmp_path, str(place))


def test_mirrors_sources_and_buckets(tmp_path: Path) -> None:
    text = """
    apiVersion: jetstream.nats.io/v1beta2
    kind: Stream
    metadata: {name: m}
    spec: {name: M, mirror: {name: JOBS, externalApiPrefix: $JS.hub.API}}
    ---
    apiVersion: jetstream.nats.io/v1beta2
    kind: Stream
    metadata: {name: s}
    spec: {name: S, sources: [{name: A}, {name: B}], placement: {tags: [eu, ssd]}}
    ---
    apiVersion: jetstream.nats.io/v1beta2
    kind: KeyValue
    metadata: {name: flags}
    spec: {bucket: flags, replicas: 3, ttl: 1h}
    """
    mirror, sourced, bucket = clusters(tmp_path, text)[0].streams
    assert mirror.mirror == StreamOrigin("JOBS", "hub")
    assert sourced.sources == (StreamOrigin("A", external=True), StreamOrigin("B", external=True))
    assert sourced.placement == "eu,ssd"
    assert (bucket.name, bucket.kind, bucket.subjects, bucket.max_age_s) == (
        "KV_flags",
        "kv",
        ("$KV.flags.>",),
        Seconds(3600),
    )


TWO = """
apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: nats, namespace: {first}}}
spec: {{serviceName: nats, template: {{spec: {{containers: [{{name: n, image: "nats:2.12.1"}}]}}}}}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: nats, namespace: {second}}}
spec: {{serviceName: nats, template: {{spec: {{containers: [{{name: n, image: "nats:2.10.1", args: [-js]}}]}}}}}}
---
apiVersion: jetstream.nats.io/v1beta2
kind: Stream
metadata: {{name: near, namespace: b}}
spec: {{name: NEAR, subjects: [n]}}
---
apiVersion: jetstream.nats.io/v1beta2
kind: Stream
metadata: {{name: far, namespace: b}}
spec: {{name: FAR, subjects: [f], servers: ["nats://nats.a.svc:4222"]}}
"""


def test_with_two_clusters_a_stream_goes_to_its_own(tmp_path: Path) -> None:
    found = clusters(tmp_path, TWO.format(first="a", second="b"))
    assert {cluster.name: [stream.name for stream in cluster.streams] for cluster in found} == {
        "nats": ["FAR"],
        "b/nats": ["NEAR"],
    }
    assert [cluster.jetstream for cluster in found] == [False, True]


def test_a_word_that_is_no_retention_is_unknown(tmp_path: Path) -> None:
    found = discovered(tmp_path, {"a.yaml": NACK.replace("retention: workqueue", "retention: forever")})
    assert [str(problem).split(";")[0] for problem in found.unread] == [
        "a.yaml:7:14: 'forever' is no retention of a stream"
    ]


def test_broken_json_is_told_with_its_line(tmp_path: Path) -> None:
    found = discovered(tmp_path, {"a.yaml": JSON.replace("60000000000}\n", "60000000000\n")})
    assert str(found.unread[0].place).startswith("a.yaml:1")
