"""What somebody approved, read off the journal: a plan by its hash, each later change of it by a token of its own."""

from __future__ import annotations

import socket
from typing import Any

from secondsite.model.errors import InputError
from secondsite.model.procedure import Procedure
from secondsite.operate.journal import EntryKind, Journal, JournalEntry
from secondsite.operate.plan import digest, procedure_hash
from secondsite.operate.world import World


def declared(world: World) -> dict[str, Any]:
    decision = world.decision
    return {"who": decision.who, "why": decision.why, "host": socket.gethostname()}


def check_bound(world: World, journal: Journal, approved: str) -> None:
    """What carries the steps out is what was approved with them, or is approved anew."""
    plan, now = journal.entries[0].data, dict(world.bound)
    known = [plan.get("bound", now), *(entry.data["bound"] for entry in journal.entries if "bound" in entry.data)]
    if known[-1] == now:
        return
    token = digest([plan["hash"], now])
    if approved == token:
        journal.append(EntryKind.NOTE, "", {"approved": token, "bound": now})
        return
    differing = ", ".join(key for key in sorted({*known[-1], *now}) if known[-1].get(key) != now.get(key))
    what = f"this differs from the approved plan: {differing} changed"
    raise InputError.at(str(journal.path), what, f"use the same options, or approve the change with --approve {token}")


def check_same(procedure: Procedure, journal: Journal) -> None:
    begun = journal.entries[0].data
    if begun.get("procedure_hash") != procedure_hash(procedure):
        fault = begun.get("fault")
        if begun.get("procedure") == procedure.name and fault not in (None, str(procedure.fault)):
            what = f"this operation was begun with --fault {fault}, not {procedure.fault}"
            raise InputError.at(str(journal.path), what, f"give --fault {fault}")
        what = f"this journal belongs to another procedure ({begun.get('procedure')})"
        remedy = "resume with the same system file and strategy, or give a new journal"
        raise InputError.at(str(journal.path), what, remedy)


def approve(journal: Journal, approved: str) -> None:
    planned = str(journal.entries[0].data["hash"])
    asked = {str(entry.data["asks"]) for entry in journal.entries if "asks" in entry.data}
    if approved not in {planned, *asked, *approvals(journal.entries)}:
        what = f"the running plan is {planned}, not {approved}"
        raise InputError.at("--approve", what, "check `status`, and approve that plan")
    journal.append(EntryKind.NOTE, "", {"approved": approved})


def approvals(entries: list[JournalEntry]) -> set[str]:
    return {str(entry.data["approved"]) for entry in entries if not entry.step and entry.data.get("approved")}


def is_approved(entries: list[JournalEntry]) -> bool:
    """Whether somebody approved the plan that this journal began with."""
    return str(entries[0].data["hash"]) in approvals(entries)


def lifted(world: World, journal: Journal, more: frozenset[str]) -> frozenset[str]:
    """The guards that somebody lifted since this began, and ``more``, which is written down with who did."""
    noted = (entry.data.get("allowed") or () for entry in journal.entries if not entry.step)
    known = frozenset(str(guard) for guards in noted for guard in guards)
    if more - known:
        note = {"allowed": sorted(more - known), "who": world.decision.who}
        journal.append(EntryKind.NOTE, "", note)
    return known | more
