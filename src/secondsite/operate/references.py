"""References of `secondsite.yaml` followed, when what they lead to is needed: ``env:NAME`` and ``file:PATH``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from secondsite.model.access import kinds_of
from secondsite.model.errors import InputError, Problem

_KINDS = ("env:", "file:")


def is_reference(text: str) -> bool:
    return text.startswith(_KINDS)


def followed(reference: str, place: str) -> str:
    """The value that it leads to. Raises InputError, with ``place`` where it stands."""
    kind, _, name = reference.partition(":")
    if kind == "env":
        value = os.environ.get(name)
        if not value:
            raise InputError.at(place, f"{reference} is not set", "set it in this environment")
        return value
    try:
        return path_of(reference, place).read_text("utf-8").strip()
    except (OSError, ValueError):
        raise InputError.at(place, f"{reference} cannot be read", "give a readable file") from None


def path_of(reference: str, place: str) -> Path:
    """The file of ``file:PATH``, or whose path is in the variable of ``env:NAME``; it need not be there."""
    kind, _, name = reference.partition(":")
    try:
        return Path(name if kind == "file" else followed(reference, place)).expanduser()
    except RuntimeError:  # a user without a home
        raise InputError.at(place, f"{reference} cannot be read", "this user has no home directory") from None


def unfollowed(value: Any, place: str) -> Iterator[Problem]:
    """Every reference below that leads nowhere, so that all of them are told at once."""
    if isinstance(value, tuple):
        for item in value:
            yield from unfollowed(
                item, f"{place}.{getattr(item, 'region', '') or getattr(item, 'name', '')}".rstrip(".")
            )
    elif attrs.has(type(value)):
        for attribute in attrs.fields(type(value)):
            inner = getattr(value, attribute.name)
            if kinds_of(attribute) and inner:
                yield from _unfollowed(inner, f"{place}.{attribute.name}", file_alone=kinds_of(attribute) == ("file",))
            else:
                yield from unfollowed(inner, f"{place}.{attribute.name}")


def _unfollowed(reference: str, place: str, *, file_alone: bool) -> Iterator[Problem]:
    try:
        if file_alone:
            path_of(reference, place)
        else:
            followed(reference, place)
    except InputError as error:
        yield from error.problems
