"""A JSON document with a checksum over itself and, where there is a key, a signature over the same bytes. Pure.

Manifests of backups and the parts of an archive are such documents; under which key the checksum stands is theirs.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from attrs import frozen

from secondsite.backup.signing import SigningKey, is_signature
from secondsite.backup.strict import MisfitError, parse


@frozen
class SignedDocument:
    """``content`` without checksum and signature. ``intact``: the checksum is that of the content."""

    content: dict[str, Any]
    intact: bool
    signature: str

    @property
    def authentic(self) -> bool:
        """Nobody is said to have signed it, or who is said to did."""
        signer = str(self.content.get("signer") or "")
        return not signer or is_signature(signer, self.signature, _canonical(self.content))


def write_document(content: dict[str, Any], checksum: str, key: SigningKey | None, indent: int | None = None) -> bytes:
    """Signed where there is a key; its ``signer`` is that key's."""
    content = {**content, "signer": key.public if key else ""}
    canonical = _canonical(content)
    signature = {"signature": key.sign(canonical)} if key else {}
    return json.dumps({**content, checksum: hashlib.sha256(canonical).hexdigest(), **signature}, indent=indent).encode()


def read_document(data: bytes, checksum: str) -> SignedDocument:
    """Raises MisfitError for what is no such document at all."""
    try:
        content: dict[str, Any] = parse(data)
        digest, signature = content.pop(checksum), content.pop("signature", None)
        intact = digest == hashlib.sha256(_canonical(content)).hexdigest()
    except (KeyError, TypeError, AttributeError, RecursionError):
        raise MisfitError("it is not the JSON that was written") from None
    return SignedDocument(content, intact, str(signature))


def _canonical(content: dict[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True).encode()
