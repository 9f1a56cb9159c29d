"""Streams back from the archive or the newest backup, by the same restore that `secondsite restore` is."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import evolve, frozen

from secondsite.archive.source import Asked, choose_source
from secondsite.backup.codec import Keys
from secondsite.backup.layout import REPLACED
from secondsite.backup.progress import Silent
from secondsite.backup.restore import RestorePlan, restore_from
from secondsite.backup.run import BackupPlan, run_backup
from secondsite.backup.signing import ANYBODY, Trust
from secondsite.backup.target import NOWHERE, Changes
from secondsite.nats.place import NatsPlace
from secondsite.objects.store import ObjectStorage


@frozen
class BackupRestorer:
    """``prove`` compares every message, which takes as long again. Streams are placed by the region they come to.

    ``asked`` is from when they come back where data was destroyed, and ``chosen`` what may be replaced then.
    """

    store: ObjectStorage
    places: Mapping[str, NatsPlace]
    keys: Keys = Keys()
    trust: Trust = ANYBODY
    prove: bool = True
    asked: Asked = Asked()
    chosen: tuple[str, ...] = ()

    @property
    def moment(self) -> str:
        at = self.asked.at.isoformat() if self.asked.at else ""
        return self.asked.at_sequence or at or self.asked.backup or "the latest point in time"

    @property
    def replaced(self) -> str:
        return self.store.below(REPLACED).shown

    async def restore(
        self, region: str, streams: tuple[str, ...], *, at_sequence: str | None = None, overwrite: bool = False
    ) -> Mapping[str, str]:
        """The newest there is, or as it was at a message (STREAM=N); by stream, "" or why it failed."""
        changes = Changes() if overwrite else Changes(placement=NOWHERE)
        return await self._restored(region, streams, Asked(at_sequence=at_sequence), changes, overwrite=overwrite)

    async def put_back(self, region: str, streams: tuple[str, ...]) -> Mapping[str, str]:
        """In its own place, as it was at the moment; what is there and chosen is saved first."""
        return await self._restored(region, streams, self.asked, Changes(), overwrite=bool(self.chosen))

    async def save(self, region: str, stream: str) -> str:
        """Beside what a restore replaces."""
        to = self.store.below(REPLACED)
        plan = BackupPlan(streams=(stream,), keys=Keys(self.keys.recipients), single_writer=True, accept_fewer=True)
        manifest = await run_backup(self.places[region], to, plan, Silent())
        return f"{manifest.id} in {to.shown}"

    async def _restored(
        self, region: str, streams: tuple[str, ...], asked: Asked, changes: Changes, *, overwrite: bool
    ) -> Mapping[str, str]:
        source = await choose_source(self.store, self.keys, self.trust, evolve(asked, streams=streams))
        plan = RestorePlan(
            streams={name: name for name in streams},
            overwrite=frozenset(streams if overwrite else ()),
            changes=changes,
            keys=self.keys,
            prove=self.prove,
            save_to=self.store if overwrite else None,
        )
        outcomes = await restore_from(self.places[region], source.reader, plan, Silent())
        return {outcome.target: outcome.why_not for outcome in outcomes}
