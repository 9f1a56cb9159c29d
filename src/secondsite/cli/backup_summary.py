"""A backup in few words, for machines and for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from secondsite.model.wording import counted

if TYPE_CHECKING:
    from secondsite.backup.manifest import BackupManifest
    from secondsite.backup.verify import BackupVerification


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


def content_line(manifest: BackupManifest) -> str:
    """``3 streams, 1,528 messages, 2.1 MB``."""
    total = manifest.size_bytes
    size = counted(total, "bytes") if total < 10 * 1024 else f"{total / 1e6:.1f} MB"
    return f"{counted(len(manifest.streams), 'streams')}, {counted(manifest.messages, 'messages')}, {size}"


def verification_line(verification: BackupVerification) -> str:
    """A backup's verification for people, after the lines of its streams."""
    standing = "restored, not compared" if verification.unproven else "good"
    took = f"restored in {verification.restore_s:.1f} s on nats-server {verification.server}"
    return f"backup {verification.backup}: {standing if verification.ok else 'NOT GOOD'}; {took}"
