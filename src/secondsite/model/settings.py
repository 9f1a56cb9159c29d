"""A part of a JetStream configuration in the server's own words: what the nouns have no attribute for.

It is kept as it was given and handed back as it was given, so nothing is lost that nobody here knows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any


class Settings(Mapping[str, Any]):
    """Immutable and hashable; what is read from it is a copy."""

    __slots__ = ("text",)

    def __init__(self, values: Mapping[str, Any] | None = None) -> None:
        self.text: str
        object.__setattr__(self, "text", json.dumps(dict(values or {}), sort_keys=True, ensure_ascii=False))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{name} of settings cannot be changed")

    def __reduce__(self) -> tuple[type[Settings], tuple[dict[str, Any]]]:
        return Settings, (self.whole(),)

    def whole(self) -> dict[str, Any]:
        values: dict[str, Any] = {} if self.text == "{}" else json.loads(self.text)
        return values

    def without(self, *keys: str) -> Settings:
        if self.text == "{}":
            return self
        return Settings({key: value for key, value in self.whole().items() if key not in keys})

    def __getitem__(self, key: str) -> Any:
        return self.whole()[key]

    def get(self, key: str, default: Any = None) -> Any:
        return default if self.text == "{}" else self.whole().get(key, default)

    def __iter__(self) -> Iterator[str]:
        return iter(self.whole())

    def __len__(self) -> int:
        return len(self.whole())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Settings) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"Settings({self.text})"


NOTHING_MORE = Settings()
