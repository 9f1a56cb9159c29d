"""Marks as end-of-line comments, and back.

A value without such a comment was written by a person; any other comment is a person's and is left alone.
"""

from __future__ import annotations

import re

from secondsite.model.mark import Knowledge, Mark
from secondsite.model.place import Place

_READ = re.compile(r"read (?P<place>\S.*?)(?:; (?P<why>.+))?")
_ASSUMED = re.compile(r"assumed: (?P<why>.*?)(?: \[(?P<place>[^\[\]]+)\])?")
_YOURS = re.compile(r"yours; (?P<why>.+)")
_PLACE = re.compile(r"(?P<file>.+?)(?::(?P<line>\d+))?(?::(?P<column>\d+))?")


def comment_of(mark: Mark | None) -> str:
    """What stands behind the ``#``; empty where a person wrote the value and nothing is to be said about it."""
    if mark is None:
        return ""
    why = " ".join(mark.why.split())
    if mark.origin is Knowledge.READ:
        return f"read {mark.place or 'unknown'}" + (f"; {why}" if why else "")
    if mark.origin is Knowledge.ASSUMED:
        return f"assumed: {why}" + (f" [{mark.place}]" if mark.place else "")
    return f"yours; {why}" if why else ""


def mark_of(comment: str, here: Place) -> Mark | None:
    """The mark that a comment is; None for a person's own words. ``here`` is where the value stands."""
    comment = comment.strip()
    if match := _READ.fullmatch(comment):
        return Mark(Knowledge.READ, _place(match["place"]), match["why"] or "")
    if match := _ASSUMED.fullmatch(comment):
        return Mark(Knowledge.ASSUMED, _place(match["place"]) if match["place"] else None, match["why"])
    if match := _YOURS.fullmatch(comment):
        return Mark(Knowledge.WRITTEN, here, match["why"])
    return None


def _place(text: str) -> Place | None:
    if text == "unknown":
        return None
    match = _PLACE.fullmatch(text)
    if "://" in text or not match:  # the number behind a URL's colon is a port
        return Place(text)
    return Place(match["file"], int(match["line"] or 0), int(match["column"] or 0))
