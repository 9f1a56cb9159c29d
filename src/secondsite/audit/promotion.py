"""Hazards of the plan itself: steps that the servers refuse, and steps that destroy what they should save.

Judged from the typed steps of the Procedures, never from their titles. Without Procedures, a mirror in another
cluster is taken for what it is there for: to be promoted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from secondsite.audit.audited import Audited, Replica, lacks, listed, step_path
from secondsite.audit.rule import Finding, rule
from secondsite.audit.subjects import overlap
from secondsite.model.contract import Subject
from secondsite.model.fault import LOSES_REGION
from secondsite.model.hazard import Severity
from secondsite.model.nats import Stream, StreamKind
from secondsite.model.nats_release import Feature
from secondsite.model.procedure import Procedure, QuorumMethod, Step, Verb

MEASURED = "nats-server 2.15.1, measured 2026-11"
NATS = (Subject.NATS,)


@rule(
    id="nats-promotion-refused",
    severity=Severity.FATAL,
    title="The servers are too old to promote a mirror",
    why="Before 2.12 the server refuses every update that removes a mirror, so the failover stops there.",
    source="nats-server 2.10.26 and 2.11.11 refuse, 2.12.8, 2.14.6 and 2.15.1 do it, measured 2026-11",
    remedy="Upgrade the standby to 2.12 or newer, or fail over by restoring messages from a backup.",
)
def nats_promotion_refused(audited: Audited) -> Iterator[Finding]:
    for cluster in audited.clusters if audited.means_to_promote else ():
        mirrors = [mirror for mirror in audited.remote_mirrors if mirror.cluster is cluster]
        if mirrors and lacks(cluster, Feature.PROMOTION):
            yield Finding(
                f"nats.{cluster.name}.version",
                f"NATS {cluster.version} refuses to promote {_names(mirrors)} (400/10055)",
                audited.endangered(NATS, LOSES_REGION),
            )


def _names(mirrors: Iterable[Replica]) -> str:
    return listed(mirror.stream.name for mirror in mirrors)


@rule(
    id="nats-version-without-promotion",
    severity=Severity.HIGH,
    title="This NATS version could not promote a mirror",
    why="Whoever adds a mirrored standby to it gets copies that can never be written to.",
    source="nats-server 2.10.26 and 2.11.11 refuse promotion (400/10055), measured 2026-11",
    remedy="Upgrade to 2.12 or newer before any plan relies on mirrors; 2.15 also brings META rescue.",
)
def nats_version_without_promotion(audited: Audited) -> Iterator[Finding]:
    if audited.deployment or audited.remote_mirrors:
        return
    for cluster in audited.clusters:
        if cluster.streams and lacks(cluster, Feature.PROMOTION):
            yield Finding(
                f"nats.{cluster.name}.version",
                f"NATS {cluster.version} cannot turn a mirror into a stream, so a standby could only be restored",
                audited.endangered(NATS, LOSES_REGION),
            )


@rule(
    id="nats-promotion-overlap",
    severity=Severity.HIGH,
    title="Promotion on subjects that the lost origin still holds",
    why="Within one meta group the lost stream stays assigned, and two streams may not listen on one subject.",
    source=f"{MEASURED}: 400/10065 subjects overlap",
    remedy="Delete the origin first and take its timeout for unknown, not for failed; or promote on other subjects.",
)
def nats_promotion_overlap(audited: Audited) -> Iterator[Finding]:
    for procedure, step, mirrors in audited.promotions():
        deleted = any(before.verb is Verb.DELETE_ORIGIN for before in procedure.leading_to(step.id))
        taken = [] if deleted else [mirror for mirror in mirrors if _still_taken(audited, step, mirror)]
        if taken:
            yield Finding(
                step_path(procedure, step),
                f"{_names(taken)} would take subjects that the lost origins still hold in the same meta group "
                "(400/10065)",
                audited.endangered(NATS, LOSES_REGION),
            )


def _still_taken(audited: Audited, step: Step, mirror: Replica) -> bool:
    subjects = mirror.origin.subjects if mirror.origin else ()
    shared = mirror.home in audited.group_of(mirror.cluster).clusters
    return shared and any(overlap(one, other) for one in step.subjects or subjects for other in subjects)


@rule(
    id="nats-promotion-without-subjects",
    severity=Severity.HIGH,
    title="Promotion without subjects",
    why="A mirror has no subjects; promoted without any, it captures nothing that clients publish.",
    source=f"{MEASURED}: such a stream listens on its own name",
    remedy="Record the origin's subjects in the system file, so that the promotion can set them.",
)
def nats_promotion_without_subjects(audited: Audited) -> Iterator[Finding]:
    for procedure, step, mirrors in audited.promotions():
        bare = [mirror for mirror in mirrors if not (mirror.origin and mirror.origin.subjects)]
        if bare and not step.subjects:
            yield Finding(
                step_path(procedure, step),
                f"no subjects are known for {_names(bare)}: promoted so, each listens on its own name only",
                audited.endangered(NATS, LOSES_REGION),
            )


def _quorum_by(audited: Audited, method: QuorumMethod, happens: str) -> Iterator[Finding]:
    for procedure in audited.procedures:
        for step in procedure.steps:
            if step.verb is Verb.RESTORE_QUORUM and step.method is method:
                yield Finding(
                    step_path(procedure, step),
                    f"{procedure.name} restores the quorum by {method}: {happens}",
                    audited.endangered(NATS, LOSES_REGION),
                )


@rule(
    id="nats-removed-region-rejoins",
    severity=Severity.HIGH,
    title="A removed region may rejoin with its data",
    why="Servers that were removed delete their streams when they come back: what was not mirrored is gone for ever.",
    source=MEASURED,
    remedy="Start the old region isolated, salvage its messages, wipe it, and only then let it join.",
)
def nats_removed_region_rejoins(audited: Audited) -> Iterator[Finding]:
    removing = [
        (procedure, step)
        for procedure in audited.failovers
        for step in procedure.steps
        if step.verb is Verb.RESTORE_QUORUM
        and not step.blocked
        and step.method in (None, QuorumMethod.RESCUE, QuorumMethod.REMOVE_PEERS)
    ]
    if removing and not any(_salvages_first(procedure) for procedure in audited.procedures):
        procedure, step = removing[0]
        yield Finding(
            step_path(procedure, step),
            f"{procedure.name} removes the lost servers, and no procedure salvages their streams before they rejoin",
            audited.endangered(NATS, LOSES_REGION),
        )


def _salvages_first(procedure: Procedure) -> bool:
    """Whether it salvages, and does so before anything that lets the old servers join."""
    salvages = {step.id for step in procedure.steps if step.verb is Verb.SALVAGE and not step.blocked}
    joins = [step for step in procedure.steps if step.verb in (Verb.RESYNCHRONISE, Verb.RESTART)]
    return bool(salvages) and all(salvages & {before.id for before in procedure.leading_to(join.id)} for join in joins)


@rule(
    id="old-primary-writable",
    severity=Severity.HIGH,
    title="The old primary can come back writable",
    why="It starts with its streams and accepts writes within seconds: two writers, and no way to tell which is right.",
    source=f"{MEASURED}: up in 6 s, writable",
    remedy="Fence it before promoting (network, credentials or scaled to zero), and start it isolated.",
)
def old_primary_writable(audited: Audited) -> Iterator[Finding]:
    for procedure, step, mirrors in audited.promotions():
        if mirrors and not any(_fences(before) for before in procedure.leading_to(step.id)):
            yield Finding(
                step_path(procedure, step),
                f"{_names(mirrors)} become writable and nothing keeps the old primary from coming back writable too",
                audited.endangered(NATS, LOSES_REGION),
            )


def _fences(step: Step) -> bool:
    return step.verb is Verb.FENCE and not step.blocked


@rule(
    id="nats-quorum-add-servers",
    severity=Severity.HIGH,
    title="Quorum by adding new servers",
    why="A server with a new name needs a leader to be let in, and there is none.",
    source=f"{MEASURED}: new names do not help; three empty servers under the lost names do",
    remedy="Use META rescue (2.15 or newer), or start empty servers under the lost names.",
)
def nats_quorum_add_servers(audited: Audited) -> Iterator[Finding]:
    return _quorum_by(audited, QuorumMethod.ADD_SERVERS, "servers with new names cannot join without a leader")


@rule(
    id="nats-quorum-wipe-meta",
    severity=Severity.FATAL,
    title="Quorum by wiping the meta state",
    why="Servers that come up without meta state take their streams for orphans and delete them from disk.",
    source=f"{MEASURED}: streams gone within 40 s",
    remedy="Use META rescue (2.15 or newer); snapshot every stream before touching anything.",
)
def nats_quorum_wipe_meta(audited: Audited) -> Iterator[Finding]:
    return _quorum_by(audited, QuorumMethod.WIPE_META, "the survivors delete their streams as orphans within 40 s")


@rule(
    id="nats-quorum-lone-store",
    severity=Severity.HIGH,
    title="Quorum by starting one store alone",
    why="A store of a replicated stream is refused by a server that runs alone.",
    source=f"{MEASURED}: refused with 10074",
    remedy="Snapshot the stream from the survivors and restore it elsewhere.",
)
def nats_quorum_lone_store(audited: Audited) -> Iterator[Finding]:
    return _quorum_by(audited, QuorumMethod.LONE_STORE, "a replicated store started alone is refused (10074)")


@rule(
    id="nats-promoted-bucket-name",
    severity=Severity.FATAL,
    title="A promoted bucket has a name that clients do not ask for",
    why="A bucket is found by the name of its stream. In one super-cluster the copy needs a name of its own, keeps it "
    "when it is promoted, and answers to no client that opens the bucket.",
    source=f"{MEASURED}: 404/10059 for KV_config where KV_config-us-west-2 holds its subjects; 400/10058 for a second "
    "stream of one name",
    remedy="Keep buckets in regions with a JetStream domain each (leafnode-mirror): equal names can exist there.",
)
def nats_promoted_bucket_name(audited: Audited) -> Iterator[Finding]:
    yield from _renamed(audited, lambda origin: origin.kind is not StreamKind.STREAM, "buckets")


@rule(
    id="nats-promoted-stream-name",
    severity=Severity.HIGH,
    title="Pull consumers do not find the promoted stream",
    why="A client that pulls names its stream in every request. In one super-cluster the copy needs a name of its own "
    "and keeps it when it is promoted: each such client has to be told the other name before it goes on.",
    source=f"{MEASURED}: CONSUMER.MSG.NEXT on the origin's name has no responders, CONSUMER.INFO is 404/10059",
    remedy="Make the stream's name a setting of these clients that the failover changes, or use regions with a "
    "JetStream domain each (leafnode-mirror).",
)
def nats_promoted_stream_name(audited: Audited) -> Iterator[Finding]:
    yield from _renamed(audited, _pulled, "streams with pull consumers")


def _renamed(audited: Audited, meant: Callable[[Stream], bool], what: str) -> Iterator[Finding]:
    """Copies in their origin's own account space, whose names are not their origins'."""
    for procedure, step, mirrors in audited.promotions():
        renamed = [m for m in mirrors if m.origin and m.stream.name != m.origin.name and meant(m.origin)]
        if renamed:
            yield Finding(
                step_path(procedure, step),
                f"{what} are promoted under other names than clients ask for: {_names(renamed)} (404/10059)",
                audited.endangered(NATS, LOSES_REGION),
            )


def _pulled(stream: Stream) -> bool:
    pull = (one for one in stream.consumers if not one.settings.get("deliver_subject"))
    return stream.kind is StreamKind.STREAM and any(pull)
