"""What `secondsite init` tells: what was found, what to check first, what comes next."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from textwrap import shorten, wrap

from secondsite.discover.manifests import Discovery
from secondsite.discover.reading_notes import REPEATED
from secondsite.discover.system_file.updating import Update
from secondsite.model.errors import Problem
from secondsite.model.mark import Knowledge
from secondsite.model.system import System
from secondsite.model.wording import counted
from secondsite.publish.terminal.console import columns

SHOWN = 10
NOTES_OF_NOTHING = 3
# Wrong guesses about these change the recommendation most.
_FIRST = ("region", "load", "economics", "users", "traffic", "second", "third", "nats", "backups")


def notes_of_nothing(discovery: Discovery) -> list[str]:
    """Told where no workload was found: they often say why. What stands twice does not."""
    again = (REPEATED, "are defined again")
    return [note for note in discovery.notes if not any(words in note for words in again)][:NOTES_OF_NOTHING]


def counts(system: System) -> dict[str, int]:
    streams = [stream for cluster in system.nats for stream in cluster.streams]
    return {
        "services": len(system.services),
        "nats_clusters": len(system.nats),
        "streams": len(streams),
        "consumers": sum(len(stream.consumers) for stream in streams),
        "stores": len(system.stores),
        "gateways": len(system.gateways),
        "external_services": len(system.external_services),
        "backups": len(system.backups),
        "alerts": len(system.alerts),
        "secrets": len(system.secrets),
        "contracts": len(system.contracts),
    }


def assumed(system: System) -> list[tuple[str, str]]:
    """Path and reason of every assumption, those that matter most first."""
    assumptions = [(path, mark.why) for path, mark in system.marks.items() if mark.origin is Knowledge.ASSUMED]
    return sorted(assumptions, key=lambda item: _rank(item[0]))


def as_json(update: Update, discovery: Discovery, *, written: bool) -> str:
    return json.dumps(
        {
            "schema": "secondsite/init/1",
            "file": str(update.path),
            "system": update.system.name,
            "written": written,
            "changed": update.changed,
            "found": counts(update.system),
            "assumed": [{"path": path, "why": why} for path, why in assumed(update.system)],
            "unknown_kinds": dict(discovery.unknown),
            "notes": [*update.notes, *discovery.notes],
            "skipped": [_problem(problem) for problem in discovery.skipped],
            "unread": [_problem(problem) for problem in discovery.unread],
            "reconcilers": list(discovery.reconcilers),
            "diff": [] if update.first else update.diff(),
        },
        indent=2,
    )


def _problem(problem: Problem) -> dict[str, object]:
    return {"file": problem.place.file, "line": problem.place.line, "what": problem.what}


def as_text(update: Update, discovery: Discovery, *, verbose: bool) -> str:
    """As wide as the terminal; what to check and to do next only where something is new."""
    system = update.system
    parts = ", ".join(
        counted(number, noun.replace("nats_", "NATS ").replace("_", " "))
        for noun, number in counts(system).items()
        if number
    )
    lines = [*_streamless(system), *_wrapped("found", parts or "nothing")]
    lines += _ignored(discovery.unknown, verbose=verbose)
    lines += _left_out("skipped, as they are not manifests", discovery.skipped, verbose=verbose)
    lines += _left_out("unknown, as the value there cannot be read", discovery.unread, verbose=verbose)
    for note in (*update.notes, *discovery.notes):
        lines += _wrapped("note", note)
    for line in discovery.reconcilers if verbose else ():
        lines += _wrapped("  reconciler", line)
    if update.changed:
        lines += [*_assumptions(system), "", *_next(system, update), ""]
    return "\n".join(lines)


def _ignored(unknown: Mapping[str, int], *, verbose: bool) -> list[str]:
    """Those of which there are most; all of them where a person asked."""
    kinds = [f"{number} {kind}" for kind, number in sorted(unknown.items(), key=lambda item: (-item[1], item[0]))]
    more = 0 if verbose else max(len(kinds) - SHOWN, 0)
    rest = f", and {counted(more, 'more kinds')}; --verbose lists them" if more else ""
    head = "ignored, as these kinds are not supported"
    return _wrapped(head, ", ".join(kinds[: len(kinds) - more]) + rest) if kinds else []


def _streamless(system: System) -> Iterator[str]:
    """Said before anything else: without streams nothing is known of what a loss would cost."""
    clusters = [cluster.name for cluster in system.nats if cluster.jetstream and not cluster.streams]
    if not clusters:
        return
    unknown = [name for name in clusters if _is_assumed(system, f"nats.{name}.jetstream")]
    known = [name for name in clusters if name not in unknown]
    where = [f"{how} in {', '.join(names)}" for how, names in (("is on", known), ("may be on", unknown)) if names]
    yield from _wrapped("no streams known", f"JetStream {' and '.join(where)}, but none of its streams was found")
    yield "  add them in one of these ways:"
    yield "  - secondsite init --nats URL reads them from a running server"
    yield from _wrapped("  - name the folder with their definitions", "NACK, JSON or YAML in a ConfigMap, a script")
    yield "  - write them under `nats: streams:` in the file"


def _is_assumed(system: System, path: str) -> bool:
    mark = system.marks.get(path)
    return mark is not None and mark.origin is Knowledge.ASSUMED


def _left_out(head: str, problems: Sequence[Problem], *, verbose: bool) -> Iterator[str]:
    """Counted in one line; all of them where a person asked."""
    if not problems:
        return
    files = len({problem.place.file for problem in problems})
    noun = "place" if any(problem.place.file.startswith("context:") for problem in problems) else "file"
    where = "" if verbose else f", first {problems[0].place}; --verbose lists them"
    yield from _wrapped(head, f"{len(problems)} in {counted(files, noun + 's')}{where}")
    if verbose:
        for problem in problems:
            yield from _wrapped(f"  {problem.place}", problem.what)


def _assumptions(system: System) -> Iterator[str]:
    assumptions = assumed(system)
    if not assumptions:
        return
    yield ""
    yield f"{len(assumptions)} values are assumed; check these first:"
    for path, why in assumptions[:SHOWN]:
        yield "  " + shorten(f"{path}: {why}", columns() - 2, placeholder=" ...")
    if len(assumptions) > SHOWN:
        yield f"  ... and {len(assumptions) - SHOWN} more, each marked `# assumed` in the file"


def _next(system: System, update: Update) -> Iterator[str]:
    option = "" if update.path.name == "secondsite.yaml" and len(update.path.parts) == 1 else f" --file {update.path}"
    if not system.contracts:
        yield f"next: write your RTO and RPO targets under `contracts:` in {update.path}, then"
        yield f"      secondsite audit{option}"
    else:
        yield f"next: secondsite audit{option}, then secondsite evaluate{option}"


def _wrapped(head: str, text: str) -> list[str]:
    return wrap(f"{head}: {text}", columns(), subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def _rank(path: str) -> int:
    head = path.split(".", 1)[0]
    return _FIRST.index(head) if head in _FIRST else len(_FIRST)
