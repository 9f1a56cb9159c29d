"""What cannot be mirrored, or cannot be promoted from a mirror: known before a region is lost, as servers tell it then.

Tried on nats-server 2.10.26, 2.11.11, 2.12.8, 2.14.6 and 2.15.1, 2026-11. A mirror whose consumer is refused reports
lag 0 and copies nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

from secondsite.model.nats import NatsCluster, Retention, Stream
from secondsite.model.nats_release import Feature, Support, since, supports


def why_no_promotion(clusters: Iterable[NatsCluster]) -> str:
    """Why the mirrors of these clusters cannot be promoted; empty where they can. A plan does not hope."""
    clusters = tuple(clusters)
    lacking = [cluster for cluster in clusters if supports(cluster.version, Feature.PROMOTION) is not Support.YES]
    if any(supports(cluster.version, Feature.PROMOTION) is Support.NO for cluster in lacking):
        return f"nats-server below {since(Feature.PROMOTION)} refuses to promote a mirror (400/10055)"
    if lacking:
        return (
            f"the version of {lacking[0].name} is not known, and nats-server below {since(Feature.PROMOTION)} refuses "
            "to promote a mirror (400/10055)"
        )
    return why_unmirrorable(clusters)


def why_unmirrorable(clusters: Iterable[NatsCluster]) -> str:
    """The first stream's reason."""
    clusters = tuple(clusters)
    reasons = (unmirrorable(stream, cluster) for cluster in clusters for stream in cluster.streams)
    return next(filter(None, (*reasons, *map(_queue_copied_beside, clusters))), "")


def _queue_copied_beside(cluster: NatsCluster) -> str:
    """Once promoted it is copied before its consumers exist, and then the server refuses them."""
    if supports(cluster.version, Feature.QUEUE_BESIDE_COPY) is not Support.NO:
        return ""
    queues = {one.name for one in cluster.streams if one.retention is Retention.WORKQUEUE and one.consumers}
    for copy in cluster.streams:
        for origin in (*copy.sources, *((copy.mirror,) if copy.mirror else ())):
            if origin.stream in queues and origin.stream != copy.name and not origin.region:
                return (
                    f"{origin.stream} is a work queue that {copy.name} copies, and below "
                    f"{since(Feature.QUEUE_BESIDE_COPY)} its consumers cannot be made again beside that (10099, 10100)"
                )
    return ""


def unmirrorable(origin: Stream, cluster: NatsCluster) -> str:
    """Why a mirror of this stream cannot take its place; empty where it can. What mirrors another is no origin."""
    settings, limits = origin.settings, origin.settings.get("consumer_limits") or {}
    if origin.mirror is not None:
        return ""
    if settings.get("allow_msg_counter"):
        return f"{origin.name} is a counter: a mirror of one cannot be created as one nor become one (10173, 10052)"
    if (limits.get("max_ack_pending") or 0) > 0:
        return (
            f"{origin.name} limits what its consumers may leave unacknowledged, and with that the server refuses the "
            "consumer of its mirror (10082): the mirror stays empty"
        )
    most = settings.get("max_consumers") or -1
    full = 0 < most <= len(origin.consumers)
    if full and supports(cluster.version, Feature.MIRROR_BESIDE_LIMIT) is not Support.YES:
        return (
            f"{origin.name} has all of its {most} consumers, and below {since(Feature.MIRROR_BESIDE_LIMIT)} the "
            "consumer of its mirror counts as one more (10026): the mirror stays empty"
        )
    return ""
