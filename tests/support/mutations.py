"""Texts, bytes and JSON values, changed at random by a seed: what a file looks like that somebody broke, or forged."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from fuzz_limits import BUDGET_S, HANG_S, begins

from secondsite.model.errors import SecondsiteError

ROUNDS = int(os.environ.get("SECONDSITE_FUZZ_ROUNDS", "60"))
"""How many changed inputs each test tries; more by hand, for as long as one likes."""

HOSTILE = (
    *("", "~", "null", "true", "-1", "0", "1e999", "5e-324", "nan", ".inf", "99999999999999999999", "0x7f", "1_0"),
    *("'", '"', "{", "}", "[", "]", "&a", "*a", "<<: *a", "!!python/object/apply:os.system [x]", "? ", "- ", ": ", "|"),
    *("\t", "%", "@", "`", "#", "\x00", "\x1b[31m", "\u202e", "\ufeff", "\x85", "\u2028", "\U0010ffff"),
    *("2026-13-45", "$X", "${X}", "{{ x }}", "a" * 3000, "[" * 400, "{a: " * 400, "../../etc/passwd", "nats://u:p@h"),
)
VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 10**30, 1e308, 5e-324, float("inf"), float("nan"), "", "x" * 3000, "\x00", "\ud800"),
    *([], {}, [[]], {"": None}, [None, 1, "a"], "2026-13-45T00:00:00Z", "9999-12-31T23:59:59+23:59", "-1", "NaN"),
)


def seeds() -> Iterator[random.Random]:
    """As many as are asked for, or as there is time for."""
    end = time.monotonic() + BUDGET_S * max(1.0, ROUNDS / 60)
    for number in range(ROUNDS):
        if time.monotonic() > end:
            return
        begins(number)
        yield random.Random(number)


def changed_text(text: str, chance: random.Random) -> str:
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(text) + 1)
        end = min(len(text), at + chance.choice((0, 1, 5, 40, 400)))
        ways: tuple[Callable[[], str], ...] = (
            lambda at=at, end=end, text=text: text[:at] + chance.choice(HOSTILE) + text[end:],  # type: ignore[misc]
            lambda at=at, end=end, text=text: text[:at] + text[at:end] * 2 + text[end:],  # type: ignore[misc]
            lambda text=text: _with_line(text, chance),  # type: ignore[misc]
            lambda text=text: _with_value(text, chance),  # type: ignore[misc]
            lambda at=at, text=text: text[:at],  # type: ignore[misc]
        )
        text = chance.choices(ways, (4, 2, 3, 6, 1))[0]()
    return text


def _with_line(text: str, chance: random.Random) -> str:
    """A line taken out, doubled, moved or shifted."""
    lines = text.splitlines(keepends=True) or [""]
    at = chance.randrange(len(lines))
    line = lines.pop(at)
    for each in chance.choice(([], [line, line], [" " * chance.randint(1, 4) + line])):
        lines.insert(min(at, len(lines)), each)
    if chance.random() < 0.3:
        lines.insert(chance.randrange(len(lines) + 1), line)
    return "".join(lines)


def _with_value(text: str, chance: random.Random) -> str:
    """What stands behind a colon is another value."""
    lines = text.splitlines(keepends=True) or [""]
    at = chance.randrange(len(lines))
    key, colon, _ = lines[at].partition(": ")
    if colon:
        lines[at] = f"{key}: {chance.choice(HOSTILE)}\n"
    return "".join(lines)


def changed_bytes(content: bytes, chance: random.Random) -> bytes:
    made = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(made) or 1)
        if chance.random() < 0.2:
            del made[at : at + chance.choice((1, 16, 4096))]
        else:
            made[at : at + 1] = chance.randbytes(chance.choice((1, 1, 1, 4, 64)))
    return bytes(made)


def changed_value(value: Any, chance: random.Random) -> Any:
    """The same JSON, but for one value, key or item of it."""
    made = json.loads(json.dumps(value))
    holders = [made] if isinstance(made, (dict, list)) and made else []
    for holder in holders:
        below = holder.values() if isinstance(holder, dict) else holder
        holders += [each for each in below if isinstance(each, (dict, list)) and each]
    if not holders:
        return chance.choice(VALUES)
    holder = chance.choice(holders)
    key = chance.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
    if chance.random() < 0.2:
        del holder[key]
    else:
        holder[key] = chance.choice(VALUES)
    return made


class HangError(BaseException):
    """One input took too long. It is no Exception, so that nothing can take it for one of its own."""


T = TypeVar("T")


def survives(call: Callable[[], T]) -> T | None:
    """What it gives, or None where it was refused with what a user can read: nothing else, and in bounded time."""
    refused = None
    begins("of its own")
    with bounded_time():
        try:
            return call()
        except SecondsiteError as error:
            refused = error
    assert refused.problems
    assert all(problem.what and problem.remedy for problem in refused.problems)
    return None


@contextmanager
def bounded_time() -> Iterator[None]:
    """By the processor's time, so that a busy machine fails nothing. What waits is stopped by pytest's own clock."""

    def hang(*_: object) -> None:
        raise HangError(f"more than {HANG_S:g} s for one input")

    before = signal.signal(signal.SIGPROF, hang)
    signal.setitimer(signal.ITIMER_PROF, HANG_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
