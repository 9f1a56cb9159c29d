"""A backup in few words, for machines and for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from secondsite.model.units import format_bytes

if TYPE_CHECKING:
    from secondsite.backup.manifest import BackupManifest


def summary(manifest: BackupManifest) -> dict[str, Any]:
    """A backup for machines."""
    fields = ("name", "kind", "messages", "bytes", "first_seq", "last_seq", "consumers", "seconds", "attempts")
    return {
        "schema": manifest.schema,
        "backup": manifest.id,
        "started_at": manifest.started_at,
        "finished_at": manifest.finished_at,
        "messages": manifest.messages,
        "size_bytes": manifest.size_bytes,
        "encrypted": bool(manifest.recipients),
        "streams": [{field: getattr(stream, field) for field in fields} for stream in manifest.streams],
        "gone": list(manifest.gone),
        "suspicious": list(manifest.suspicious),
        "signer": manifest.signer or None,
    }


def size(manifest: BackupManifest) -> str:
    total = manifest.size_bytes
    return format_bytes(total) if total < 10 * 1024 else f"{total / 1e6:.1f} MB"
