"""What clients reach first: an API gateway or ingress."""

from __future__ import annotations

from attrs import frozen


@frozen
class Gateway:
    name: str
    service: str = ""
    engine: str = ""
    hosts: tuple[str, ...] = ()
    routes_to: tuple[str, ...] = ()
    authentication: str = ""
    rate_limit_store: str = ""
