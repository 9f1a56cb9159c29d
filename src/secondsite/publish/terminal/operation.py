"""A plan, its run and its journal, for people and for machines."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from secondsite.model.wording import counted
from secondsite.operate.abort import Aborted
from secondsite.operate.approval import is_approved
from secondsite.operate.executor import OperationOutcome, StepProgress
from secondsite.operate.journal import JournalEntry, StepRecord, StepState, end_of, records, unfenced
from secondsite.operate.plan import Plan, PlannedStep
from secondsite.publish.terminal.console import folded
from secondsite.publish.terminal.operation_notes import notes_of


def plan_text(plan: Plan) -> str:
    """Each step with its check, what it would change now, and what forbids it."""
    lines = [folded(f"{plan.procedure.name}, of {plan.system}: operation {plan.operation}; {plan.epoch.summary()}"), ""]
    for one in plan.steps:
        lines += _step(one)
    lines += ["", *_carried_out_by(plan.bound)]
    if plan.refusals:
        return "\n".join([*lines, "blocked:", *(folded(f"  {problem}", " " * 4) for problem in plan.refusals)])
    needed = plan.stops or any(one.irreversible for one in plan.steps)
    why = "to approve it" if needed else "no step needs approval; to run exactly this plan"
    return "\n".join([*lines, f"plan {plan.hash}; {why}: --approve {plan.hash}"])


def _carried_out_by(bound: Mapping[str, Any]) -> list[str]:
    """Servers and commands, as they are part of what is approved."""
    lines: list[str] = []
    for what, value in bound.items():
        if isinstance(value, Mapping):
            lines += [f"{what}: {key} = {one}" for key, one in value.items()]
        elif value:
            lines.append(f"{what}: {value}")
    return [*lines, ""] if lines else []


def aborted_text(aborted: Aborted) -> str:
    """Who writes now, and what was left."""
    lines = [f"stopped; {name}: {', '.join(regions)} accepts writes" for name, regions in aborted.serving.items()]
    lines += [f"{name}: no region accepts writes; `resume` can continue from here" for name in aborted.without_writer]
    lines += [f"its fence was removed: {one}" for one in aborted.opened]
    return "\n".join([*lines, *(f"left: {one}" for one in aborted.left)])


def _step(one: PlannedStep) -> list[str]:
    marks = [mark for mark, there in (("CANNOT BE UNDONE", one.irreversible), ("by a person", one.by_person)) if there]
    tail = f" [{', '.join(marks)}]" if marks else ""
    lines = [
        f"{one.step.id}: {one.step.title}{tail}",
        *(f"    STOPS: {stop}" for stop in one.stops),
        *(f"    would: {change}" for change in one.changes),
        *(f"    now:   {fact}" for fact in one.now),
        f"    check: {one.step.check}, within {one.step.limit_s:.0f} s",
        *(f"    GUARD {guard.id}: {guard.what}" for guard in one.guards),
    ]
    return [folded(line, " " * 11) for line in lines]


def progress_line(progress: StepProgress) -> str:
    """Of progress, which is told on standard error."""
    took = "" if progress.seconds is None else f" in {progress.seconds:.2f} s"
    why = f": {progress.why}" if progress.why else ""
    return folded(f"{progress.state:<8} {progress.step.id}{took}{why}", " " * 9, stderr=True)


def outcome_text(name: str, outcome: OperationOutcome, path: Path) -> str:
    done = sum(record.state is StepState.DONE for record in outcome.steps.values())
    if outcome.finished:
        return "\n".join([f"{name}: done, {counted(done, 'steps')}; journal {path}", *_to_know(outcome.steps)])
    begins = f"{name}: not finished, {counted(done, 'steps')} done; journal {path}"
    return "\n".join([begins, *(folded(str(problem)) for problem in outcome.problems), *_notes(outcome.steps)])


def _to_know(known: Mapping[str, StepRecord]) -> list[str]:
    return [*_notes(known), *_unfenced(known)]


def _notes(known: Mapping[str, StepRecord]) -> list[str]:
    return [folded(note) for note in notes_of(known.values())]


def _unfenced(known: Mapping[str, StepRecord]) -> list[str]:
    return [
        folded(
            f"{region} is unfenced, as it could not be reached; when it returns, `resume` fences it before it accepts "
            "writes, unless that region serves again by then"
        )
        for region in unfenced(known)
    ]


def outcome_json(name: str, outcome: OperationOutcome) -> dict[str, Any]:
    return {
        "schema": "secondsite/operation/1",
        "procedure": name,
        "plan": outcome.plan_hash,
        "finished": outcome.finished,
        "unfenced": list(unfenced(outcome.steps)),
        "steps": {step: _record(record) for step, record in outcome.steps.items()},
        "problems": [{"place": str(p.place), "what": p.what, "remedy": p.remedy} for p in outcome.problems],
    }


def status_text(entries: list[JournalEntry]) -> str:
    plan, known = entries[0].data, records(entries)
    approved = "approved" if is_approved(entries) else "not approved"
    lines = [f"{plan['procedure']}: {end_of(entries)}; plan {plan['hash']}, {approved}", *_identity(entries)]
    for step in plan["steps"]:
        record = known.get(step["id"])
        lines.append(f"  {record.state if record else 'to come':<12} {step['id']}{_times(record)}")
        if record and record.why:
            lines.append(folded(f"{' ' * 15}{record.why}; {record.remedy}", " " * 15))
    return "\n".join([*lines, *_to_know(known)])


def _identity(entries: list[JournalEntry]) -> list[str]:
    """Which operation, who began it where, why, and when something happened last."""
    plan = entries[0].data
    name = (plan.get("operation") or {}).get("id", "")
    by = " on ".join(filter(None, (str(plan.get("who") or ""), str(plan.get("host") or ""))))
    lines = [f"  operation {name}, begun {_instant(entries[0].wall)}{f' by {by}' if by else ''}"] if name else []
    why = [f"  why: {plan['why']}"] if plan.get("why") else []
    return [*lines, *why, f"  last entry {_instant(entries[-1].wall)}"]


def _instant(wall: float) -> str:
    return datetime.fromtimestamp(wall, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def status_json(entries: list[JournalEntry]) -> dict[str, Any]:
    plan, known = entries[0].data, records(entries)
    return {
        "schema": "secondsite/operation-status/1",
        "procedure": plan["procedure"],
        "plan": plan["hash"],
        "operation": plan.get("operation"),
        "state": str(end_of(entries)),
        "who": plan.get("who", ""),
        "why": plan.get("why", ""),
        "began": entries[0].wall,
        "last": entries[-1].wall,
        "approved": is_approved(entries),
        "unfenced": list(unfenced(known)),
        "steps": {s["id"]: _record(known[s["id"]]) if s["id"] in known else None for s in plan["steps"]},
    }


def _record(record: StepRecord) -> dict[str, Any]:
    return {
        "state": str(record.state),
        "attempts": record.attempts,
        "began": record.began,
        "ended": record.ended,
        "facts": record.facts,
        "why": record.why,
        "remedy": record.remedy,
    }


def _times(record: StepRecord | None) -> str:
    if record is None:
        return ""
    began = datetime.fromtimestamp(record.began, UTC).strftime("%H:%M:%S")
    took = f", {record.ended - record.began:.2f} s" if record.ended is not None else ""
    again = f", attempt {record.attempts}" if record.attempts > 1 else ""
    return f" ({began}{took}{again})"
