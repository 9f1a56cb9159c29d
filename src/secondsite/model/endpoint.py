"""An address and a port that something listens at."""

from __future__ import annotations

from attrs import frozen


@frozen
class Endpoint:
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"
