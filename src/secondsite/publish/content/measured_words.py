"""The figures of a measurement in words: bounds as bounds, and what was not rehearsed with what was."""

from __future__ import annotations

from collections.abc import Callable

from secondsite.model.contract import Subject
from secondsite.model.measurement import Measurement
from secondsite.model.wording import counted

Duration = Callable[[float], str]


def rto_words(one: Measurement, duration: Duration, *, whole: bool = True) -> str:
    """``RTO 62 s (at most 179 s, 70 s of it for change-traffic, not rehearsed), projected``.

    Not ``whole``: in a cell whose mark tells for what it is.
    """
    if not one.rto_s:
        return "RTO unbounded"
    longest = duration(one.rto_s["total"])
    words = f"RTO {longest}"
    what = f" for {', '.join(one.unrehearsed)}," if whole else ""
    left_out = f"{duration(one.unrehearsed_s)} of it{what} not rehearsed"
    if one.upper_rto_s is not None and not whole and not one.unrehearsed and duration(one.upper_rto_s) == longest:
        pass  # the longest run is the bound
    elif one.upper_rto_s is not None:
        words += f" (at most {duration(one.upper_rto_s)}{f', {left_out}' if one.unrehearsed else ''})"
    elif one.unrehearsed:
        words += f" (and {duration(one.unrehearsed_s)} for {', '.join(one.unrehearsed)}, not rehearsed)"
    return words + (", projected" if one.projected else "")


def rpo_words(one: Measurement, duration: Duration, *, whole: bool = True) -> str:
    """``RPO at least 8.7 s, 1,528 messages, 402,113 bytes``, of a store in commits; empty where nothing is known.

    Not ``whole``: without bytes where the loss in production is longer, and so more.
    """
    if one.loss is None:
        return ""
    bound = "at least " if one.loss.at_least else ""
    what = "commits" if one.subject is Subject.STATE else "messages"
    longer = f" (projected: {duration(one.production_loss_s)})" if one.production_loss_s else ""
    size = f", {one.loss.bytes:,} bytes" if one.loss.messages and (whole or not longer) else ""
    return f"RPO {bound}{duration(one.loss.seconds)}{longer}, {counted(one.loss.messages, what)}{size}"
