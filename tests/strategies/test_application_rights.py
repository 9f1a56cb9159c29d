"""What the application's login may hear and say, in every region that its streams have a copy in."""

from __future__ import annotations

from secondsite.model.nats import Consumer, NatsCluster, Stream, StreamOrigin
from secondsite.model.settings import Settings
from secondsite.strategies.rights import application_rights


def test_where_a_consumer_delivers_to_is_heard_where_the_mirror_has_its_name() -> None:
    """A mirror has no consumers, and its name is that of its origin; a push consumer was shut out by it."""
    pushed = Consumer("desk", settings=Settings({"deliver_subject": "to.desk", "deliver_group": "crew"}))
    east = NatsCluster("nats", streams=(Stream("PARCELS", subjects=("parcels",), consumers=(pushed,)),))
    west = NatsCluster("nats", streams=(Stream("PARCELS", mirror=StreamOrigin("PARCELS")),))
    for clusters in ((east, west), (west, east)):
        assert "to.desk" in application_rights(clusters).subscribe
