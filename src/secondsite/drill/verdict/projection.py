"""A quick run's RTO and RPO as they would be at the strategy's own intervals, part by part.

Only what is configured is stretched: where in a check interval the fault fell, and for what share of the TTL clients
kept the old address. What lies beyond (timeouts, connections, the procedure itself) is taken as it was measured.
"""

from __future__ import annotations

from collections.abc import Mapping

from secondsite.drill.evidence.manifest import Timing

_AFTER_CHANGE = ("converge", "first_ack", "sustained")


def projected(parts: Mapping[str, float], ran: Timing, wanted: Timing) -> dict[str, float]:
    """Parts in seconds under the names of `RTO_PARTS`, and their ``total``."""
    result = dict(parts)
    result["detect"] = _detect(parts["detect"], ran, wanted)
    result["decide"] = max(0.0, parts["decide"] + wanted.decide_s - ran.decide_s)
    after = sum(parts[name] for name in _AFTER_CHANGE)
    if after > 0:
        share = min(1.0, after / ran.ttl_s) if ran.ttl_s else 1.0
        longer = (after + share * (wanted.ttl_s - ran.ttl_s)) / after
        for name in _AFTER_CHANGE:
            result[name] = parts[name] * longer
    result["total"] = sum(value for name, value in result.items() if name != "total")
    return result


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
