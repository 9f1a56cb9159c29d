"""A secret as a cluster has it, where its parts come from, and what every place that holds secrets can say.

Three answers: a fingerprint, none where the place has no such secret, and an error where nobody answers or we are
refused. An empty fingerprint is never equal to anything.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from attrs import frozen

from secondsite.model.errors import MachineError
from secondsite.secrets.fingerprints import fingerprint

Values = Mapping[str, bytes]


class SecretsRefusedError(MachineError):
    """The place answered and would not: asking again does not help."""


@frozen
class SecretPart:
    """``remote`` is the name in the store, ``property`` the field of it; empty for all of it."""

    remote: str
    property: str = ""


@frozen
class SecretEntry:
    """``keys``: those that count; none for all. ``parts``: by key in the cluster, where the store has it; none where
    the store has the whole secret under ``remote``, field by field.
    """

    name: str
    namespace: str = "default"
    keys: tuple[str, ...] = ()
    remote: str = ""
    parts: Mapping[str, SecretPart] = {}

    @property
    def stored(self) -> str:
        return self.remote or self.name

    def chosen(self, values: Values) -> Values | None:
        """None where one that counts is missing."""
        if not self.keys:
            return values or None
        return {key: values[key] for key in self.keys} if set(self.keys) <= set(values) else None


class SecretReader(Protocol):
    """One place that holds secrets."""

    @property
    def shown(self) -> str: ...

    async def fingerprints(self, entries: Sequence[SecretEntry], key: bytes) -> Mapping[str, str]:
        """By name, HMAC-SHA256 under the key; empty for a secret, or a part of one, that does not exist."""
        ...


def by_name(printed: Iterable[tuple[SecretEntry, str]]) -> Mapping[str, str]:
    """Of two in different namespaces both have to be there, and both have to fit."""
    together: dict[str, list[str]] = {}
    for entry, one in printed:
        together.setdefault(entry.name, []).append(one)
    return {name: ".".join(each) if all(each) else "" for name, each in together.items()}


def printed(entry: SecretEntry, values: Values | None, key: bytes) -> str:
    """The fingerprint of what counts of it."""
    chosen = None if values is None else entry.chosen(values)
    return "" if chosen is None else fingerprint(key, chosen)


def assembled(entry: SecretEntry, fields: Mapping[str, Mapping[str, Any] | None]) -> Values | None:
    """What an operator would make of a store's secrets, by their names: the parts, or all fields of the one."""
    if not entry.parts:
        whole = fields.get(entry.stored)
        return None if whole is None else {name: as_bytes(value) for name, value in whole.items()}
    values: dict[str, bytes] = {}
    for key, part in entry.parts.items():
        whole = fields.get(part.remote)
        if whole is None or (part.property and part.property not in whole):
            return None
        values[key] = as_bytes(whole[part.property]) if part.property else _whole(whole)
    return values


def remotes(entries: Sequence[SecretEntry]) -> tuple[str, ...]:
    """The names in the store that have to be read, each once."""
    named = [part.remote for one in entries for part in one.parts.values()]
    named += [one.stored for one in entries if not one.parts]
    return tuple(dict.fromkeys(named))


WHOLE = ""
"""The field of a secret that is one text and no object."""


def fields_of(text: str) -> Mapping[str, Any]:
    """The fields of a JSON object; of any other text, the text itself."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return {WHOLE: text}
    return document if isinstance(document, dict) else {WHOLE: text}


def as_bytes(value: object) -> bytes:
    """As External Secrets writes it: text as it is, everything else as JSON."""
    if isinstance(value, bytes):
        return value
    return (value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)).encode()


def _whole(fields: Mapping[str, Any]) -> bytes:
    return as_bytes(fields[WHOLE]) if set(fields) == {WHOLE} else as_bytes(dict(fields))
