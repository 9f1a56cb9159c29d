"""``secondsite archive verify|compact``: what is done with an archive that is there."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from attrs import asdict, evolve
from cyclopts import Parameter

from secondsite.cli.archive import EVERY_STREAM, ArchiveScope
from secondsite.cli.backup_options import every as seconds
from secondsite.cli.stores import (
    ANY_SIGNER,
    Endpoint,
    Flag,
    TrustOptions,
    open_store,
    option,
    passed_over,
    print_json,
    read_keys,
    telling,
)
from secondsite.model.errors import EXIT_DOES_NOT_HOLD, EXIT_HOLDS, InputError, SecondsiteError
from secondsite.model.wording import counted

if TYPE_CHECKING:
    from secondsite.archive.chain import Chain
    from secondsite.archive.check import ArchiveVerification
    from secondsite.backup.codec import Keys
    from secondsite.backup.signing import Trust
    from secondsite.objects.store import ObjectStorage


def verify_(
    *,
    from_: Annotated[str, Parameter(name="--from")],
    endpoint: Endpoint = None,
    identity: Annotated[tuple[Path, ...], Parameter(negative="")] = (),
    signed: Annotated[TrustOptions, Parameter(name="*")] = ANY_SIGNER,
    nats_server: Path | None = None,
    restore: Annotated[bool, option("Also restore the latest point in time and compare every message.")] = True,
    every: Annotated[str | None, option("Keep running and verify at this interval, such as 1h.")] = None,
    json: Flag = False,
) -> int:
    """Read an archive back whole: every checkpoint and segment; then restore the latest point in time and compare it.

    Parameters
    ----------
    from_
        The store: file:///folder, s3://bucket/prefix, gs://… or az://….
    identity
        File with the age key that decrypts the archive.
    nats_server
        nats-server binary; the one on PATH by default.
    json
        Print JSON.
    """
    store, keys = open_store(from_, endpoint, "--from"), read_keys((), identity)
    trust, every_s = signed.trust(keys), seconds(every)
    code = EXIT_HOLDS
    while True:
        try:
            code = asyncio.run(_verify(store, keys, trust, nats_server, restore=restore, json=json))
        except SecondsiteError as error:
            if every_s is None:
                raise
            passed_over(str(error))
        if every_s is None:
            return code
        time.sleep(every_s)


async def _verify(
    store: ObjectStorage, keys: Keys, trust: Trust, server: Path | None, *, restore: bool, json: bool
) -> int:
    from secondsite.archive.check import restore_newest, verify_archive
    from secondsite.objects.protection import UNKNOWN

    chain = await open_chain(store, trust)
    result = await verify_archive(chain, keys)
    if restore and not result.problems:
        with telling("verified", machine=json) as progress:
            result = evolve(result, outcomes=await restore_newest(chain, keys, server, progress))
    shield = await chain.store.protection(chain.newest_key) if not result.problems else UNKNOWN
    if json:
        content = asdict(result)
        looks = content.pop("checkpoints")
        content = {"schema": "secondsite/archive-verification/1", "ok": result.ok, "looks": looks, **content}
        print_json({**content, "protection": asdict(shield)})
    else:
        print(f"newest object: {shield.text}")
        print(_text(result), flush=True)
    return EXIT_HOLDS if result.ok else EXIT_DOES_NOT_HOLD


async def open_chain(store: ObjectStorage, trust: Trust) -> Chain:
    from secondsite.archive.chain import Chain
    from secondsite.archive.layout import ROOT

    if ROOT not in await store.folders():
        raise InputError.at(
            store.shown, "no archive found", "check the prefix; `secondsite archive --to` starts an archive"
        )
    return await Chain(store.below(ROOT), trust).read()


def _text(result: ArchiveVerification) -> str:
    from secondsite.archive.entries import rfc3339
    from secondsite.cli.restore import as_text

    span = f"{rfc3339(result.first_ns)} to {rfc3339(result.newest_ns)}"
    held = f"{counted(result.segments, 'segments')}, {counted(result.messages, 'messages')}"
    lines = [f"{span}: {held}, {result.stored_bytes:,} bytes"]
    lines += [f"  DAMAGED: {problem}" for problem in result.problems]
    lines += [f"  not verified: points in time before the newest base: {why}" for why in result.unread]
    if result.vanished:
        lines.append(f"  {result.vanished} messages were gone before they could be read")
    if result.outcomes:
        lines.append(as_text(result.outcomes))
    return "\n".join([*lines, f"archive: {'good' if result.ok else 'NOT GOOD'}"])


def compact_(
    *,
    from_: Annotated[str, Parameter(name="--from")],
    endpoint: Endpoint = None,
    identity: Annotated[tuple[Path, ...], Parameter(negative="")] = (),
    what: Annotated[ArchiveScope, Parameter(name="*")] = EVERY_STREAM,
    signed: Annotated[TrustOptions, Parameter(name="*")] = ANY_SIGNER,
    keep: Annotated[
        str | None, option("Keep points in time as old as this, such as 7d; everything by default.")
    ] = None,
    json: Flag = False,
) -> int:
    """Make an archive smaller: a base, larger segments, one bundle of checkpoints; and delete what is past --keep.

    Parameters
    ----------
    from_
        The store: file:///folder, s3://bucket/prefix, gs://… or az://….
    identity
        File with the age key that decrypts the archive; give its --recipient and --sign too.
    json
        Print JSON.
    """
    from secondsite.archive.compact import CompactPlan, compact

    if what.stream or what.exclude:
        place = "--stream" if what.stream else "--exclude"
        raise InputError.at(place, "an archive is compacted whole, with all its streams", "leave it out")
    span, keys = seconds(keep, "--keep"), read_keys(what.recipient, identity)
    store, plan, trust = open_store(from_, endpoint, "--from"), what.plan(passed_over, keys), signed.trust(keys)
    if plan.signing:  # what it signs has to be signed
        trust = evolve(trust, signers=trust.signers | {plan.signing.public})

    async def work() -> int:
        chain = await open_chain(store, trust)
        limits = CompactPlan(plan, timedelta(seconds=span) if span else None)
        made = await compact(chain.store, limits, time.time_ns(), chain)
        if json:
            print_json({"schema": "secondsite/archive-compaction/1", **asdict(made)})
        elif made.number:
            print(
                f"base {made.number} in {chain.store.shown}: {counted(made.merged_from, 'segments')} became "
                f"{made.merged_into}, {counted(made.deleted, 'objects')} deleted"
            )
        else:
            print(f"nothing new since the last base; {counted(made.deleted, 'objects')} deleted")
        return EXIT_HOLDS

    return asyncio.run(work())
