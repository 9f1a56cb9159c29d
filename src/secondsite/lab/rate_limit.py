"""Requests a second for each tenant: a bucket that fills steadily and holds one second's worth."""

from __future__ import annotations

from attrs import define, field


@define
class RateLimit:
    """0 requests a second is no limit."""

    requests_per_s: float
    _left: dict[str, tuple[float, float]] = field(factory=dict)

    def take(self, tenant: str, now_s: float) -> bool:
        if not self.requests_per_s:
            return True
        left, since_s = self._left.get(tenant, (self.requests_per_s, now_s))
        left = min(self.requests_per_s, left + (now_s - since_s) * self.requests_per_s)
        allowed = left >= 1
        self._left[tenant] = (left - allowed, now_s)
        return allowed
