"""Streams back from the archive or the newest backup, by the same restore that `secondsite restore` is."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from secondsite.archive.source import Asked, choose_source
from secondsite.backup.codec import Keys
from secondsite.backup.progress import Silent
from secondsite.backup.restore import RestorePlan, restore_from
from secondsite.backup.signing import ANYBODY, Trust
from secondsite.backup.target import NOWHERE, Changes
from secondsite.nats.place import NatsPlace
from secondsite.objects.store import ObjectStorage


@frozen
class BackupRestorer:
    """``prove`` compares every message, which takes as long again. Streams are placed by the region they come to."""

    store: ObjectStorage
    places: Mapping[str, NatsPlace]
    keys: Keys = Keys()
    trust: Trust = ANYBODY
    prove: bool = True

    async def restore(
        self, region: str, streams: tuple[str, ...], *, at_sequence: str | None = None, overwrite: bool = False
    ) -> Mapping[str, str]:
        """The newest there is, or as it was at a message (STREAM=N); by stream, "" or why it failed."""
        asked = Asked(at_sequence=at_sequence, streams=streams)
        source = await choose_source(self.store, self.keys, self.trust, asked)
        plan = RestorePlan(
            streams={name: name for name in streams},
            overwrite=frozenset(streams if overwrite else ()),
            changes=Changes() if overwrite else Changes(placement=NOWHERE),
            keys=self.keys,
            prove=self.prove,
            save_to=self.store if overwrite else None,
        )
        outcomes = await restore_from(self.places[region], source.reader, plan, Silent())
        return {outcome.target: outcome.why_not for outcome in outcomes}
