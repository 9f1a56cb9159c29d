"""A backup is good when it was restored: into a server started for it, compared, timed, and written down.

The time is evidence for the RTO of backup-restore on this machine, without provisioning and without the network to the
second region; the record says so.
"""

from __future__ import annotations

import json
import os
import platform
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from attrs import asdict, frozen

from secondsite import __version__
from secondsite.backup.codec import Keys
from secondsite.backup.layout import proof_key
from secondsite.backup.manifest import BackupManifest
from secondsite.backup.progress import Progress
from secondsite.backup.restore import RestorePlan, run_restore
from secondsite.backup.signing import keyed
from secondsite.backup.stream_restore import StreamOutcome
from secondsite.backup.target import Changes
from secondsite.nats.scratch import find_server, scratch_server
from secondsite.objects.store import ObjectStorage

SCHEMA = "secondsite/backup-proof/1"
_MAX_PAYLOAD = 64 * 1024**2


@frozen
class BackupVerification:
    """``restore_s`` is the time of the restores, one after the other; proving them is not part of it."""

    backup: str
    ok: bool
    at: str
    server: str
    restore_s: float
    total_s: float
    bytes: int
    messages: int
    outcomes: tuple[StreamOutcome, ...]

    @property
    def unproven(self) -> tuple[str, ...]:
        """Streams that are there, and whose messages could not be compared."""
        return tuple(outcome.stream for outcome in self.outcomes if outcome.proof.verdict == "unproven")


async def run_verify(
    store: ObjectStorage,
    manifest: BackupManifest,
    keys: Keys,
    server: Path | None,
    progress: Progress,
    *,
    record: bool = True,
) -> BackupVerification:
    """Raises InputError for the wrong key, MachineError where no server can be started; damage is in the outcomes."""
    plan = RestorePlan(changes=Changes(detached=True), keys=keys, parallel=1, attempts=1)
    async with scratch_server(find_server(server), max_payload=_MAX_PAYLOAD) as scratch:
        begin = time.monotonic()
        outcomes = await run_restore(scratch.place, store, manifest, plan, progress)
        total_s = time.monotonic() - begin
    verification = BackupVerification(
        backup=manifest.id,
        ok=all(outcome.ok for outcome in outcomes),
        at=datetime.now(UTC).isoformat(),
        server=scratch.version,
        restore_s=round(sum(outcome.transfer_s for outcome in outcomes), 3),
        total_s=round(total_s, 3),
        bytes=sum(outcome.bytes for outcome in outcomes if outcome.ok),
        messages=sum(outcome.messages for outcome in outcomes),
        outcomes=outcomes,
    )
    if record:
        await store.create(proof_key(manifest.id, datetime.now(UTC)), proof_json(verification, manifest, keys))
    return verification


def proof_json(verification: BackupVerification, manifest: BackupManifest, keys: Keys) -> bytes:
    """What is kept beside the backup. Of an encrypted one no digest of clear text is: it would confirm a guess."""
    document = asdict(verification)
    if manifest.recipients:
        for outcome in document["outcomes"]:
            outcome["proof"]["sha256"] = keyed(outcome["proof"]["sha256"], keys.identities)
    content: dict[str, Any] = {
        "schema": SCHEMA,
        "tool": __version__,
        "host": {"machine": platform.machine(), "system": platform.system(), "cores": os.cpu_count()},
        "scope": "store to a scratch server on this host; no provisioning, no clients, no traffic switch",
        **document,
    }
    return json.dumps(content, indent=1).encode()
