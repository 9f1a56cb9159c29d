"""Fingerprints written down while the primary lived, for the day on which nobody can be asked what a secret was.

Their key is a reference and never in the file: who has the file alone learns nothing, and cannot try values.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from attrs import frozen

from secondsite.model.errors import InputError, MachineError
from secondsite.secrets.entry import SecretEntry, SecretReader
from secondsite.secrets.fingerprints import RunKey

SCHEMA = "secondsite/secret-fingerprints/1"
_LEAST_BYTES = 32
_SAMPLE = b"secondsite secret fingerprints"


@frozen
class RecordedFingerprints:
    """``at``: when, in ISO 8601."""

    key: RunKey
    at: str
    digests: Mapping[str, str]

    @property
    def shown(self) -> str:
        return f"fingerprints of {self.at}"

    async def fingerprints(self, entries: Sequence[SecretEntry], key: bytes) -> Mapping[str, str]:
        """Those of the file, whose key has to be the one asked with."""
        if not hmac.compare_digest(key, self.key.secret):
            raise MachineError.at(self.shown, "were made with another key", "compare under their own key")
        return {one.name: self.digests.get(one.name, "") for one in entries}


async def record(reader: SecretReader, entries: Sequence[SecretEntry], key: RunKey) -> str:
    """The text of a file. Raises MachineError where a secret is missing: half a record would pass for a whole one."""
    digests = await reader.fingerprints(entries, key.secret)
    if missing := sorted(name for name, digest in digests.items() if not digest):
        raise MachineError.at(
            reader.shown, f"has no {', '.join(missing)}", "correct `secrets` in the file, or the place"
        )
    document = {
        "schema": SCHEMA,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "key": _of_key(key),
        "digests": dict(sorted(digests.items())),
    }
    return json.dumps(document, indent=1) + "\n"


def read_recorded(path: Path, key: RunKey) -> RecordedFingerprints:
    """Raises InputError for what no `record` wrote, and for another key."""
    remedy = "record them again while the primary lives: secondsite secrets record"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        kept = RecordedFingerprints(
            key, str(document["at"]), {str(name): str(one) for name, one in document["digests"].items()}
        )
        same = document["schema"] == SCHEMA and hmac.compare_digest(str(document["key"]), _of_key(key))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InputError.at(str(path), "holds no fingerprints", remedy) from None
    if not same:
        raise InputError.at(str(path), "its fingerprints were made with another key", "give the key of that day")
    return kept


def key_of(text: str, place: str) -> RunKey:
    """Hex, as `openssl rand -hex 32` makes one. Raises InputError."""
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        key = b""
    if len(key) < _LEAST_BYTES:
        raise InputError.at(place, f"is not a key of {_LEAST_BYTES} bytes in hex", "make one: openssl rand -hex 32")
    return RunKey(key)


def _of_key(key: RunKey) -> str:
    """Whether it is the same key, told without it."""
    return hmac.new(key.secret, _SAMPLE, "sha256").hexdigest()
