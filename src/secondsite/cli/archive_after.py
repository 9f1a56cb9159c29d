"""``secondsite archive after``: what a restore to before a wrong write leaves out, and what of it is good."""

from __future__ import annotations

import asyncio
import base64
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from secondsite.cli.archives import open_chain
from secondsite.cli.stores import ANY_SIGNER, Endpoint, Flag, TrustOptions, open_store, option, print_json, read_keys
from secondsite.model.errors import EXIT_HOLDS, InputError
from secondsite.model.wording import counted

if TYPE_CHECKING:
    from secondsite.archive.after import Dependence, Judged, WrongWrites


def after_(
    last_good: str,
    *,
    from_: Annotated[str, Parameter(name="--from")],
    endpoint: Endpoint = None,
    wrong_subject: Annotated[tuple[str, ...], option("Pattern of the subjects of bad messages.", negative="")] = (),
    wrong_id: Annotated[tuple[str, ...], option("Pattern of the message IDs of bad messages.", negative="")] = (),
    identity: Annotated[tuple[Path, ...], Parameter(negative="")] = (),
    signed: Annotated[TrustOptions, Parameter(name="*")] = ANY_SIGNER,
    payload: Annotated[bool, option("With --json, print each payload too, in base64.", negative="")] = False,
    json: Flag = False,
) -> int:
    """List the good messages after a moment of an archive that do not depend on the wrong ones.

    Independent are good messages on a subject that nothing wrong was written to before. Those on a subject that was are
    counted and not listed; with --json every message is printed, a line each. Where no bad messages are named, every
    later one is listed.

    Parameters
    ----------
    last_good
        STREAM=N: the last message before the mistake, as in `secondsite restore --at-sequence`.
    from_
        The store: file:///folder, s3://bucket/prefix, gs://… or az://….
    identity
        File with the age key that decrypts the archive.
    json
        Print JSON.
    """
    from secondsite.archive.after import Dependence, WrongWrites, judged, later

    stream, _, number = last_good.rpartition("=")
    if not stream or not number.isdigit():
        raise InputError.at("STREAM=N", f"{last_good!r} is not STREAM=N", "such as ORDERS=1042")
    store, keys = open_store(from_, endpoint, "--from"), read_keys((), identity)
    wrong, counts = WrongWrites(wrong_subject, wrong_id), Counter[Dependence]()

    async def work() -> None:
        chain = await open_chain(store, signed.trust(keys))
        messages = [each async for each in later(chain, keys, stream, int(number))]
        for each in judged(messages, wrong):
            counts[each.dependence] += 1
            if json:
                print_json(_shape(each, payload=payload))
            elif each.dependence is Dependence.INDEPENDENT:
                print(_line(each), flush=True)

    asyncio.run(work())
    if not json:
        print(f"{counted(counts.total(), 'messages')} after {last_good}{_standings(counts, wrong)}", flush=True)
    return EXIT_HOLDS


def _standings(counts: Counter[Dependence], wrong: WrongWrites) -> str:
    from secondsite.archive.after import Dependence

    if not (wrong.subjects or wrong.ids):
        return ""
    touched = f"{counts[Dependence.TOUCHED]} on subjects that were written wrongly before them"
    return f": {counts[Dependence.WRONG]} wrong, {touched}, {counts[Dependence.INDEPENDENT]} independent of both"


def _line(each: Judged) -> str:
    from secondsite.archive.entries import rfc3339
    from secondsite.model.printable import printable

    message = each.message
    named = f" {printable(message.message_id)}" if message.message_id else ""
    return (
        f"{message.sequence} {rfc3339(message.time_ns)} {printable(message.subject)}{named} {message.size_bytes} bytes"
    )


def _shape(each: Judged, *, payload: bool) -> dict[str, object]:
    from secondsite.archive.entries import rfc3339

    message = each.message
    content: dict[str, object] = {
        "schema": "secondsite/archive-after/1",
        "sequence": message.sequence,
        "time": rfc3339(message.time_ns),
        "subject": message.subject,
        "id": message.message_id,
        "bytes": message.size_bytes,
        "standing": str(each.dependence),
    }
    return {**content, "payload": base64.b64encode(message.payload).decode()} if payload else content
