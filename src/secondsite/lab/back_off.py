"""When a kubelet starts a container again: at once, then after 10 s, 20 s, 40 s, up to 5 minutes.

Forgiven after it ran for 10 minutes (the kubelet's defaults; KEP-5593 is about changing them). Pure.
"""

from __future__ import annotations

from attrs import define


@define
class BackOff:
    first_s: float = 10.0
    most_s: float = 300.0
    forgiven_after_s: float = 600.0
    _next_s: float = 0.0

    def wait_s(self, ran_s: float) -> float:
        """Before the start that follows a container which ran for so long."""
        if ran_s >= self.forgiven_after_s:
            self._next_s = 0.0
        wait_s = self._next_s
        self._next_s = min(max(self.first_s, 2 * wait_s), self.most_s)
        return wait_s
