"""The objects of a backup, read and checked: what is missing, truncated, corrupt, swapped or locked is named so."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from typing import Any, Literal

from attrs import frozen

from secondsite.backup.codec import AGE, CodecError, Keys, decode
from secondsite.backup.documents import check_document
from secondsite.backup.manifest import BackupManifest, StoredObject, StreamBackup
from secondsite.backup.strict import MisfitError, parse
from secondsite.model.errors import InputError, MachineError
from secondsite.objects.failures import ObjectMissingError
from secondsite.objects.store import ObjectStorage

MAX_DOCUMENT_BYTES = 64 * 2**20
"""Of one small file, unpacked: a few kilobytes that unpack to gigabytes are no document of ours."""

Damage = Literal["missing", "truncated", "corrupted", "swapped", "wrong key"]

_REMEDY = "use another backup (secondsite backup list), and check who writes to this store"


class BrokenObjectError(MachineError):
    """An object is not what the manifest promises. ``damage`` is how."""

    damage: Damage = "corrupted"
    exit_code = 1


@frozen
class Reader:
    """Reads the objects of one backup."""

    store: ObjectStorage
    manifest: BackupManifest
    keys: Keys

    def check_keys(self) -> None:
        """Raises InputError when no identity belongs to a recipient: known before anything is read."""
        recipients = self.manifest.recipients
        if not recipients or set(recipients) & set(self.keys.own):
            return
        given = f"the wrong key: {', '.join(self.keys.own)}" if self.keys.identities else "no key"
        what = f"the backup is encrypted for {', '.join(recipients)}; you gave {given}"
        raise InputError.at(self.manifest.id, what, "give --identity FILE with the secret key of one of them")

    async def plain(self, stored: StoredObject, codecs: Sequence[str]) -> AsyncIterator[bytes]:
        """Decoded bytes. Raises BrokenObjectError at the latest when the last byte has been handed on."""
        try:
            async for piece in decode(self._checked(stored), codecs, self.keys):
                yield piece
        except CodecError as error:
            damage: Damage = "wrong key" if AGE in codecs and "identities" in str(error) else "corrupted"
            raise await self.unreadable(stored, str(error), damage) from None
        except (_MismatchError, ObjectMissingError):
            await self.diagnose(stored)
            raise self._broken(stored, "corrupted", "it changed while it was read") from None

    def entries(self, stored: StoredObject) -> AsyncIterator[bytes] | None:
        """What a stream holds without the server's compression; None where only `plain` has it."""
        return None

    async def document(self, stream: StreamBackup, file: str) -> Any:
        """``backup.json`` or ``consumers.json``."""
        stored = stream.document(file)
        content = bytearray()
        async for piece in self.plain(stored, stream.document_codecs):
            content += piece
            if len(content) > MAX_DOCUMENT_BYTES:
                raise self._broken(stored, "corrupted", f"unpacked it is larger than {MAX_DOCUMENT_BYTES} bytes")
        try:
            document = parse(bytes(content))
            check_document(file, document)
        except MisfitError as misfit:
            raise self._broken(stored, "corrupted", f"it was written that way, and is not a {file}: {misfit}") from None
        return document

    async def unreadable(self, stored: StoredObject, why: str, damage: Damage = "corrupted") -> BrokenObjectError:
        """For bytes that could not be understood: what is wrong with the object, else ``why``."""
        try:
            await self.diagnose(stored)
        except BrokenObjectError as broken:
            return broken
        return self._broken(stored, damage, why)

    async def diagnose(self, stored: StoredObject) -> None:
        """Raises BrokenObjectError for an object that is not the one that was written; returns when it is."""
        digest, size = hashlib.sha256(), 0
        try:
            async for piece in self.store.stream(stored.key):
                digest.update(piece)
                size += len(piece)
        except ObjectMissingError:
            raise self._broken(stored, "missing", "no such object") from None
        if digest.hexdigest() == stored.sha256:
            return
        other = self._whose(digest.hexdigest())
        if other:
            raise self._broken(stored, "swapped", f"it holds the bytes of {other.key}")
        if size < stored.size_bytes:
            raise self._broken(stored, "truncated", f"{size} of {stored.size_bytes} bytes are there")
        raise self._broken(stored, "corrupted", f"its SHA-256 is {digest.hexdigest()}, not {stored.sha256}")

    def _whose(self, sha256: str) -> StoredObject | None:
        everything = (stored for stream in self.manifest.streams for stored in stream.objects)
        return next((stored for stored in everything if stored.sha256 == sha256), None)

    async def _checked(self, stored: StoredObject) -> AsyncIterator[bytes]:
        digest = hashlib.sha256()
        async for piece in self.store.stream(stored.key):
            digest.update(piece)
            yield piece
        if digest.hexdigest() != stored.sha256:
            raise _MismatchError

    def _broken(self, stored: StoredObject, damage: Damage, why: str) -> BrokenObjectError:
        broken = BrokenObjectError.at(self.store.url(stored.key), f"{damage}: {why}", _REMEDY)
        assert isinstance(broken, BrokenObjectError)  # noqa: S101 # `at` is typed by its base
        broken.damage = damage
        return broken


class _MismatchError(Exception):
    """Read to its end, and not what was written."""
