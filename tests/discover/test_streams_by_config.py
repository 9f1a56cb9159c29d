"""Streams that a script adds by a file of the server's words, and streams of which a consumer alone is known."""

from __future__ import annotations

import json
from pathlib import Path

from manifest_tree import discovered

from secondsite.audit.registry import audit
from secondsite.discover.manifests import Discovery
from secondsite.model.mark import Knowledge
from secondsite.model.nats import Retention, Stream

BILLS = {"name": "BILLS", "subjects": ["bills.new", "bills.paid"], "retention": "interest", "num_replicas": 3}
APP = "apiVersion: v1\nkind: Service\nmetadata: {name: app}\n"


def _streams(found: Discovery) -> list[Stream]:
    return [stream for cluster in found.system.nats for stream in cluster.streams]


def test_a_configuration_beside_the_script_is_read(tmp_path: Path) -> None:
    """With or without the name on the command line, and as `nats stream info --json` prints it."""
    script = "nats stream add --config streams/bills.json\nnats stream add TIDES --config=streams/tides.json\n"
    tides = {"config": {"name": "TIDES", "subjects": ["tides.>"], "num_replicas": 5}}
    files = {"streams/bills.json": json.dumps(BILLS), "streams/tides.json": json.dumps(tides)}
    found = discovered(tmp_path, {"app.yaml": APP, "make.sh": script, **files})
    bills, tide = _streams(found)
    assert (bills.name, bills.retention, bills.subjects) == ("BILLS", Retention.INTEREST, ("bills.new", "bills.paid"))
    assert (tide.name, tide.replicas) == ("TIDES", 5)
    assert found.unread == ()


def test_one_that_is_not_at_hand_is_told_at_its_line(tmp_path: Path) -> None:
    """A pipe, and a file above the script, which is not opened."""
    script = "cat <<J | nats stream add --config /dev/stdin\n{}\nJ\nnats stream add --config ../bills.json\n"
    found = discovered(tmp_path, {"app.yaml": APP, "in/make.sh": script, "bills.json": json.dumps(BILLS)})
    assert _streams(found) == []
    assert [(problem.place.line, problem.what.split(" stand in ")[1]) for problem in found.unread] == [
        (1, "/dev/stdin, which was not read"),
        (4, "../bills.json, which was not read"),
    ]


def test_a_stream_of_which_a_consumer_alone_is_known_has_no_defaults(tmp_path: Path) -> None:
    """It was told as a stream of one replica without a limit, by its limits, and accused of both."""
    script = "nats consumer add BILLS mailer --filter bills.new --ack explicit --pull --defaults\n"
    found = discovered(tmp_path, {"app.yaml": APP, "make.sh": script})
    (stream,) = _streams(found)
    (cluster,) = found.system.nats
    for key in ("subjects", "retention", "replicas", "max_age"):
        assert found.system.marks[f"nats.{cluster.name}.streams.BILLS.{key}"].origin is Knowledge.ASSUMED, key
    assert [problem.what for problem in found.unread] == [
        "adds a consumer to BILLS, and no file read defines that stream"
    ]
    assert stream.consumers[0].filter_subject == "bills.new"
    accused = {hazard.rule for hazard in audit(found.system)}
    assert not accused & {"nats-stream-single-replica", "nats-stream-unbounded"}
    assert not accused & {"nats-route-tls", "nats-sync-interval"}, "of servers that nobody has seen"
