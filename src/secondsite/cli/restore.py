"""``secondsite restore``: bring streams back from a backup or an archive, and prove that they are what was saved."""

from __future__ import annotations

import asyncio
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from attrs import asdict, frozen
from cyclopts import Parameter
from cyclopts.types import PositiveInt

from secondsite.cli import stores
from secondsite.model.errors import EXIT_DOES_NOT_HOLD, EXIT_HOLDS, EXIT_INTERRUPTED, EXIT_UNPROVEN, InputError
from secondsite.model.wording import counted

if TYPE_CHECKING:
    from secondsite.archive.source import RestoreSource
    from secondsite.backup.manifest import BackupManifest
    from secondsite.backup.stream_restore import StreamOutcome

SCHEMA = "secondsite/restore/1"


@frozen
class Fit:
    """What a cluster of another size or name needs."""

    replicas: Annotated[
        PositiveInt | None, stores.option("Replica count for every restored stream; the original by default.")
    ] = None
    placement: Annotated[str, stores.option('"keep", "none", or the name of a cluster.')] = "keep"


@frozen
class When:
    """Which state comes back; the newest without."""

    at: Annotated[
        str | None,
        stores.option("Point in time of an archive, or newest backup finished by then: 2026-11-23T12:00:00Z."),
    ] = None
    at_sequence: Annotated[
        str | None,
        stores.option("STREAM=N: point in time of an archive at which message N was the last of the stream."),
    ] = None
    backup: Annotated[str | None, stores.option("ID of the backup; `secondsite backup list` shows them.")] = None


AS_SAVED, NEWEST = Fit(), When()


def restore(
    *,
    server: Annotated[stores.Server, Parameter(name="*")] = stores.NO_SERVER,
    from_: Annotated[str, Parameter(name="--from")],
    endpoint: stores.Endpoint = None,
    when: Annotated[When, Parameter(name="*")] = NEWEST,
    stream: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    overwrite: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    save_to: str | None = None,
    identity: Annotated[tuple[Path, ...], Parameter(negative="")] = (),
    signed: Annotated[stores.TrustOptions, Parameter(name="*")] = stores.ANY_SIGNER,
    fit: Annotated[Fit, Parameter(name="*")] = AS_SAVED,
    parallel: PositiveInt = 2,
    prove: Annotated[bool, stores.option("Compare every message with the backup; --no-prove only counts.")] = True,
    json: stores.Flag = False,
) -> int:
    """Bring streams back with their messages and consumers, and say what is missing.

    Killed and run again, it goes on where it was.

    Parameters
    ----------
    from_
        The store: file:///folder, s3://bucket/prefix, gs://… or az://….
    stream
        Only this stream; NAME=NEWNAME gives it another name. May be repeated.
    overwrite
        Replace the stream with this name; it is saved first. May be repeated.
    save_to
        Store for the streams that are overwritten; by default the store of --from.
    identity
        File with the age key that decrypts the backup.
    parallel
        How many streams at once, 64 MiB each.
    json
        Print JSON.
    """
    from secondsite.archive.source import Asked, choose_source
    from secondsite.backup.restore import RestorePlan, restore_from
    from secondsite.backup.target import Changes

    place, store = server.place(), stores.open_store(from_, endpoint, "--from")
    plan = RestorePlan(
        streams=_names(stream),
        overwrite=frozenset(overwrite),
        changes=Changes(fit.replicas, fit.placement),
        keys=stores.read_keys((), identity),
        parallel=parallel,
        prove=prove,
        save_to=stores.open_store(save_to, endpoint, "--save-to", make=True) if save_to else None,
    )
    trust = signed.trust(plan.keys)
    at = _time(when.at)
    asked = Asked(when.backup, at, when.at_sequence, tuple(plan.streams), stores.passed_over, _rest_ns(when.at))

    async def work() -> tuple[RestoreSource, tuple[StreamOutcome, ...]]:
        source = await choose_source(store, plan.keys, trust, asked)
        with stores.telling("restored", machine=json) as progress:
            return source, await restore_from(place, source.reader, plan, progress)

    try:
        source, outcomes = asyncio.run(work())
    except KeyboardInterrupt:
        print(
            "interrupted: run the same command again to continue; a half-restored stream starts again", file=sys.stderr
        )
        return EXIT_INTERRUPTED
    _report(source, outcomes, machine=json)
    return exit_code(outcomes, asked=prove)


def _report(source: RestoreSource, outcomes: tuple[StreamOutcome, ...], *, machine: bool) -> None:
    if machine:
        stores.print_json({**as_json(source.reader.manifest, outcomes), "source": source.text})
    else:
        print(source.text)
        print(as_text(outcomes))


def _names(given: tuple[str, ...]) -> dict[str, str]:
    pairs = [item.partition("=") for item in given]
    if len({old for old, _, _ in pairs}) < len(pairs):
        raise InputError.at("--stream", "a stream is named twice", "name each once")
    return {old: new if equals else old for old, equals, new in pairs}


def _rest_ns(text: str | None) -> int:
    """What a time says below the microsecond, which is as exact as a datetime is."""
    match = re.search(r"[.,]\d{6}(\d{1,3})", text or "")
    return int(match[1].ljust(3, "0")) if match else 0


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise InputError.at("--at", f"{text!r} is not a time", "write 2026-11-23T12:00:00Z") from None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def exit_code(outcomes: tuple[StreamOutcome, ...], *, asked: bool) -> int:
    """1 where something is missing, 3 where the proof that was asked for could not be had."""
    if not all(outcome.ok for outcome in outcomes):
        return EXIT_DOES_NOT_HOLD
    unproven = asked and any(outcome.proof.verdict == "unproven" for outcome in outcomes)
    return EXIT_UNPROVEN if unproven else EXIT_HOLDS


def as_json(manifest: BackupManifest, outcomes: tuple[StreamOutcome, ...]) -> dict[str, Any]:
    streams = [{**asdict(outcome), "ok": outcome.ok} for outcome in outcomes]
    return {"schema": SCHEMA, "backup": manifest.id, "ok": all(outcome.ok for outcome in outcomes), "streams": streams}


def as_text(outcomes: tuple[StreamOutcome, ...]) -> str:
    return "\n".join(line for outcome in outcomes for line in _lines(outcome))


def _lines(outcome: StreamOutcome) -> list[str]:
    from secondsite.backup.proof import spans

    name = outcome.target if outcome.target == outcome.stream else f"{outcome.stream} as {outcome.target}"
    if outcome.error:
        return [f"{name}: {outcome.proof.why.upper()}: {outcome.error}; {outcome.remedy}"]
    proof = outcome.proof
    verdict = {"equal": "every message is identical", "differs": "DIFFERS", "unproven": "counted, not compared"}
    begin = "existed already" if outcome.already_there else f"restored in {outcome.transfer_s:.1f} s"
    messages, consumers = counted(outcome.messages, "messages"), counted(outcome.consumers, "consumers")
    counts = f"{messages} {outcome.first_seq}-{outcome.last_seq}, {consumers}"
    lines = [f"{name}: {begin}: {counts}: {verdict[proof.verdict]} ({proof.why or proof.sha256[:12]})"]
    for what, sequences in (("missing", proof.missing), ("changed", proof.changed), ("not in the backup", proof.extra)):
        if sequences:
            lines.append(f"  {len(sequences)} {what}: {spans(sequences)}")
    if proof.expired:
        lines.append(f"  {proof.expired} expired: older than the stream's age limit or their own TTL")
    lines += [f"  configuration: {field}" for field in outcome.differences]
    if outcome.missing_consumers:
        lines.append(f"  consumers missing or behind: {', '.join(outcome.missing_consumers)}")
    return lines + [f"  {note}" for note in outcome.notes]
