"""What the resource of an operator says about the backups of its database.

CloudNativePG, StackGres, Crunchy and Percona archive the write-ahead log as soon as a backup is configured; Zalando's
operator is told that in a configuration of its own, and only the dumps that a database asks for stand here.
"""

from __future__ import annotations

from collections.abc import Iterator

from secondsite.discover.cron import longest_gap_s
from secondsite.discover.draft import Draft
from secondsite.discover.operated import CNPG, Operated
from secondsite.discover.resources import ResourceInventory, YamlNode
from secondsite.model.backup import Content, Where
from secondsite.model.errors import InputError
from secondsite.model.place import Place
from secondsite.model.units import Seconds

_WAL_S = Seconds(300)
_BUCKETS = (("s3", "s3://"), ("gcs", "gs://"), ("azure", "azure://"))


def backups_of(one: Operated, inventory: ResourceInventory) -> Iterator[Draft]:
    kind = one.resource.kind
    if one.operator.group == CNPG:
        yield from _of_cnpg(one, inventory)
    elif kind == "SGCluster":
        yield from _of_stackgres(one)
    elif kind in ("PostgresCluster", "PerconaPGCluster"):
        yield from _of_pgbackrest(one)
    elif kind == "postgresql" and one.resource.spec["enableLogicalBackup"].flag:
        at = one.resource.spec["logicalBackupSchedule"]
        draft = _draft(one, one.resource.spec["enableLogicalBackup"])
        if at:
            _scheduled(draft, at)
        else:
            draft.assume("interval_s", Seconds(86400.0), "a dump a day is the operator's default")
        yield draft


def _draft(one: Operated, at: YamlNode) -> Draft:
    draft = Draft({"name": f"{one.name}-backup", "covers": (one.name,), "content": Content.DATA})
    draft.mark("", at)
    draft.assume("where", Where.UNKNOWN, "a bucket's name does not say where it is; write it")
    return draft


def _archived(draft: Draft, at: YamlNode) -> None:
    draft.read("interval_s", _WAL_S, at, "its write-ahead log is archived every 5 minutes at the latest")


def _of_cnpg(one: Operated, inventory: ResourceInventory) -> Iterator[Draft]:
    """The write-ahead log goes to the object store, whole copies by schedule."""
    backup = one.resource.spec["backup"]
    destination = backup.dig("barmanObjectStore", "destinationPath")
    scheduled = [
        resource
        for resource in inventory.of_kind("ScheduledBackup")
        if resource.where == one.resource.where and resource.spec["cluster"]["name"].text == one.resource.name
    ]
    if not destination and not scheduled:
        return
    draft = _draft(one, backup if destination else scheduled[0].top["spec"])
    if not destination:
        draft.mark("", scheduled[0].place)
    draft.read("destination", destination.text or None, destination)
    if destination:
        _archived(draft, destination)
    else:
        _scheduled(draft, scheduled[0].spec["schedule"])
    keep = backup["retentionPolicy"]
    if keep:
        draft.take("retention_s", "seconds", keep)
    yield draft


def _of_stackgres(one: Operated) -> Iterator[Draft]:
    """Into an object store that stands as an object of its own."""
    for at in one.resource.spec["configurations"]["backups"].items[:1]:
        draft = _draft(one, at["sgObjectStorage"] if at["sgObjectStorage"] else at)
        _archived(draft, at["sgObjectStorage"])
        yield draft


def _of_pgbackrest(one: Operated) -> Iterator[Draft]:
    """One backup for each repository; one on a volume lies beside the database."""
    for at in one.resource.spec.dig("backups", "pgbackrest")["repos"].items:
        draft = _draft(one, at["name"])
        draft.values["name"] = f"{one.name}-{at['name'].text or 'backup'}"
        _archived(draft, at["name"])
        kind, scheme = next(((kind, scheme) for kind, scheme in _BUCKETS if at[kind]), ("", ""))
        bucket = at[kind]["bucket"] if kind != "azure" else at[kind]["container"]
        if bucket:
            draft.read("destination", f"{scheme}{bucket.text}", bucket)
        if at["volume"]:
            draft.read("where", Where.CLUSTER, at["volume"], "a volume beside the database")
        yield draft


def _scheduled(draft: Draft, at: YamlNode) -> None:
    """Five fields, or six with the seconds first."""
    fields = at.text.split()
    try:
        gap = longest_gap_s(" ".join(fields[1:]) if len(fields) == 6 else at.text)
    except ValueError as error:
        draft.values["interval_s"] = Seconds(86400.0)
        draft.unknown("interval_s", InputError.at(at.place or Place("?"), str(error), "write five fields, or six"))
        return
    draft.read("interval_s", gap, at, "the longest time between two runs")
