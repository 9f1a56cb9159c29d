"""A quick run's RTO and RPO as they would be at the strategy's own intervals, part by part.

Only what is configured is stretched: where in a check interval the fault fell, and for what share of the TTL clients
kept the old address. What lies beyond (timeouts, connections, the procedure itself) is taken as it was measured.
"""

from __future__ import annotations

from collections.abc import Mapping

from secondsite.drill.evidence.manifest import Timing

AFTER_CHANGE = ("converge", "first_ack", "sustained")
_MEANWHILE = ("decide", "execute")


def projected(
    parts: Mapping[str, float], ran: Timing, wanted: Timing, *, from_detection: bool = False
) -> dict[str, float]:
    """Parts in seconds under the names of `RTO_PARTS`, and their ``total``.

    ``from_detection``: the DNS provider's checks move the clients, so the TTL runs while somebody still decides, and
    what is left of it afterwards is the clients' part.
    """
    result = dict(parts)
    result["detect"] = _detect(parts["detect"], ran, wanted)
    result["decide"] = max(0.0, parts["decide"] + wanted.decide_s - ran.decide_s)
    after = sum(parts[name] for name in AFTER_CHANGE)
    if after > 0:
        meanwhile = _MEANWHILE if from_detection else ()
        moved_s = _moved(after + sum(parts[name] for name in meanwhile), ran, wanted)
        longer = max(after, moved_s - sum(result[name] for name in meanwhile)) / after
        for name in AFTER_CHANGE:
            result[name] = parts[name] * longer
    result["total"] = sum(value for name, value in result.items() if name != "total")
    return result


def moved_s(parts: Mapping[str, float], *, from_detection: bool) -> float:
    """How long clients took to follow the changed record; with ``from_detection`` from the checks' change on."""
    names = (*_MEANWHILE, *AFTER_CHANGE) if from_detection else AFTER_CHANGE
    return sum(parts[name] for name in names)


def _moved(elapsed_s: float, ran: Timing, wanted: Timing) -> float:
    """At the longer TTL: the same share of it, and what lay beyond."""
    share = min(1.0, elapsed_s / ran.ttl_s) if ran.ttl_s else 1.0
    return elapsed_s + share * (wanted.ttl_s - ran.ttl_s)


def projected_loss_s(window_s: float, ran: Timing, wanted: Timing) -> float:
    """Where only backups carry the streams, what is lost is a share of the interval between two of them."""
    share = min(1.0, window_s / ran.backup_s) if ran.backup_s else 0.0
    return window_s + share * (wanted.backup_s - ran.backup_s)


def run_loss_s(limit_s: float, ran: Timing, wanted: Timing) -> float:
    """The loss in a quick run that is projected to the limit."""
    if not ran.backup_s or wanted.backup_s <= ran.backup_s:
        return limit_s
    longer_s = wanted.backup_s - ran.backup_s
    return limit_s * ran.backup_s / wanted.backup_s if limit_s < wanted.backup_s else limit_s - longer_s


def _detect(measured_s: float, ran: Timing, wanted: Timing) -> float:
    """A fault between two checks: all but the first of the failing checks take a whole interval each."""
    whole_s = ran.check_interval_s * (ran.check_threshold - 1)
    phase = min(1.0, max(0.0, (measured_s - whole_s) / ran.check_interval_s)) if ran.check_interval_s else 0.0
    beyond_s = measured_s - whole_s - phase * ran.check_interval_s
    return max(0.0, wanted.check_interval_s * (wanted.check_threshold - 1 + phase) + beyond_s)
