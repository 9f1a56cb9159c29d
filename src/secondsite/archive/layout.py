"""Where an archive lies in the store.

::

    archive/
      index/000000000042.json                 one checkpoint of all streams: what was new, and where it lies; final
      packs/000000000042-3f2a1c9d/ORDERS/…    segments that this checkpoint shipped: messages by ascending sequence
      bases/000000000720.json                 everything up to a checkpoint, so that older ones need not be read
      bundles/000000000001-000000000720.zst   checkpoints that a base made old, word for word
      probes/…                                a try whether the store honours conditional writes; gone at once

The number of a checkpoint is the fence: whoever creates it first has shipped it, and everybody else's segments of that
number belong to nothing.
"""

from __future__ import annotations

import re

from secondsite.backup.layout import encoded

ROOT = "archive"
INDEX, PACKS, BASES, BUNDLES = "index", "packs", "bases", "bundles"
_DIGITS = 12
_NUMBER = re.compile(rf"([0-9]{{{_DIGITS}}})\.json")
_PACK = re.compile(rf"{PACKS}/([0-9]{{{_DIGITS}}})-[0-9a-f]{{8}}/.+")
_BUNDLE = re.compile(rf"([0-9]{{{_DIGITS}}})-([0-9]{{{_DIGITS}}})\.zst")


def index_key(number: int) -> str:
    return f"{INDEX}/{number:0{_DIGITS}}.json"


def base_key(number: int) -> str:
    return f"{BASES}/{number:0{_DIGITS}}.json"


def bundle_key(first: int, last: int) -> str:
    return f"{BUNDLES}/{first:0{_DIGITS}}-{last:0{_DIGITS}}.zst"


def pack_folder(number: int, nonce: str) -> str:
    """``nonce`` is eight hexadecimal digits: two that ship the same checkpoint never write the same object."""
    return f"{PACKS}/{number:0{_DIGITS}}-{nonce}"


def segment_key(folder: str, stream: str, first: int, last: int, suffix: str) -> str:
    return f"{folder}/{encoded(stream)}/{first}-{last}.seg{suffix}"


def number_of(key: str) -> int | None:
    """Of a checkpoint or a base; None for what is neither."""
    match = _NUMBER.fullmatch(key.rsplit("/", 1)[-1])
    return int(match[1]) if match else None


def pack_number(key: str) -> int | None:
    """The checkpoint that an object of a pack was shipped for; None for what lies elsewhere."""
    match = _PACK.fullmatch(key)
    return int(match[1]) if match else None


def bundle_span(key: str) -> tuple[int, int] | None:
    """First and last checkpoint of a bundle."""
    match = _BUNDLE.fullmatch(key.rsplit("/", 1)[-1])
    return (int(match[1]), int(match[2])) if match else None
