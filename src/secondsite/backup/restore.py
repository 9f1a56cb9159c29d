"""A restore run: look first, refuse as a whole, then bring the streams back, several at once, and prove each.

Killed at any instant, the same command goes on: a stream with the mark is begun again, one that already is what the
backup holds is left as it is. What would be overwritten is deleted only after its replacement was read to its end.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from attrs import evolve, frozen

from secondsite.backup.archive import NATSARC_FILE
from secondsite.backup.codec import Keys
from secondsite.backup.digesting import Digested
from secondsite.backup.manifest import BackupManifest, StreamBackup
from secondsite.backup.objects import BrokenObjectError, Reader
from secondsite.backup.persist import election, persistently
from secondsite.backup.progress import Progress
from secondsite.backup.proof import RestoreProof
from secondsite.backup.stream_restore import (
    StreamOutcome,
    Work,
    is_there_already,
    missing_consumers,
    prove,
    recreate,
    transfer,
)
from secondsite.backup.target import Changes, check_rename, final_config, mark_of
from secondsite.model.errors import InputError, MachineError, Problem
from secondsite.model.nats_release import Feature, Support, supports
from secondsite.model.place import Place
from secondsite.nats.jetstream import JetStream, NoAnswerError, RefusedError
from secondsite.nats.place import NatsPlace
from secondsite.objects.store import ObjectStorage

ATTEMPTS = 3
_NO_PEERS = (10005, 10074, 10023, 10047)


@frozen
class RestorePlan:
    """``streams`` maps names to new names and is empty for all. ``overwrite`` names targets that may hold messages."""

    streams: Mapping[str, str] = {}
    overwrite: frozenset[str] = frozenset()
    changes: Changes = Changes()
    keys: Keys = Keys()
    parallel: int = 2
    prove: bool = True
    attempts: int = ATTEMPTS


@frozen
class _Task:
    """``replace``: a stream of the target's name is there and goes. ``read_first``: it holds messages of somebody."""

    work: Work
    replace: bool = False
    read_first: bool = False
    there: Digested | None = None


async def run_restore(
    nats: NatsPlace, store: ObjectStorage, manifest: BackupManifest, plan: RestorePlan, progress: Progress
) -> tuple[StreamOutcome, ...]:
    """One outcome per stream. Raises InputError before anything is changed, for what must not be overwritten."""
    reader = Reader(store, manifest, plan.keys)
    reader.check_keys()
    chosen = _choose(manifest, plan)

    async def look(jetstream: JetStream, _: int) -> tuple[list[_Task], list[StreamOutcome]]:
        return await _look(jetstream, reader, chosen, plan)

    tasks, broken = await persistently(nats, "streams", plan.attempts, progress, look, election)
    slots = asyncio.Semaphore(plan.parallel)

    async def one(task: _Task) -> StreamOutcome:
        async with slots:
            return await _one(nats, reader, task, plan, progress)

    done = await asyncio.gather(*(one(task) for task in tasks))
    return tuple(sorted((*done, *broken), key=lambda outcome: outcome.target))


def _choose(manifest: BackupManifest, plan: RestorePlan) -> dict[StreamBackup, str]:
    names = plan.streams or {stream.name: stream.name for stream in manifest.streams}
    unknown = [name for name in names if manifest.stream(name) is None]
    if unknown:
        held = ", ".join(stream.name for stream in manifest.streams)
        what = f"the backup {manifest.id} holds no stream {', '.join(unknown)}"
        raise InputError.at("--stream", what, f"it holds {held or 'none'}")
    for name, target in names.items():
        check_rename(name, target)
    if len(set(names.values())) < len(names):
        raise InputError.at("--stream", "two streams are to get the same name", "give each its own")
    return {stream: names[stream.name] for stream in manifest.streams if stream.name in names}


async def _look(
    jetstream: JetStream, reader: Reader, chosen: Mapping[StreamBackup, str], plan: RestorePlan
) -> tuple[list[_Task], list[StreamOutcome]]:
    """What is to be done for each stream; those whose small objects are broken have their outcome already."""
    _check_version(jetstream, chosen)
    renamed = any(stream.name != target for stream, target in chosen.items())
    taken = await _subjects(jetstream) if renamed else {}
    tasks: list[_Task] = []
    broken: list[StreamOutcome] = []
    refusals: list[Problem] = []
    for stream, target in chosen.items():
        try:
            work = await _work(reader, stream, target, plan, taken)
            tasks.append(await _task(jetstream, reader, work, plan))
        except BrokenObjectError as error:
            broken.append(_failed(stream, target, error))
        except _WouldOverwriteError as refusal:
            refusals.extend(refusal.problems)
    if refusals:
        raise InputError(refusals)
    return tasks, broken


def _check_version(jetstream: JetStream, chosen: Mapping[StreamBackup, str]) -> None:
    """Before anything is deleted for it: older servers take the new archives for a broken tar (10062)."""
    new = [stream.name for stream in chosen if stream.archive_file == NATSARC_FILE]
    if new and supports(jetstream.version, Feature.MESSAGE_ARCHIVE) is Support.NO:
        what = (
            f"this is nats-server {jetstream.version}, and only 2.15 or later takes archives that 2.15 or later wrote"
        )
        raise InputError.at(jetstream.shown, f"{what}: {', '.join(new)}", "upgrade it, or restore into another")


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
    state, mark = info["state"], mark_of(info["config"])
    ours = mark == reader.manifest.id and int(state["last_seq"]) <= work.stream.last_seq
    if not int(state["messages"]) and not int(state["last_seq"]):
        return _Task(work, replace=True)
    may_be_same = int(state["last_seq"]) == work.stream.last_seq
    if may_be_same and (there := await is_there_already(jetstream, reader, work)):
        return _Task(work, there=there)
    if ours or not int(state["messages"]):
        return _Task(work, replace=True)
    if work.target in plan.overwrite:
        return _Task(work, replace=True, read_first=True)
    held = f"{state['messages']} messages ({state['first_seq']}-{state['last_seq']})"
    what = f"the stream {work.target} is there with {held}"
    remedy = f"restore it as another: --stream {work.stream.name}=NEWNAME, or lose it: --overwrite {work.target}"
    raise _WouldOverwriteError([Problem(Place(jetstream.shown), what, remedy)])


async def _one(nats: NatsPlace, reader: Reader, task: _Task, plan: RestorePlan, progress: Progress) -> StreamOutcome:
    """One stream. Once it is there it is only looked at: clients may write to it already."""
    work, begin = task.work, time.monotonic()
    persist = partial(persistently, nats, work.target, plan.attempts, progress)
    try:
        if not task.there:
            await persist(lambda jetstream, _: _bring(jetstream, reader, task, progress))
    except MachineError as error:
        if not plan.changes.detached:  # a scratch server goes as a whole
            await _remove_partial(nats, reader, work, wait_s=8 if isinstance(error, BrokenObjectError) else 1)
        return _failed(work.stream, work.target, _with_remedy(error))
    transfer_s = round(time.monotonic() - begin, 3)
    try:
        return await persist(lambda jetstream, _: _finish(jetstream, reader, task, transfer_s, progress))
    except MachineError as error:
        return _failed(work.stream, work.target, error, "restored, and not proven")


async def _bring(jetstream: JetStream, reader: Reader, task: _Task, progress: Progress) -> None:
    work = task.work
    if task.read_first:
        await reader.diagnose(work.stream.archive)
    if task.replace:
        await _delete(jetstream, work.target)
    else:
        await _delete_marked(jetstream, reader, work)
    await transfer(jetstream, reader, work, progress)


async def _finish(
    jetstream: JetStream, reader: Reader, task: _Task, transfer_s: float, progress: Progress
) -> StreamOutcome:
    work, begin = task.work, time.monotonic()
    notes: list[str] = []
    progress.comparing(work.target)
    proof, sent = await prove(jetstream, reader, work, task.there)
    count, missing = await missing_consumers(jetstream, work, sent)
    if missing and (made := await recreate(jetstream, work, missing)):
        notes.append(f"recreated from their positions, as the archive lacked them: {', '.join(made)}")
        count, missing = await missing_consumers(jetstream, work, sent)
    notes += await _unmark(jetstream, work)
    progress.end(work.target)
    if work.final.get("subjects") != work.backup["config"].get("subjects"):
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
        notes=tuple(notes),
    )


async def _unmark(jetstream: JetStream, work: Work) -> list[str]:
    """Give the stream its own configuration; a refusal leaves the mark and is told."""
    info = await jetstream.ask(f"STREAM.INFO.{work.target}")
    if mark_of(info["config"]) is None:
        return []
    try:
        await jetstream.ask(f"STREAM.UPDATE.{work.target}", work.final)
    except RefusedError as refused:
        return [f"its metadata keeps the mark of this restore: {refused.problems[0].what}"]
    return []


async def _delete(jetstream: JetStream, name: str) -> None:
    """A timeout says nothing, so look."""
    if await jetstream.stream(name) is None:
        return
    await jetstream.ask(f"STREAM.DELETE.{name}")
    for _ in range(100):
        if await jetstream.stream(name) is None:
            return
        await asyncio.sleep(0.1)
    raise MachineError.at(jetstream.shown, f"the stream {name} was deleted and is still there", "run again")


async def _delete_marked(jetstream: JetStream, reader: Reader, work: Work) -> bool:
    """Only what a try of this very restore left."""
    info = await jetstream.stream(work.target)
    if info is None or mark_of(info["config"]) != reader.manifest.id:
        return False
    await _delete(jetstream, work.target)
    return True


async def _remove_partial(nats: NatsPlace, reader: Reader, work: Work, wait_s: float) -> None:
    """After a restore that must not stay: the server gives up after 5 s without a chunk, and may keep a part."""
    with suppress(MachineError):  # what failed first is told
        async with nats.open() as jetstream:
            for _ in range(int(wait_s / 0.5)):
                if await _delete_marked(jetstream, reader, work):
                    return
                await asyncio.sleep(0.5)


def _with_remedy(error: MachineError) -> MachineError:
    problem = error.problems[0]
    if any(f"({code})" in problem.what for code in _NO_PEERS):  # the server may wrap one refusal in another
        remedy = "this cluster cannot place it so: --replicas 1 (or as many as it has servers), --placement none"
        return MachineError([evolve(problem, remedy=remedy)])
    return error


def _failed(stream: StreamBackup, target: str, error: MachineError, why: str = "not restored") -> StreamOutcome:
    problem = error.problems[0]
    told: dict[str, Any] = {"error": f"{problem.place}: {problem.what}", "remedy": problem.remedy}
    return StreamOutcome(
        stream.name, target, 0, 0, 0, 0, (), RestoreProof("unproven", 0, 0, 0, why=why), stream.bytes, 0, 0, **told
    )
