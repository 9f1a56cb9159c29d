"""What runs today, as read from manifests and live servers or written by hand."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from attrs import field, frozen

from secondsite.model.alert import Alert
from secondsite.model.backup import Backup
from secondsite.model.contract import Contract, Subject
from secondsite.model.economics import Economics
from secondsite.model.external_service import ExternalService
from secondsite.model.gateway import Gateway
from secondsite.model.load import Load, Population
from secondsite.model.mark import Knowledge, Mark
from secondsite.model.nats import NatsCluster
from secondsite.model.operate import Operate
from secondsite.model.place import Place
from secondsite.model.premises import Premises
from secondsite.model.region import Region
from secondsite.model.secret import Secret
from secondsite.model.service import Role, Service
from secondsite.model.store import Loss, Store
from secondsite.model.traffic import Traffic
from secondsite.model.waiver import Waiver


@frozen
class System:
    """``second`` and ``third`` are the regions a strategy may use beside ``region``.

    ``marks`` says of each value, by its dotted path, whether it was read, assumed or written; lists are keyed
    by name: ``services.kgent-api.replicas``, ``nats.nats.streams.EVENTS.max_age``, ``traffic.ttl``.
    """

    name: str
    region: Region
    second: Region | None = None
    third: Region | None = None
    services: tuple[Service, ...] = ()
    nats: tuple[NatsCluster, ...] = ()
    stores: tuple[Store, ...] = ()
    secrets: tuple[Secret, ...] = ()
    gateways: tuple[Gateway, ...] = ()
    external_services: tuple[ExternalService, ...] = ()
    alerts: tuple[Alert, ...] = ()
    backups: tuple[Backup, ...] = ()
    traffic: Traffic = Traffic()
    load: Load = Load()
    users: tuple[Population, ...] = ()
    economics: Economics = Economics()
    premises: tuple[Premises, ...] = ()
    contracts: tuple[Contract, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    operate: Operate | None = None
    marks: Mapping[str, Mark] = field(factory=dict, eq=False, repr=False)

    def service(self, name: str) -> Service | None:
        return self._by_name.get(name)

    @cached_property
    def _by_name(self) -> Mapping[str, Service]:
        return {service.name: service for service in reversed(self.services)}

    @cached_property
    def forgetful(self) -> tuple[Service, ...]:
        """Services that acknowledge writes which wait in their memory alone."""
        return tuple(one for one in self.services if one.ack_buffer and not one.ack_buffer.durable)

    def parts(self, subject: Subject) -> tuple[str, ...]:
        """The names of the streams, or of the stores that hold data, as far as they are known."""
        if subject is Subject.STATE:
            return tuple(store.name for store in self.stores if store.loss is Loss.DATA)
        streams = (stream.name for cluster in self.nats for stream in cluster.streams)
        return tuple(streams) if subject is Subject.NATS else ()

    def unknown_part(self, contract: Contract) -> str:
        """What the contract speaks of and nobody has declared or read; empty where it is known."""
        if not contract.part or contract.part in self.parts(contract.subject):
            return ""
        return f"{'stream' if contract.subject is Subject.NATS else 'store with data'} {contract.part}"

    @cached_property
    def home_clusters(self) -> tuple[NatsCluster, ...]:
        """Those in the first region; where no cluster says its region, it is that one."""
        return tuple(cluster for cluster in self.nats if cluster.region in ("", self.region.name))

    @cached_property
    def regions_today(self) -> tuple[Region, ...]:
        """Where something of it runs already, the first region first."""
        named = {region.name: region for region in (self.region, self.second, self.third) if region}
        elsewhere = (cluster.region for cluster in self.nats if cluster.region not in ("", self.region.name))
        others = (named.get(name, Region(self.region.provider, name)) for name in elsewhere)
        return tuple(dict.fromkeys((self.region, *others)))

    def with_role(self, role: Role) -> tuple[Service, ...]:
        return tuple(service for service in self.services if service.role is role)

    def place(self, path: str) -> Place:
        """Where the value at ``path`` stands: its own mark, or that of the nearest noun around it."""
        while path:
            mark = self.marks.get(path)
            if mark and mark.place:
                return mark.place
            path = path.rpartition(".")[0]
        return Place(self.file)

    @cached_property
    def file(self) -> str:
        """The file that a person wrote it in, by what they wrote; its usual name where they wrote nothing."""
        written = (mark.place for mark in self.marks.values() if mark.origin is Knowledge.WRITTEN and mark.place)
        return next((place.file for place in written), "secondsite.yaml")
