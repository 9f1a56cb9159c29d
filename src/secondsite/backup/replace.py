"""A stream makes room for a restored one: fenced, looked at again, saved, and only then deleted.

Nothing that was acknowledged is lost: what is deleted was either never used, or approved by name and saved first, after
the fence, so that nothing can have come since. Where the restore then fails, what was saved is put back.
"""

from __future__ import annotations

import asyncio
from typing import Any

from attrs import evolve, frozen

from secondsite.backup.codec import Keys
from secondsite.backup.layout import REPLACED
from secondsite.backup.manifest import BackupManifest
from secondsite.backup.progress import Silent
from secondsite.backup.run import BackupPlan, run_backup
from secondsite.backup.target import fenced, is_held_back, unfenced
from secondsite.model.errors import InputError, MachineError
from secondsite.nats.jetstream import JetStream, Json
from secondsite.nats.place import NatsPlace
from secondsite.objects.store import ObjectStorage


@frozen
class Approved:
    """What was looked at: the stream of this name that was created at this time. ``used``: its messages may go too."""

    name: str
    created: str
    used: bool


@frozen
class Replaced:
    """What was deleted and saved."""

    store: ObjectStorage
    manifest: BackupManifest

    @property
    def summary(self) -> str:
        return f"the previous content is saved: {self.manifest.id} in {self.store.shown}"


def in_use(info: Json) -> bool:
    """Whether anybody ever wrote to it, or reads it."""
    state = info["state"]
    return int(state["last_seq"]) > 0 or int(state.get("consumer_count", 0)) > 0


async def make_room(
    nats: NatsPlace,
    jetstream: JetStream,
    approved: Approved | None,
    name: str,
    backup: BackupManifest,
    to: ObjectStorage,
) -> Replaced | None:
    """Returns when there is no stream of this name; with what was saved of one in use.

    Raises MachineError for one that nobody approved, and for what cannot be saved; then it is there as it was.
    """
    info = await jetstream.stream(name)
    if info is None:
        return None
    if is_held_back(info["config"]):
        await delete(jetstream, name)
        return None
    if approved is None or info["created"] != approved.created:
        what = f"a stream {name} appeared after this restore checked"
        raise MachineError.at(jetstream.shown, what, "run again, with --overwrite if it may be deleted")
    config = info["config"]
    try:
        fence = fenced(config, backup.id)
        if fence != config:
            await jetstream.ask(f"STREAM.UPDATE.{name}", fence)
        saved = await _save(nats, jetstream, approved, backup, to)
    except BaseException:
        await asyncio.shield(_lift(jetstream, name, config))
        raise
    await delete(jetstream, name)
    return saved


async def _save(
    nats: NatsPlace, jetstream: JetStream, approved: Approved, backup: BackupManifest, to: ObjectStorage
) -> Replaced | None:
    """Behind the fence."""
    before = await _look(jetstream, approved)
    if not in_use(before):
        return None
    if not approved.used:
        what = f"the stream {approved.name} was written to or got a consumer after this restore checked"
        raise MachineError.at(jetstream.shown, what, "run again, with --overwrite if it may be deleted")
    store = to.below(REPLACED)
    plan = BackupPlan(streams=(approved.name,), keys=Keys(backup.recipients), single_writer=True, accept_fewer=True)
    try:
        manifest = await run_backup(nats, store, plan, Silent())
    except (MachineError, InputError) as error:
        problem = error.problems[0]
        remedy = f"{problem.remedy}; give a store to save it to (--save-to URL), or delete it yourself"
        raise MachineError(
            [evolve(problem, what=f"{approved.name} is not overwritten: {problem.what}", remedy=remedy)]
        ) from None
    after = await _look(jetstream, approved)
    if (saved := manifest.stream(approved.name)) is None or saved.last_seq != int(after["state"]["last_seq"]):
        what = f"the stream {approved.name} received writes while it was saved, despite its fence"
        raise MachineError.at(jetstream.shown, what, "find out who gives it subjects (NACK, Terraform), and stop that")
    return Replaced(store, manifest)


async def _look(jetstream: JetStream, approved: Approved) -> dict[str, Any]:
    info = await jetstream.stream(approved.name)
    if info is None or info["created"] != approved.created:
        raise MachineError.at(jetstream.shown, f"the stream {approved.name} was replaced in the meantime", "run again")
    return dict(info)


async def _lift(jetstream: JetStream, name: str, config: Json) -> None:
    """The fence, where nothing came of it."""
    try:
        await jetstream.ask(f"STREAM.UPDATE.{name}", unfenced(config))
    except MachineError as error:
        what = f"the stream {name} is still fenced: nobody can write to it ({error.problems[0].what})"
        remedy = f"restore with --overwrite {name}, or restore its subjects from its metadata"
        raise MachineError.at(jetstream.shown, what, remedy) from None


async def delete(jetstream: JetStream, name: str) -> None:
    """A timeout says nothing, so look."""
    if await jetstream.stream(name) is None:
        return
    await jetstream.ask(f"STREAM.DELETE.{name}")
    for _ in range(100):
        if await jetstream.stream(name) is None:
            return
        await asyncio.sleep(0.1)
    raise MachineError.at(jetstream.shown, f"the stream {name} was deleted and is still there", "run again")


async def delete_held_back(jetstream: JetStream, name: str) -> bool:
    """Only what a restore left."""
    info = await jetstream.stream(name)
    if info is None or not is_held_back(info["config"]):
        return False
    await delete(jetstream, name)
    return True


async def open_to_clients(jetstream: JetStream, final: Json) -> Json:
    """Give a stream that was held back its own configuration; the one that it then has. Raises RefusedError."""
    await jetstream.ask(f"STREAM.UPDATE.{final['name']}", final)
    info = await jetstream.ask(f"STREAM.INFO.{final['name']}")
    config: Json = info["config"]
    return config
