"""Which release takes which field: as servers answered when each was created, 2026-11."""

from __future__ import annotations

import pytest
from attrs import evolve

from secondsite.model.field_support import CONSUMER_FIELDS, STREAM_FIELDS, clusters_not_taking, not_taken
from secondsite.model.nats import Consumer, NatsCluster, Stream
from secondsite.model.nats_release import parse_version
from secondsite.model.settings import Settings

TAKEN = {
    "2.10.26": set(),
    "2.11.11": {
        *("allow_msg_ttl", "subject_delete_marker_ttl", "pause_until"),
        *("priority_groups", "priority_policy", "priority_timeout"),
    },
    "2.12.1": {"allow_msg_counter", "allow_atomic", "allow_msg_schedules", "persist_mode"},
    "2.14.6": {"allow_batched"},
}
SCHEDULES = Stream("TICKS", ("ticks",), settings=Settings({"allow_msg_schedules": True}))


@pytest.mark.parametrize("version", TAKEN)
def test_a_release_takes_what_it_and_those_before_it_were_seen_to_take(version: str) -> None:
    known = parse_version(version) or (0, 0, 0)
    taken = set[str]().union(*(fields for each, fields in TAKEN.items() if (parse_version(each) or (0, 0, 0)) <= known))
    assert {field for field, since in {**STREAM_FIELDS, **CONSUMER_FIELDS}.items() if since <= known} == taken


def test_what_is_set_and_not_taken_is_named_with_the_release_that_takes_it() -> None:
    assert not_taken(SCHEDULES, "2.11.4") == ("allow_msg_schedules (2.12)",)
    assert not_taken(SCHEDULES, "2.12.0-alpine") == ()
    assert not_taken(evolve(SCHEDULES, settings=Settings({"allow_msg_schedules": False})), "2.10.1") == ()
    pinned = Consumer("one", settings=Settings({"priority_policy": "pinned_client"}))
    assert not_taken(Stream("S", consumers=(pinned,)), "2.10.26") == ("priority_policy (2.11) of its consumer one",)
    flagged = Stream("S", message_ttl=True, async_persist=True)
    assert not_taken(flagged, "2.10.26") == ("allow_msg_ttl (2.11)", "persist_mode (2.12)")


def test_nothing_is_held_against_a_version_that_nobody_knows() -> None:
    assert not_taken(SCHEDULES, "latest") == ()
    found = list(clusters_not_taking([NatsCluster("old", version="2.11.4", streams=(SCHEDULES,))]))
    assert [(cluster.name, stream.name) for cluster, stream, _ in found] == [("old", "TICKS")]
