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
        """What the region shares wide shocks with: ``us``, ``eu``, ``ap`` …, read off the name.

        Two regions of the Middle East were lost within 17 hours in 2026-03 (catalogue: outages). A name that says
        nothing is a geography of its own.
        """
        name = self.name.lower()
        return next((place for place, words in _GEOGRAPHIES.items() if any(word in name for word in words)), name)


_GEOGRAPHIES = {
    "au": ("australia", "newzealand"),
    "ap": ("ap-", "asia", "japan", "korea", "india", "indonesia", "malaysia"),
    "eu": ("eu-", "europe", "uk", "france", "germany", "sweden", "norway", "switzerland", "spain", "italy", "poland"),
    "sa": ("sa-", "brazil", "southamerica", "chile"),
    "me": ("me-", "il-", "uae", "qatar", "israel"),
    "af": ("af-", "africa"),
    "us": ("us-", "northamerica", "ca-", "canada", "mx-", "mexico", "us"),
}
