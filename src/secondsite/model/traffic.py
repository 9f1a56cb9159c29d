"""How clients find the service: a DNS record, and who changes it."""

from __future__ import annotations

from attrs import frozen

from secondsite.model.units import Seconds


@frozen
class Traffic:
    """``automatic``: health checks switch the record; otherwise a person does."""

    host: str = ""
    ttl_s: Seconds = Seconds(60)
    automatic: bool = False
    check_interval_s: Seconds = Seconds(30)
    check_threshold: int = 3
    check_path: str = "/health"

    @property
    def detection_s(self) -> float:
        return self.check_interval_s * self.check_threshold
