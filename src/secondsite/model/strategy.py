"""A strategy by its three parts; its id is ``pattern/link``, with ``/switch`` where it is not DNS failover."""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen


class Pattern(StrEnum):
    """The first two are what runs today: in one region, or with NATS in several of them already."""

    SINGLE_REGION = "single-region"
    SEVERAL_REGIONS = "several-regions"
    BACKUP_RESTORE = "backup-restore"
    PILOT_LIGHT = "pilot-light"
    WARM_STANDBY = "warm-standby"
    ACTIVE_ACTIVE = "active-active"


class Link(StrEnum):
    """``none`` is the baseline: what runs today, with whatever backups it has."""

    NONE = "none"
    BACKUP = "backup"
    ARCHIVE = "archive"
    SUPERCLUSTER_MIRROR = "supercluster-mirror"
    SUPERCLUSTER_MIRROR_WITNESS = "supercluster-mirror-witness"
    LEAFNODE_MIRROR = "leafnode-mirror"
    MIRROR_AND_BACKUP = "mirror-and-backup"
    STRETCH = "stretch"
    SOURCED = "sourced"
    MANAGED = "managed"


class Switch(StrEnum):
    DNS = "dns"
    WEIGHTED = "weighted"
    MANUAL = "manual"
    FAILOVER_RECORD = "failover-record"

    @property
    def in_data_plane(self) -> bool:
        """The DNS provider's health checks move clients; nobody changes a record."""
        return self in (Switch.WEIGHTED, Switch.FAILOVER_RECORD)


TODAY = frozenset({Pattern.SINGLE_REGION, Pattern.SEVERAL_REGIONS})
"""The patterns that a system has before anything is changed."""


@frozen(order=True)
class Strategy:
    pattern: Pattern
    link: Link
    switch: Switch = Switch.DNS

    @property
    def id(self) -> str:
        tail = "" if self.switch is Switch.DNS else f"/{self.switch}"
        return f"{self.pattern}/{self.link}{tail}"

    def __str__(self) -> str:
        return self.id

    @classmethod
    def parse(cls, text: str) -> Strategy:
        parts = text.split("/")
        if len(parts) not in (2, 3):
            raise ValueError(f"{text!r} is not a strategy; write pattern/link, such as warm-standby/leafnode-mirror")
        return cls(Pattern(parts[0]), Link(parts[1]), Switch(parts[2]) if len(parts) == 3 else Switch.DNS)
