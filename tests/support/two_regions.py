"""A lab of two regions, as tests of what runs in both name them."""

from __future__ import annotations

from attrs import frozen

from secondsite.lab.world import Lab


@frozen
class TwoRegions:
    lab: Lab

    @property
    def home(self) -> str:
        return self.lab.regions[0]

    @property
    def away(self) -> str:
        return self.lab.regions[1]
