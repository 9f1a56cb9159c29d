"""A backup run: every stream to the store, several at once, and then the manifest.

All or nothing: while a stream fails for good, no manifest is written and what was written is deleted again. Killed at
any instant, the run leaves objects without a manifest, which are no backup and which the next prune removes. What every
object holds is durable before the manifest is written, and the manifest is before this returns.

A backup that holds less than the last good one is written and *suspicious*: it may be that of a wrong account.
"""

from __future__ import annotations

import asyncio
import fnmatch
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from attrs import frozen

from secondsite import __version__
from secondsite.backup.codec import AGE, Keys
from secondsite.backup.inventory import take_inventory
from secondsite.backup.layout import manifest_key, new_id
from secondsite.backup.manifest import BackupManifest, StreamBackup, to_json
from secondsite.backup.persist import Connections, election, persistently
from secondsite.backup.progress import Progress
from secondsite.backup.signing import ANYBODY, SigningKey, Trust
from secondsite.backup.stream_backup import Compression, StreamJob, back_up_stream
from secondsite.model.errors import InputError, MachineError
from secondsite.model.nats_release import Feature, Support, supports
from secondsite.nats.jetstream import STREAM_NOT_FOUND, JetStream, Json, NoAnswerError, RefusedError
from secondsite.nats.place import NatsPlace
from secondsite.objects.store import ObjectStorage

ATTEMPTS = 4


@frozen
class BackupPlan:
    """``streams`` and ``exclude`` are shell patterns; a name without a wildcard must exist.

    ``accept_fewer``: that streams are gone is as it should be.
    """

    streams: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()
    keys: Keys = Keys()
    compression: Compression = "auto"
    parallel: int = 2
    attempts: int = ATTEMPTS
    single_writer: bool = False
    signing: SigningKey | None = None
    accept_fewer: bool = False

    @property
    def trust(self) -> Trust:
        """Whose earlier backups this one is compared with."""
        return Trust(frozenset({self.signing.public})) if self.signing else ANYBODY


async def run_backup(
    nats: NatsPlace,
    store: ObjectStorage,
    plan: BackupPlan,
    progress: Progress,
    *,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> BackupManifest:
    """The manifest of the new backup. Raises InputError or MachineError, and then there is no backup."""
    await check_store(store, single_writer=plan.single_writer)
    begin = now()
    backup_id = new_id(begin, secrets.token_hex(3))

    async def look(jetstream: JetStream, _: int) -> tuple[dict[str, int], dict[str, Any]]:
        return await _choose(jetstream, plan), dict(jetstream.connection.server)

    streams, server = await persistently(nats, "streams", plan.attempts, progress, look, election)
    try:
        records, gone = await _all(nats, store, plan, backup_id, streams, progress)
        await _compare_sizes(store, backup_id, records)
        suspicious = () if plan.accept_fewer else await _suspicions(store, plan, records, now())
        manifest = BackupManifest(
            id=backup_id,
            started_at=begin.isoformat(),
            finished_at=now().isoformat(),
            tool=__version__,
            server=str(server.get("version", "")),
            cluster=str(server.get("cluster", "")),
            domain=nats.domain,
            recipients=plan.keys.recipients,
            streams=tuple(sorted(records, key=lambda record: record.name)),
            gone=tuple(sorted(gone)),
            single_writer=plan.single_writer,
            suspicious=suspicious,
            signer=plan.signing.public if plan.signing else "",
        )
        await store.create(manifest_key(backup_id), to_json(manifest, plan.signing))
    except BaseException:
        await _discard(store, backup_id)
        raise
    return manifest


async def check_store(store: ObjectStorage, *, single_writer: bool) -> None:
    """Raises InputError for a store that ignores conditional writes, unless there is one writer only."""
    if single_writer or await store.honours_conditions():
        return
    what = "the store ignores conditional writes: two writers could overwrite each other unnoticed"
    raise InputError.at(
        store.shown, what, "use a store that honours If-None-Match, or give --single-writer if there is only one"
    )


async def _choose(jetstream: JetStream, plan: BackupPlan) -> dict[str, int]:
    """Names and sizes of the streams. Without a wildcard nothing is listed, so a lost meta quorum is no obstacle."""
    records: list[Json] = []
    named = [pattern for pattern in plan.streams if not set(pattern) & set("*?[")]
    if len(named) < len(plan.streams):
        missing: list[str] = []
        listed = await jetstream.pages("STREAM.LIST", "streams", missing)
        _check_missing(jetstream, [name for name in missing if _matches(name, plan.streams)], plan)
        records += [info for info in listed if _matches(str(info["config"]["name"]), plan.streams)]
    for name in named:
        info = await jetstream.stream(name)
        if info is None:
            raise InputError.at(
                "--stream", f"no stream {name}", "check the account and domain; list streams with: nats stream ls"
            )
        records.append(info)
    left = {name: info for info in records if not _matches(name := str(info["config"]["name"]), plan.exclude)}
    if not left and (plan.exclude or plan.streams != ("*",)):
        raise InputError.at(
            "--stream", "no stream matches", "check the account and domain; list streams with: nats stream ls"
        )
    _check_memory(jetstream, left)
    return {name: int(info["state"]["bytes"]) for name, info in left.items()}


def _check_missing(jetstream: JetStream, missing: list[str], plan: BackupPlan) -> None:
    """A stream that nobody answers for is not left out silently."""
    lost = sorted(name for name in missing if not _matches(name, plan.exclude))
    if lost:
        what = f"streams without a leader, which cannot be saved: {', '.join(lost)}"
        remedy = f"bring their servers back, or exclude them: {' '.join(f'--exclude {name}' for name in lost)}"
        raise NoAnswerError.at(jetstream.shown, what, remedy)


def _check_memory(jetstream: JetStream, chosen: Mapping[str, Json]) -> None:
    """Known before anything is written: servers before 2.15 refuse these ("no impl", 10064)."""
    memory = sorted(name for name, info in chosen.items() if info["config"].get("storage") == "memory")
    if memory and supports(jetstream.version, Feature.MEMORY_SNAPSHOT) is Support.NO:
        what = f"in memory, and nats-server {jetstream.version} saves streams of files only: {', '.join(memory)}"
        remedy = f"upgrade to 2.15, or exclude what may be lost: {' '.join(f'--exclude {name}' for name in memory)}"
        raise InputError.at("--stream", what, remedy)


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


async def _all(
    nats: NatsPlace, store: ObjectStorage, plan: BackupPlan, backup_id: str, streams: dict[str, int], progress: Progress
) -> tuple[list[StreamBackup], list[str]]:
    """Largest first, so that the last one to finish is a small one."""
    slots = asyncio.Semaphore(plan.parallel)
    codecs = (AGE,) if plan.keys.recipients else ()

    async def one(name: str) -> StreamBackup | None:
        async with slots:
            job = StreamJob(backup_id, name, plan.keys, plan.compression, codecs)
            return await _one(connections, store, job, plan.attempts, progress)

    try:
        async with Connections(nats) as connections, asyncio.TaskGroup() as group:
            tasks = {name: group.create_task(one(name)) for name in sorted(streams, key=lambda name: -streams[name])}
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    results = {name: task.result() for name, task in tasks.items()}
    return [record for record in results.values() if record], [name for name, record in results.items() if not record]


async def _one(
    nats: Connections, store: ObjectStorage, job: StreamJob, attempts: int, progress: Progress
) -> StreamBackup | None:
    """One stream, from its beginning again after a failure; None when the stream was deleted meanwhile."""

    async def save(jetstream: JetStream, attempt: int) -> StreamBackup:
        return await back_up_stream(jetstream, store, job, attempt, progress)

    try:
        return await persistently(nats, job.stream, attempts, progress, save)
    except RefusedError as refused:
        if refused.code == STREAM_NOT_FOUND:
            return None
        raise


async def _compare_sizes(store: ObjectStorage, backup_id: str, records: list[StreamBackup]) -> None:
    """What the store shows must be what was sent: the manifest promises it."""
    sizes = {stored.key: stored.size_bytes for stored in await store.listing(f"{backup_id}/streams")}
    for record in records:
        for sent in record.objects:
            if sizes.get(sent.key) != sent.size_bytes:
                what = f"holds {sizes.get(sent.key)} bytes where {sent.size_bytes} were written"
                raise MachineError.at(store.url(sent.key), what, "check who else writes to this store, then run again")


async def _suspicions(
    store: ObjectStorage, plan: BackupPlan, records: list[StreamBackup], now: datetime
) -> tuple[str, ...]:
    """What this backup lacks that the last good one had, of what was asked for now."""
    suspicions = [] if records else ["it holds no stream: check the account, the domain and --stream"]
    newest = (await take_inventory(store, plan.trust, now)).newest_good
    if newest and newest.manifest:
        names = {stream.name for stream in newest.manifest.streams}
        wanted = {name for name in names if _matches(name, plan.streams) and not _matches(name, plan.exclude)}
        lost = sorted(wanted - {record.name for record in records})
        if lost:
            suspicions.append(f"{newest.id} holds streams that are gone: {', '.join(lost)}")
        ends = {stream.name: stream.last_seq for stream in newest.manifest.streams}
        for record in records:
            if record.last_seq < (before := ends.get(record.name, 0)):
                why = "it was recreated, or its server lost messages"
                suspicions.append(f"{record.name} ends at {record.last_seq}, and at {before} in {newest.id}: {why}")
    return tuple(suspicions)


async def _discard(store: ObjectStorage, backup_id: str) -> None:
    """Best effort: what stays is removed by prune."""
    with suppress(MachineError, TimeoutError):
        async with asyncio.timeout(20):
            await store.delete_below(backup_id)
