"""A place that fails as one: provider, name, the zones in it, and the geography it shares shocks with."""

from __future__ import annotations

from attrs import frozen


@frozen
class Region:
    provider: str
    name: str
    zones: int = 3

    @property
    def geography(self) -> str:
        """The first word of the name (``us``, ``eu``, ``me``): regions of one geography share some shocks.

        Two regions of the Middle East were lost within 17 hours in 2026-03 (catalogue: region outages).
        """
        return self.name.replace("_", "-").split("-")[0].rstrip("0123456789").lower()
