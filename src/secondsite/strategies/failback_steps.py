"""The way back of each kind of link: how the first region gets its streams again, or why it cannot.

Writers are stopped once, for the moment of the switch, and not before everything that follows is known to be able to.
"""

from __future__ import annotations

from attrs import evolve

from secondsite.model.estimate import Estimate, Fixed, Provenance
from secondsite.model.procedure import Step, Verb
from secondsite.strategies.design import Kit
from secondsite.strategies.sizing import all_streams, mirror_bytes_per_s, stream_bytes, summed, transfer_time
from secondsite.strategies.steps import PATIENCE, blocked_step, make_step

MIRROR_AGAIN = "mirror-again"
_ROUND_TRIPS = 12
"""For each stream or consumer: looked at, fenced, probed, drained, promoted in two updates, looked at again."""
_SALVAGE_AT_LEAST_S = 600.0
_RESYNC_AT_LEAST_S = 7200.0


def mirrored_failback(kit: Kit, ready: tuple[str, ...], *, joined: bool = False) -> tuple[Step, ...]:
    """Salvaged, made a mirror of the region that serves, promoted once all that is ``ready`` is.

    ``joined``: the old primary votes with the others, and changes no stream apart from them.
    """
    home, second = kit.home.name, kit.second.name
    isolate = make_step(
        kit,
        Verb.FENCE,
        f"start {home} {'joined, its write gate shut: ' if joined else 'isolated: no leaf, no gateway, '}no clients",
        "fence",
        check="its streams accept no writes" if joined else "it answers on its own address only",
        region=home,
    )
    salvage = make_step(
        kit,
        Verb.SALVAGE,
        f"copy the messages that only {home} has, by message ID and sequence",
        "restore.consumers",
        check="every message after the divergence sequence is in the serving stream, or saved and listed",
        after=(isolate.id,),
    )
    resync = make_step(
        kit,
        Verb.RESYNCHRONISE,
        f"wipe {home}, {'make it' if joined else 'join it as'} the mirror of {second}",
        resynchronised(kit),
        check="it has every message that the serving side had when it joined",
        after=(salvage.id,),
        region=home,
        reversible=False,
        approval=True,
    )
    promote = make_step(
        kit,
        Verb.PROMOTE_STREAMS,
        f"fence {second}, drain, promote {home}",
        "promote.leafnode",
        check="no message is stored between fence and promotion",
        after=(resync.id, *ready),
        region=home,
    )
    size = stream_bytes(kit.system, kit.figures)
    everything = transfer_time("salvage of all there is", size, kit.figures["restore.rate"])
    limit_s = max(salvage.limit_s, _SALVAGE_AT_LEAST_S, PATIENCE * everything.quantile(0.95))
    promote = evolve(promote, limit_s=_switch_limit_s(kit, promote))
    return isolate, evolve(salvage, limit_s=limit_s), _patient(resync), promote


def resynchronised(kit: Kit) -> Estimate:
    """Every byte of the streams once over the link, by a mirror that begins at its origin's first message."""
    size, rate = stream_bytes(kit.system, kit.figures), kit.figures["mirror.in-flight"]
    trip = kit.rtt_ms(kit.home, kit.second)
    seconds = size / mirror_bytes_per_s(kit.figures, trip)
    why = f"{size / 1e9:.3g} GB at what a mirror takes over {trip.mean:.0f} ms"
    moved = Estimate(
        "moving every stream", "s", Fixed(seconds), Provenance.DERIVED, why, formula=why, inputs=(rate, trip)
    )
    return summed("full resynchronisation", kit.figures["resync.join"], moved)


def _patient(step: Step) -> Step:
    """Nobody stops a resynchronisation for being slow: the streams are served from the other region meanwhile."""
    return evolve(step, limit_s=max(step.limit_s, _RESYNC_AT_LEAST_S))


def _switch_limit_s(kit: Kit, promote: Step) -> float:
    """As long as an election on either side and the round trips between them take, for all there is to move."""
    streams = all_streams(kit.system)
    moved = len(streams) + sum(len(stream.consumers) for stream in streams)
    round_trip_s = kit.rtt_ms(kit.home, kit.second).quantile(0.95) / 1000
    elections_s = 2 * kit.figures["elect.raft"].quantile(0.95)
    return promote.limit_s + PATIENCE * (elections_s + _ROUND_TRIPS * moved * round_trip_s)


def mirror_again(kit: Kit, after: str) -> Step:
    """Both regions as they were before the loss, so that the next one is failed over like the first."""
    step = make_step(
        kit,
        Verb.RESYNCHRONISE,
        f"make {kit.second.name} the mirror of {kit.home.name} again",
        resynchronised(kit),
        check=f"each stream of {kit.second.name} is a mirror and ends at its origin's sequence",
        after=(after,),
        step_id=MIRROR_AGAIN,
        region=kit.second.name,
        reversible=False,
        approval=True,
    )
    return _patient(step)


def led_at_home(kit: Kit, title: str, figure: str, ready: tuple[str, ...]) -> tuple[Step, ...]:
    """For streams that never moved: they answer in the first region before clients are sent there."""
    return (
        make_step(
            kit,
            Verb.ELECT,
            title,
            figure,
            check=f"every stream acknowledges a probe in {kit.home.name}",
            after=ready,
            region=kit.home.name,
        ),
    )


def no_failback(kit: Kit, why: str) -> tuple[Step, ...]:
    return (blocked_step(Verb.RESYNCHRONISE, why, ""),)
