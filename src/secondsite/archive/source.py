"""What `restore` brings back from: an archive at any moment, or a backup; whichever reaches further."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from attrs import frozen

from secondsite.archive.chain import Chain
from secondsite.archive.entries import moment, rfc3339
from secondsite.archive.layout import ROOT
from secondsite.archive.travel import ArchivedMoment, BeforeArchiveError, Wanted, reader_of, travel, whole_catalogue
from secondsite.backup.codec import Keys
from secondsite.backup.inventory import choose_backup, take_inventory
from secondsite.backup.layout import is_id
from secondsite.backup.objects import Reader
from secondsite.backup.signing import Trust
from secondsite.model.errors import InputError
from secondsite.objects.store import ObjectStorage


@frozen
class RestoreSource:
    """``text`` says what it is."""

    reader: Reader
    text: str


@frozen
class Asked:
    """The newest moment of every stream, unless it says otherwise. ``report`` hears what is passed over."""

    backup: str | None = None
    at: datetime | None = None
    at_sequence: str | None = None
    streams: tuple[str, ...] = ()
    report: Callable[[str], None] = lambda _: None

    def wanted(self) -> Wanted:
        from secondsite.archive.travel import Wanted

        if self.at_sequence is None:
            return Wanted(self.at)
        if self.at or self.backup:
            raise InputError.at("--at-sequence", "excludes the other two", "omit --at and --backup")
        name, _, number = self.at_sequence.rpartition("=")
        if not name or not number.isdigit():
            raise InputError.at("--at-sequence", f"{self.at_sequence!r} is not STREAM=N", "such as ORDERS=1042")
        return Wanted(None, name, int(number))


async def choose_source(store: ObjectStorage, keys: Keys, trust: Trust, asked: Asked) -> RestoreSource:
    """Raises InputError where there is nothing, or nothing that counts."""

    wanted = asked.wanted()
    chain = None if asked.backup else await _archive(store, trust)
    if chain is None:
        if asked.at_sequence:
            remedy = "omit the option: a backup has only one point in time, unlike an archive"
            raise InputError.at(store.shown, "no archive found", remedy)
        return await _backup(store, keys, trust, asked)
    try:
        archived = await travel(chain, keys, wanted, asked.streams)
    except BeforeArchiveError:
        if not await _backups(store):
            raise
        return await _backup(store, keys, trust, asked)
    if not asked.at_sequence and await _later_backup(store, trust, asked.at, archived):
        return await _backup(store, keys, trust, asked)
    if not archived.cuts:
        raise await _nothing(chain, keys, archived)
    return RestoreSource(reader_of(chain, keys, archived), _description(archived, asked))


async def _nothing(chain: Chain, keys: Keys, archived: ArchivedMoment) -> Exception:
    """A restore of no stream would pass for one that was done."""
    names = sorted({name for name, _ in (await whole_catalogue(chain, keys)).segments})
    before = f"give an earlier point in time with --at, as it held {', '.join(names)}"
    remedy = before if names else "check the account and the domain that are archived"
    return InputError.at(chain.store.shown, f"at {rfc3339(archived.at_ns)} the archive holds no stream", remedy)


def _description(archived: ArchivedMoment, asked: Asked) -> str:

    text = f"archive at {rfc3339(archived.at_ns)}"
    if asked.at_sequence:
        text += f", the time of {asked.at_sequence}"
    if archived.reached_ns:
        text += f"; deletions, consumers and configuration as of {rfc3339(archived.reached_ns)}"
    else:
        text += "; before the first checkpoint: without consumers, and without what was deleted until then"
    if archived.at_ns > archived.newest_ns:
        text += f"; it ends at {rfc3339(archived.newest_ns)}, before that moment"
    return text


async def _archive(store: ObjectStorage, trust: Trust) -> Chain | None:

    if ROOT not in await store.folders():
        return None
    chain = await Chain(store.below(ROOT), trust).read()
    return None if chain.empty else chain


async def _backups(store: ObjectStorage) -> bool:

    return any(is_id(name) for name in await store.folders())


async def _later_backup(store: ObjectStorage, trust: Trust, at: datetime | None, archived: ArchivedMoment) -> bool:
    """Whether a backup is newer than all that the archive has of that moment."""

    if not await _backups(store):
        return False
    reach = moment(min(archived.at_ns, archived.newest_ns))
    entries = (await take_inventory(store, trust)).entries
    return any(entry.usable and entry.when > reach and (at is None or entry.when <= at) for entry in entries)


async def _backup(store: ObjectStorage, keys: Keys, trust: Trust, asked: Asked) -> RestoreSource:

    manifest = await choose_backup(store, backup_id=asked.backup, at=asked.at, trust=trust, report=asked.report)
    return RestoreSource(Reader(store, manifest, keys), f"backup {manifest.id}, finished {manifest.finished_at}")
