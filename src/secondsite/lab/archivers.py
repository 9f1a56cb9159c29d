"""The archiver of a lab: the program that a deployment has, started beside the servers whose streams it ships.

The store stands beyond the WAN link, and ignores conditional writes: there is one archiver, and it is told so.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen

from secondsite.lab.addresses import LabAddresses, WanListener
from secondsite.lab.services import S3
from secondsite.lab.supervisor import Spec, port_open, python
from secondsite.model.deployment import Deployment
from secondsite.strategies.archiver import archive_arguments, archived, vault_of

PREFIX = "archive"
"""Of the lab's store; a drill's backups have another."""


@frozen
class Archivers:
    """``url`` says where a region's servers are, without a login; ``store`` is None where the lab has none."""

    deployment: Deployment
    addresses: LabAddresses
    url: Callable[[str], str]
    store: S3 | None

    def specs(self, region: str) -> tuple[Spec, ...]:
        """None where nothing of the region is shipped."""
        if self.store is None or not archived(self.deployment, region):
            return ()
        endpoint = self.addresses.s3_from(region, vault_of(self.deployment).name)
        metrics = self.addresses.archiver_metrics(region)
        command = python(
            "secondsite",
            *archive_arguments(self.url(region), f"s3://{self.store.bucket}/{PREFIX}"),
            *("--endpoint", f"http://{endpoint}", "--single-writer"),
            *("--metrics-host", metrics.host, "--metrics-port", str(metrics.port)),
        )
        login = self.addresses.archive
        environment = {"NATS_USER": login.user, "NATS_PASSWORD": login.password, **self.store.environment}
        return (
            Spec(
                f"archive-{region}",
                tuple(command),
                ready=lambda: port_open(metrics.host, metrics.port),
                region=region,
                environment=environment,
            ),
        )

    def ways(self) -> tuple[WanListener, ...]:
        """To the store, from each region whose streams are shipped."""
        if self.store is None:
            return ()
        vault = vault_of(self.deployment).name if len(self.deployment.sites) > 1 else ""
        shipped = [region for region in self.addresses.regions if archived(self.deployment, region)]
        book = self.addresses
        return tuple(WanListener(region, vault, book.s3_from(region, vault), book.s3) for region in shipped)
