"""Manifests of backups that nobody made, whole and changed."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from secondsite.backup.manifest import BackupManifest, StoredObject, StreamBackup


def manifest(backup_id: str = "20261123T172748Z-3f2a1c") -> BackupManifest:
    folder = f"{backup_id}/streams/S"
    stored, *documents = (
        StoredObject(f"{folder}/{name}", 5, "0" * 64) for name in ("stream.arc.s2", "backup.json", "consumers.json")
    )
    stream = StreamBackup(
        *(
            "S",
            "stream",
            10,
            100,
            1,
            10,
            0,
            "stream.arc.s2",
            90,
            stored,
            tuple(documents),
            (),
            (),
            "2026-11-23T17:27:48+00:00",
        ),
        seconds=1.0,
        attempts=1,
    )
    at = "2026-11-23T17:27:48+00:00"
    return BackupManifest(backup_id, at, at, "1", "2.15.1", "", "", (), (stream,))


def sealed(content: dict[str, Any]) -> bytes:
    """A manifest as JSON with the checksum that fits, whatever it says."""
    told = {key: value for key, value in content.items() if key not in ("sha256", "signature")}
    checksum = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
    return json.dumps({**content, "sha256": checksum}).encode()
