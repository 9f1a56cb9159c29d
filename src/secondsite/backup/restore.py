"""A restore run: look first, refuse as a whole, then bring the streams back, several at once, and prove each.

Killed at any instant, the same command goes on: a stream that is held back is begun again, one that already is what the
backup holds is left as it is. Until it is proven a restored stream is held back, so that nobody writes to half of it.
What is overwritten is deleted only after its replacement was read to its end and it was saved itself; where the server
then refuses the replacement, it is put back.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any

from attrs import evolve, frozen

from secondsite.backup.archive import NATSARC_FILE
from secondsite.backup.codec import Keys
from secondsite.backup.digesting import Digested, DigestError
from secondsite.backup.manifest import BackupManifest, StreamBackup
from secondsite.backup.objects import BrokenObjectError, Reader
from secondsite.backup.passing import NOTHING_PASSED, Passed
from secondsite.backup.persist import Connections, election, persistently
from secondsite.backup.progress import Progress, Silent
from secondsite.backup.proof import RestoreProof
from secondsite.backup.replace import Approved, Replaced, delete_held_back, in_use, make_room, open_to_clients
from secondsite.backup.scheduled import fires_again
from secondsite.backup.sourcing import resumed
from secondsite.backup.stream_restore import (
    StreamOutcome,
    Work,
    digest_backup,
    is_there_already,
    missing_consumers,
    prove,
    set_back,
    transfer,
)
from secondsite.backup.target import Changes, Config, check_rename, differences, final_config, is_held_back, mark_of
from secondsite.backup.versions import unknown_to
from secondsite.model.errors import InputError, MachineError, Problem
from secondsite.model.nats_release import Feature, Support, supports
from secondsite.model.place import Place
from secondsite.model.wording import counted
from secondsite.nats.jetstream import JetStream, NoAnswerError, RefusedError
from secondsite.nats.place import NatsPlace
from secondsite.objects.store import ObjectStorage

ATTEMPTS = 3
_NO_PEERS = (10005, 10074, 10023, 10047)


@frozen
class RestorePlan:
    """``streams`` maps names to new names and is empty for all. ``overwrite`` names targets that may be in use.

    ``save_to`` is where these are saved before they go: the backup's own store unless told.
    """

    streams: Mapping[str, str] = {}
    overwrite: frozenset[str] = frozenset()
    changes: Changes = Changes()
    keys: Keys = Keys()
    parallel: int = 2
    prove: bool = True
    attempts: int = ATTEMPTS
    save_to: ObjectStorage | None = None


@frozen
class _Task:
    """``approved`` is the stream of the target's name that may go; ``there``: it already is what the backup holds."""

    work: Work
    approved: Approved | None = None
    there: Digested | None = None


async def run_restore(
    nats: NatsPlace, store: ObjectStorage, manifest: BackupManifest, plan: RestorePlan, progress: Progress
) -> tuple[StreamOutcome, ...]:
    """One outcome per stream. Raises InputError before anything is changed, for what must not be overwritten."""
    return await restore_from(nats, Reader(store, manifest, plan.keys), plan, progress)


async def restore_from(
    nats: NatsPlace, reader: Reader, plan: RestorePlan, progress: Progress
) -> tuple[StreamOutcome, ...]:
    """The same, from whatever the reader makes of a store."""
    manifest = reader.manifest
    reader.check_keys()
    chosen = _choose(manifest, plan)

    async def look(jetstream: JetStream, _: int) -> tuple[list[_Task], list[StreamOutcome]]:
        return await _look(jetstream, reader, chosen, plan)

    slots = asyncio.Semaphore(plan.parallel)
    async with Connections(nats) as connections:
        tasks, broken = await persistently(connections, "streams", plan.attempts, progress, look, election)

        async def one(task: _Task) -> StreamOutcome:
            async with slots:
                return await _one(nats, connections, reader, task, plan, progress)

        done = await asyncio.gather(*(one(task) for task in tasks))
    return tuple(sorted((*done, *broken), key=lambda outcome: outcome.target))


def _choose(manifest: BackupManifest, plan: RestorePlan) -> dict[StreamBackup, str]:
    names = plan.streams or {stream.name: stream.name for stream in manifest.streams}
    unknown = [name for name in names if manifest.stream(name) is None]
    if unknown:
        listed = ", ".join(stream.name for stream in manifest.streams)
        what = f"the backup {manifest.id} holds no stream {', '.join(unknown)}"
        raise InputError.at("--stream", what, f"it holds {listed or 'none'}")
    for name, target in names.items():
        check_rename(name, target)
    if len(set(names.values())) < len(names):
        raise InputError.at("--stream", "two streams would get the same name", "give each its own name")
    return {stream: names[stream.name] for stream in manifest.streams if stream.name in names}


async def _look(
    jetstream: JetStream, reader: Reader, chosen: Mapping[StreamBackup, str], plan: RestorePlan
) -> tuple[list[_Task], list[StreamOutcome]]:
    """What is to be done for each stream; those whose small objects are broken have their outcome already."""
    _check_archives(jetstream, chosen)
    renamed = any(stream.name != target for stream, target in chosen.items())
    taken = await _subjects(jetstream) if renamed else {}
    tasks: list[_Task] = []
    broken: list[StreamOutcome] = []
    refusals: list[Problem] = []
    for stream, target in chosen.items():
        try:
            work = await _work(reader, stream, target, plan, taken)
            refusals.extend(_unknown(jetstream, work))
            tasks.append(await _task(jetstream, reader, work, plan))
        except BrokenObjectError as error:
            broken.append(_failed(stream, target, error))
        except _WouldOverwriteError as refusal:
            refusals.extend(refusal.problems)
    if refusals:
        raise InputError(refusals)
    return tasks, broken


def _check_archives(jetstream: JetStream, chosen: Mapping[StreamBackup, str]) -> None:
    """Before anything is deleted for it: older servers take the new archives for a broken tar (10062)."""
    for stream, target in chosen.items():
        if stream.archive_file != NATSARC_FILE and stream.name != target:
            what = f"{stream.name} can be restored only under its own name: its archive is from a server before 2.15"
            raise InputError.at("--stream", what, "restore it under that name, into another account or domain")
    new = [stream.name for stream in chosen if stream.archive_file == NATSARC_FILE]
    if new and supports(jetstream.version, Feature.MESSAGE_ARCHIVE) is Support.NO:
        what = f"this is nats-server {jetstream.version}, and archives written by 2.15 or later need 2.15 or later"
        raise InputError.at(jetstream.shown, f"{what}: {', '.join(new)}", "upgrade it, or restore into another")


def _unknown(jetstream: JetStream, work: Work) -> list[Problem]:
    """What this server would drop silently."""
    lost = unknown_to(jetstream.version, work.final, work.consumers)
    if not lost:
        return []
    what = (
        f"the stream {work.stream.name} uses fields that nats-server {jetstream.version} "
        f"does not support: {', '.join(lost)}"
    )
    return [Problem(Place(jetstream.shown), what, "restore it into that release or a later one")]


async def _work(
    reader: Reader, stream: StreamBackup, target: str, plan: RestorePlan, taken: Mapping[str, list[str]]
) -> Work:
    backup = await reader.document(stream, "backup.json")
    consumers = await reader.document(stream, "consumers.json")
    others = [subject for name, subjects in taken.items() if name != target for subject in subjects]
    final = final_config(backup["config"], target, plan.changes, others)
    return Work(stream, final, backup, tuple(consumers or ()), plan.prove)


async def _subjects(jetstream: JetStream) -> dict[str, list[str]]:
    missing: list[str] = []
    listed = await jetstream.pages("STREAM.LIST", "streams", missing)
    if missing:
        what = f"streams without a leader, whose subjects may be taken: {', '.join(sorted(missing))}"
        raise NoAnswerError.at(jetstream.shown, what, "bring their servers back, or restore without a new name")
    return {str(info["config"]["name"]): list(info["config"].get("subjects") or ()) for info in listed}


class _WouldOverwriteError(InputError):
    """A stream with messages is in the way."""


async def _task(jetstream: JetStream, reader: Reader, work: Work, plan: RestorePlan) -> _Task:
    info = await jetstream.stream(work.target)
    if info is None:
        return _Task(work)
    state, created = info["state"], str(info["created"])
    ours = is_held_back(info["config"])
    may_be_same = int(state["last_seq"]) == work.stream.last_seq and (ours or in_use(info))
    if may_be_same and (there := await is_there_already(jetstream, reader, work)):
        return _Task(work, there=there)
    if ours or not in_use(info):
        return _Task(work, Approved(work.target, created, used=False))
    if work.target in plan.overwrite:
        return _Task(work, Approved(work.target, created, used=True))
    extent = f"{counted(state['messages'], 'messages')} ({state['first_seq']}-{state['last_seq']})"
    what = f"the stream {work.target} exists with {extent} and {counted(state.get('consumer_count', 0), 'consumers')}"
    raise _WouldOverwriteError([Problem(Place(jetstream.shown), what, _ways_around(work))])


def _ways_around(work: Work) -> str:
    """A stream that is in the way. A bucket keeps its name, and so does what a server before 2.15 wrote."""
    replaced = f"replace it: --overwrite {work.target}"
    if work.stream.kind == "stream" and work.stream.archive_file == NATSARC_FILE:
        return f"restore it as another: --stream {work.stream.name}=NEWNAME, or {replaced}"
    return f"{replaced}, or restore into another account or domain"


async def _one(
    nats: NatsPlace, connections: Connections, reader: Reader, task: _Task, plan: RestorePlan, progress: Progress
) -> StreamOutcome:
    """One stream. Once it is there it is only looked at: clients may write to it already."""
    work, begin = task.work, time.monotonic()
    persist = partial(persistently, connections, work.target, plan.attempts, progress)
    replaced: list[Replaced] = []
    passed = NOTHING_PASSED

    async def bring(jetstream: JetStream, _: int) -> Passed:
        if task.approved and task.approved.used and not replaced:
            await reader.diagnose(work.stream.archive)
        to = plan.save_to or reader.store
        saved = await make_room(nats, jetstream, task.approved, work.target, reader.manifest, to)
        replaced.extend([saved] if saved else [])
        return await transfer(jetstream, reader, work, progress)

    try:
        if not task.there:
            passed = await persist(bring)
    except MachineError as error:
        if not plan.changes.detached:  # a scratch server goes as a whole
            await _remove_partial(nats, reader, work, wait_s=8 if isinstance(error, BrokenObjectError) else 1)
        failed = _failed(work.stream, work.target, _with_remedy(error))
        return evolve(failed, notes=tuple([await _put_back(nats, plan, item, work.target) for item in replaced]))
    transfer_s = round(time.monotonic() - begin, 3)
    try:
        done = await persist(lambda jetstream, _: _finish(jetstream, reader, task, passed, transfer_s, progress))
    except MachineError as error:
        done = _failed(work.stream, work.target, error, "restored, not verified")
    return evolve(done, notes=(*done.notes, *(item.summary for item in replaced)))


async def _put_back(nats: NatsPlace, plan: RestorePlan, replaced: Replaced, target: str) -> str:
    """What was deleted for a replacement that the server then refused."""
    back = RestorePlan(keys=plan.keys, attempts=plan.attempts)
    try:
        (outcome,) = await run_restore(nats, replaced.store, replaced.manifest, back, Silent())
        failed = outcome.error
    except (MachineError, InputError) as error:
        failed = str(error)
    return f"{replaced.summary}; " + (f"it could not be put back: {failed}" if failed else f"{target} is there again")


async def _finish(
    jetstream: JetStream, reader: Reader, task: _Task, passed: Passed, transfer_s: float, progress: Progress
) -> StreamOutcome:
    work, begin = task.work, time.monotonic()
    notes: list[str] = []
    progress.comparing(work.target)
    proof, sent = await prove(jetstream, reader, work, task.there, passed)
    count, missing = await missing_consumers(jetstream, work, sent)
    if missing and supports(jetstream.version, Feature.CONSUMER_RESET) is Support.YES:
        done = await set_back(jetstream, work, missing)
        notes += [f"set to where they had acknowledged: {', '.join(done)}"] if done else []
        count, missing = await missing_consumers(jetstream, work, sent)
    if sent and not task.there and (again := fires_again(sent.schedules, datetime.now(UTC))):
        notes.append(again)
    final = await _final(jetstream, reader, work, sent, notes)
    differs, closed = await _open(jetstream, final, proof, notes)
    progress.end(work.target)
    if [work.target] == work.final.get("subjects") != work.backup["config"].get("subjects"):
        notes.append(f"listens on {work.target}: another stream there has its subjects")
    return StreamOutcome(
        stream=work.stream.name,
        target=work.target,
        messages=proof.messages,
        first_seq=proof.first_seq,
        last_seq=proof.last_seq,
        consumers=count,
        missing_consumers=missing,
        proof=proof,
        bytes=work.stream.bytes,
        transfer_s=transfer_s,
        proof_s=round(time.monotonic() - begin, 3),
        already_there=task.there is not None,
        differences=differs,
        held_back=closed,
        notes=tuple(notes),
    )


async def _final(
    jetstream: JetStream, reader: Reader, work: Work, sent: Digested | None, notes: list[str]
) -> dict[str, Any]:
    """The configuration that the stream gets when it is opened to clients."""
    sources = work.final.get("sources")
    if not sources or supports(jetstream.version, Feature.ORIGIN_IDENTITY) is Support.NO:
        return work.final
    info = await jetstream.ask(f"STREAM.INFO.{work.target}")
    if mark_of(info["config"]) is None:
        return {**work.final, "sources": info["config"].get("sources")}
    try:
        positions = (sent or await digest_backup(reader, work)).positions
    except DigestError as error:
        why = f"{error}: the positions of its sources are unknown, so it is fenced"
        raise await reader.unreadable(work.stream.archive, why) from None
    beside = [await jetstream.stream(str(source["name"])) for source in sources if not source.get("external")]
    origins = {str(each["config"]["name"]): int(each["state"]["last_seq"]) for each in beside if each}
    changed, added = resumed(sources, positions, origins)
    notes += added
    return {**work.final, "sources": changed}


async def _open(
    jetstream: JetStream, final: Config, proof: RestoreProof, notes: list[str]
) -> tuple[tuple[str, ...], bool]:
    """To clients, unless it is not what was saved; what differs of its configuration, and whether it is fenced."""
    info = await jetstream.ask(f"STREAM.INFO.{final['name']}")
    if mark_of(info["config"]) is None:
        return differences(final, info["config"]), False
    if proof.verdict == "differs":
        notes.append("it is fenced, as it differs from the backup: it accepts no writes; run again to restart")
        return (), True
    try:
        return differences(final, await open_to_clients(jetstream, final)), False
    except RefusedError as refused:
        notes.append(f"it is fenced, as the server refuses its configuration: {refused.problems[0].what}")
        return (), is_held_back(info["config"])


async def _remove_partial(nats: NatsPlace, reader: Reader, work: Work, wait_s: float) -> None:
    """After a restore that must not stay: the server gives up after 5 s without a chunk, and may keep a part."""
    with suppress(MachineError):  # what failed first is told
        async with nats.open() as jetstream:
            for _ in range(int(wait_s / 0.5)):
                if await delete_held_back(jetstream, work.target):
                    return
                await asyncio.sleep(0.5)


def _with_remedy(error: MachineError) -> MachineError:
    problem = error.problems[0]
    if any(f"({code})" in problem.what for code in _NO_PEERS):  # the server may wrap one refusal in another
        remedy = "this cluster cannot place it: give --replicas 1 (or as many as it has servers), or --placement none"
        return MachineError([evolve(problem, remedy=remedy)])
    return error


def _failed(stream: StreamBackup, target: str, error: MachineError, why: str = "not restored") -> StreamOutcome:
    problem = error.problems[0]
    failure: dict[str, Any] = {"error": f"{problem.place}: {problem.what}", "remedy": problem.remedy}
    return StreamOutcome(
        stream.name, target, 0, 0, 0, 0, (), RestoreProof("unproven", 0, 0, 0, why=why), stream.bytes, 0, 0, **failure
    )
