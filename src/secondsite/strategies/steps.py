"""Steps that several parts need, and the one way to make a step from a row of the catalogue."""

from __future__ import annotations

from attrs import evolve

from secondsite.model.estimate import Estimate, Fixed, Provenance, unbounded
from secondsite.model.nats import Stream
from secondsite.model.procedure import Need, Step, Verb
from secondsite.strategies.design import Kit
from secondsite.strategies.sizing import all_streams, by_size, stream_bytes, summed, transfer_time

PATIENCE = 3.0


def make_step(
    kit: Kit,
    verb: Verb,
    title: str,
    figure: str | Estimate,
    *,
    check: str,
    after: tuple[str, ...] = (),
    step_id: str = "",
    region: str = "",
    targets: tuple[str, ...] = (),
    reversible: bool = True,
    approval: bool = False,
    by_person: bool = False,
    needs: frozenset[Need] = frozenset(),
) -> Step:
    """A step that takes what the catalogue says; its limit is three times the 95 % quantile."""
    duration = kit.figures[figure] if isinstance(figure, str) else figure
    return Step(
        id=step_id or str(verb),
        verb=verb,
        title=title,
        check=check,
        duration=duration,
        limit_s=max(1.0, PATIENCE * duration.quantile(0.95)),
        after=after,
        targets=targets,
        region=region,
        reversible=reversible,
        approval=approval,
        by_person=by_person,
        needs=needs,
    )


def start_services(kit: Kit, after: str) -> Step:
    """Of everything, where nothing ran."""
    return make_step(
        kit,
        Verb.START_SERVICES,
        "start every service",
        "start.services",
        check="every startup probe green",
        after=(after,),
        region=kit.second.name,
    )


def blocked_step(verb: Verb, why: str, after: str) -> Step:
    """A step that cannot complete; all that waits for it is unbounded."""
    return Step(
        id=str(verb),
        verb=verb,
        title=f"{verb}: not possible",
        check="none",
        duration=unbounded(str(verb), "s", why),
        limit_s=0.0,
        after=(after,) if after else (),
        blocked=why,
    )


def instant(kit: Kit, verb: Verb, title: str, check: str, after: tuple[str, ...] = ()) -> Step:
    """A step that is done already when it is reached."""
    zero = Estimate(f"{verb} needs nothing", "s", Fixed(0.0), Provenance.DERIVED, title)
    return make_step(kit, verb, title, zero, check=check, after=after)


def written_streams(kit: Kit) -> tuple[Stream, ...]:
    """Those that writers write to; what mirrors one of them goes on doing so in either region."""
    return tuple(stream for cluster in kit.system.home_clusters for stream in cluster.streams if stream.mirror is None)


def stores_restored(kit: Kit, names: tuple[str, ...]) -> Estimate:
    size = sum(float(store.size_bytes or 0) for store in kit.system.stores if store.name in names)
    return by_size(kit.figures, "restore.stores", "restore.rate", size, "restore of stores")


def _consumers_restored(kit: Kit, count: int) -> Estimate:
    each = kit.figures["restore.consumer-each"]
    why = f"{count:,} consumers, one after the other"
    one_by_one = Estimate("restore of each consumer", "s", Fixed(count * each.mean), Provenance.DERIVED, why)
    if one_by_one.mean < kit.figures["restore.consumers"].mean:
        return kit.figures["restore.consumers"]
    return summed("restore of consumers", kit.figures["restore.consumers"], evolve(one_by_one, inputs=(each,)))


def restore_consumers(kit: Kit, after: str) -> Step:
    """A mirror carries no consumers: each durable is created at its replicated floor."""
    consumers = tuple(
        f"{stream.name}/{consumer.name}" for stream in written_streams(kit) for consumer in stream.consumers
    )
    return make_step(
        kit,
        Verb.RESTORE_CONSUMERS,
        "create every durable consumer at its acknowledged floor + 1",
        _consumers_restored(kit, len(consumers)),
        check="each consumer's next sequence is its replicated floor + 1",
        after=(after,),
        region=kit.second.name,
        targets=consumers,
    )


def free_subjects(kit: Kit, after: str) -> Step:
    """In one meta group a lost origin still holds its subjects (400/10065): they are taken from it first.

    The request times out after 5 s and is applied all the same: a timeout is unknown, so one looks.
    """
    return make_step(
        kit,
        Verb.DELETE_ORIGIN,
        "give the lost origins other subjects (a timeout is unknown: check whether it was applied)",
        "promote.witness",
        check="no assigned stream but the mirror lists the subjects",
        after=(after,),
        region=kit.second.name,
        targets=tuple(stream.name for stream in written_streams(kit)),
    )


def promote_mirrors(kit: Kit, title: str, after: str) -> Step:
    """Measured to take milliseconds, wherever a meta leader is known; its limit leaves time to elect one first."""
    step = make_step(
        kit,
        Verb.PROMOTE_STREAMS,
        title,
        "promote.leafnode",
        check="each stream has no mirror, lists its subjects and acknowledges a probe",
        after=(after,),
        region=kit.second.name,
        targets=tuple(stream.name for stream in written_streams(kit)),
    )
    return evolve(step, limit_s=max(step.limit_s, PATIENCE * kit.figures["elect.raft"].quantile(0.95)))


def included_in(figure: str, kit: Kit) -> Estimate:
    """No time of its own: it was measured as part of another figure."""
    row = kit.figures[figure]
    return Estimate(f"part of {figure}", "s", Fixed(0.0), Provenance.DERIVED, row.source, inputs=(row,))


def restore_streams_step(kit: Kit, copy: str, rate: str, manifest: str, after: str) -> Step:
    """From ``copy``, at the figure ``rate``; ``manifest`` is what the restored streams are compared with."""
    return make_step(
        kit,
        Verb.RESTORE_STREAMS,
        f"restore every stream with its consumers from {copy}",
        transfer_time("restore of the streams", stream_bytes(kit.system, kit.figures), kit.figures[rate]),
        check=f"messages, first and last sequence and digest as in {manifest}",
        after=(after,),
        region=kit.second.name,
        targets=tuple(stream.name for stream in all_streams(kit.system)),
    )
