"""Streams back from the newest backup, by the same restore that `secondsite restore` is."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from secondsite.backup.codec import Keys
from secondsite.backup.inventory import choose_backup
from secondsite.backup.progress import Silent
from secondsite.backup.restore import RestorePlan, run_restore
from secondsite.nats.place import NatsPlace
from secondsite.objects.store import ObjectStorage


@frozen
class BackupRestorer:
    """``prove`` compares every message, which takes as long again."""

    store: ObjectStorage
    places: Mapping[str, NatsPlace]
    keys: Keys = Keys()
    prove: bool = True

    async def restore(self, region: str, streams: tuple[str, ...]) -> Mapping[str, str]:
        manifest = await choose_backup(self.store)
        plan = RestorePlan(streams={name: name for name in streams}, keys=self.keys, prove=self.prove)
        outcomes = await run_restore(self.places[region], self.store, manifest, plan, Silent())
        return {outcome.target: outcome.why_not for outcome in outcomes}
