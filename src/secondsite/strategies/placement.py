"""What one lost node or zone takes with it, when replicas are only asked politely to stay apart.

Replicas that are not kept apart lie in domains at random; a *preferred* spread is honoured except with the
probability ``placement.ignored``; a *required* one always.
"""

from __future__ import annotations

from functools import lru_cache
from math import comb

from secondsite.model.service import Spreading


def quorum_loss_probability(servers: int, domains: int, spreading: Spreading, ignored: float) -> float:
    """P(a majority is gone | one domain that holds at least one server is lost)."""
    return _beyond(servers, domains, servers - (servers // 2 + 1), spreading, ignored)


def total_loss_probability(replicas: int, domains: int, spreading: Spreading, ignored: float) -> float:
    """P(every replica is gone | one domain that holds at least one of them is lost)."""
    return _beyond(replicas, domains, replicas - 1, spreading, ignored)


@lru_cache(maxsize=4096)
def _beyond(count: int, domains: int, tolerated: int, spreading: Spreading, ignored: float) -> float:
    """P(more than ``tolerated`` of ``count`` lie in a domain | at least one does)."""
    if count < 1:
        return 1.0  # what does not run does not exist
    apart = _beyond_evenly(count, domains, tolerated)
    if spreading is Spreading.REQUIRED:
        return apart
    p = 1 / domains
    at_least_one = 1 - (1 - p) ** count
    beyond = sum(comb(count, k) * p**k * (1 - p) ** (count - k) for k in range(tolerated + 1, count + 1))
    random = beyond / at_least_one
    return random if spreading is Spreading.NONE else ignored * random + (1 - ignored) * apart


def _beyond_evenly(count: int, domains: int, tolerated: int) -> float:
    """The same where every domain has its share, and some one more."""
    share, fuller = divmod(count, domains)
    beyond = fuller * (share + 1 > tolerated) + (domains - fuller) * (share > tolerated)
    return beyond / min(count, domains)
