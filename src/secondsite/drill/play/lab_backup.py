"""Backups of a lab's streams into its object store, by the same code as `secondsite backup`, and their restore.

The store of the lab ignores conditional writes, so the drill sees to it that there is one writer.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager, suppress

from attrs import define, frozen

from secondsite.archive.after import LaterMessage, later
from secondsite.archive.chain import Chain, read_head
from secondsite.archive.layout import ROOT
from secondsite.backup.codec import Keys
from secondsite.backup.inventory import take_inventory
from secondsite.backup.progress import Silent
from secondsite.backup.restore import RestorePlan, run_restore
from secondsite.backup.run import BackupPlan, run_backup
from secondsite.backup.target import NOWHERE, Changes
from secondsite.drill.play.lab_world import place
from secondsite.lab.archivers import PREFIX
from secondsite.lab.world import Lab
from secondsite.model.errors import MachineError
from secondsite.objects.address import parse_store
from secondsite.objects.store import ObjectStorage
from secondsite.operate.restorer import BackupRestorer


@define
class LabBackups:
    """``taken`` counts the backups that are whole."""

    lab: Lab
    home: str
    streams: tuple[str, ...]
    taken: int = 0

    async def once(self) -> None:
        """Raises MachineError where the streams cannot be read; there is no backup then."""
        with _credentials(self.lab):
            plan = BackupPlan(streams=self.streams, attempts=1, single_writer=True)
            await run_backup(place(self.lab, self.home), self._store(), plan, Silent())
        self.taken += 1

    async def keep(self, interval_s: float) -> None:
        """Until cancelled; one that fails is tried again at the next interval."""
        while True:
            with suppress(MachineError):
                await self.once()
            await asyncio.sleep(interval_s)

    async def restore(self, region: str, streams: tuple[str, ...], *, overwrite: bool = False) -> Mapping[str, str]:
        """From the newest whole backup; ``overwrite`` those that are there."""
        with _credentials(self.lab):
            store = self._store()
            manifests = (await take_inventory(store)).readable
            if not manifests:
                return dict.fromkeys(streams, "there is no backup")
            newest = max(manifests, key=lambda manifest: manifest.finished)
            replaced = frozenset(streams if overwrite else ())
            changes = Changes() if overwrite else Changes(placement=NOWHERE)
            plan = RestorePlan({name: name for name in streams}, replaced, changes)
            outcomes = await run_restore(place(self.lab, region), store, newest, plan, Silent())
        return {outcome.target: outcome.why_not for outcome in outcomes}

    def _store(self) -> ObjectStorage:
        return _lab_store(self.lab, "drill")


@frozen
class LabArchive:
    """What the lab's archiver shipped; restored as an operator of production restores it."""

    lab: Lab

    async def restore(self, region: str, streams: tuple[str, ...]) -> Mapping[str, str]:
        with _credentials(self.lab):
            return await self._restorer(region).restore(region, streams)

    async def undo(self, region: str, stream: str, last_good: int, streams: tuple[str, ...]) -> Mapping[str, str]:
        """These streams as they were at a message of one of them."""
        with _credentials(self.lab):
            at = f"{stream}={last_good}"
            return await self._restorer(region).restore(region, streams, at_sequence=at, overwrite=True)

    async def later(self, stream: str, sequence: int) -> AsyncIterator[LaterMessage]:
        """What was shipped of the stream after this message."""
        with _credentials(self.lab):
            async for each in later(await self._chain(), Keys(), stream, sequence):
                yield each

    async def reaches(self, stream: str) -> int:
        """The last message of the stream that the archive holds; 0 where it knows of none."""
        with _credentials(self.lab):
            head = await read_head(await self._chain())
        return head.streams[stream].through if head and stream in head.streams else 0

    async def newest_ns(self) -> int:
        """The moment of the newest checkpoint, by the clock of the servers; 0 where there is none."""
        with _credentials(self.lab):
            chain = await self._chain()
            records = [linked.checkpoint.at_ns async for linked in chain.checkpoints(None)] if chain.singles else []
        return records[-1] if records else 0

    def _restorer(self, region: str) -> BackupRestorer:
        return BackupRestorer(self._store, {region: place(self.lab, region)})

    async def _chain(self) -> Chain:
        return await Chain(self._store.below(ROOT)).read()

    @property
    def _store(self) -> ObjectStorage:
        return _lab_store(self.lab, PREFIX)


async def was_loaded(lab: Lab, prefix: str, store: str) -> bool:
    """Whether a snapshot of the store came whole into the region that waits, and that was written down."""
    with _credentials(lab):
        return any(f"{store}/loaded/" in each.key for each in await _lab_store(lab, prefix).listing(""))


async def cut_off(lab: Lab, prefix: str) -> None:
    """Each snapshot of a store there is half of what it was, and nothing says any more which was loaded."""
    with _credentials(lab):
        store = _lab_store(lab, prefix)
        for each in await store.listing(""):
            if each.key.endswith(".snapshot"):
                content = await store.read(each.key)
                await store.delete([each.key])
                await store.create(each.key, content[: len(content) // 2])
            elif "/loaded/" in each.key:
                await store.delete([each.key])


def _lab_store(lab: Lab, prefix: str) -> ObjectStorage:
    return ObjectStorage(parse_store(f"s3://{lab.s3.bucket}/{prefix}", lab.s3.endpoint))


@contextmanager
def _credentials(lab: Lab) -> Iterator[None]:
    """Where the provider's own tools look for them; what stood there before is put back."""
    wanted = lab.s3.environment
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
