"""What saves snapshots in a lab's first region and loads them in its second: the programs that a deployment has.

The store stands beyond the WAN link, in the second region.
"""

from __future__ import annotations

from attrs import frozen

from secondsite.lab.addresses import LabAddresses, WanListener
from secondsite.lab.qdrant_fleet import QdrantFleet
from secondsite.lab.services import S3
from secondsite.lab.supervisor import Spec, python
from secondsite.model.deployment import Deployment
from secondsite.strategies.snapshots import load_arguments, loaded_stores, save_arguments, saved_stores
from secondsite.strategies.stores import StoreReplica

PREFIX = "snapshots"
"""Of the lab's store."""


def saver(region: str) -> str:
    return f"qdrant-save-{region}"


def loader(region: str) -> str:
    return f"qdrant-follow-{region}"


@frozen
class Savers:
    """``every_s``: how often, where not as often as it is deployed; ``store`` is None where the lab has none."""

    deployment: Deployment
    addresses: LabAddresses
    fleet: QdrantFleet
    store: S3 | None
    every_s: float

    def specs(self, region: str) -> tuple[Spec, ...]:
        if self.store is None or not self.fleet.databases:
            return ()
        saved = [self._saves(each) for each in saved_stores(self.deployment) if each.primary == region]
        loaded = [self._loads(each) for each in loaded_stores(self.deployment) if each.standby == region]
        return (*saved, *loaded)

    def url(self, replica: StoreReplica) -> str:
        """Of what is saved of it."""
        return f"s3://{self.store.bucket if self.store else ''}/{PREFIX}/{replica.store.name}"

    def ways(self) -> tuple[WanListener, ...]:
        """To the store, from the region that is saved."""
        book = self.addresses
        wanted = saved_stores(self.deployment)[:1] if self.store and self.fleet.databases else ()
        return tuple(
            WanListener(each.primary, each.standby, book.s3_from(each.primary, each.standby), book.s3)
            for each in wanted
        )

    def _saves(self, replica: StoreReplica) -> Spec:
        server = self.fleet.url(replica.store.name, replica.primary)
        at = self.addresses.s3_from(replica.primary, replica.standby)
        words = save_arguments(server, self.url(replica), self.every_s)
        return self._spec(saver(replica.primary), replica.primary, (*words, "--endpoint", f"http://{at}"))

    def _loads(self, replica: StoreReplica) -> Spec:
        server = self.fleet.url(replica.store.name, replica.standby)
        words = load_arguments(server, self.url(replica), self.every_s)
        near = f"http://{self.addresses.s3}"
        return self._spec(loader(replica.standby), replica.standby, (*words, "--endpoint", near))

    def _spec(self, name: str, region: str, words: tuple[str, ...]) -> Spec:
        keys = self.store.environment if self.store else {}
        return Spec(name, tuple(python("secondsite", *words)), region=region, environment=keys)
