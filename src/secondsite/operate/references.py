"""References of `secondsite.yaml` followed, when what they lead to is needed: ``env:NAME`` and ``file:PATH``."""

from __future__ import annotations

import os
from pathlib import Path

from secondsite.model.errors import InputError

_KINDS = ("env:", "file:")


def is_reference(text: str) -> bool:
    return text.startswith(_KINDS)


def followed(reference: str, place: str) -> str:
    """The value that it leads to. Raises InputError, with ``place`` where it stands."""
    kind, _, name = reference.partition(":")
    if kind == "env":
        value = os.environ.get(name)
        if not value:
            raise InputError.at(place, f"{reference} is not set", "set it where this runs")
        return value
    try:
        return path_of(reference, place).read_text("utf-8").strip()
    except (OSError, ValueError):
        raise InputError.at(place, f"{reference} cannot be read", "name a file that you may read") from None


def path_of(reference: str, place: str) -> Path:
    """The file of ``file:PATH``, or whose path is in the variable of ``env:NAME``; it need not be there."""
    kind, _, name = reference.partition(":")
    try:
        return Path(name if kind == "file" else followed(reference, place)).expanduser()
    except RuntimeError:  # a user without a home
        raise InputError.at(place, f"{reference} cannot be read", "this user has no home directory") from None
