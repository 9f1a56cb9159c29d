"""The disaster-recovery section inside somebody's runbook: put between two marker lines, and nowhere else.

Works on bytes: whatever encoding, line ending or nonsense stands outside the markers, not a byte of it changes, and
putting the same section in again changes nothing at all.
"""

from __future__ import annotations

from attrs import frozen

from secondsite.model.errors import InputError
from secondsite.model.place import Place

BEGIN = b"<!-- secondsite:disaster-recovery begin; written by `secondsite publish` -->"
END = b"<!-- secondsite:disaster-recovery end -->"
_REMEDY = f"keep one pair: {BEGIN.decode()} and {END.decode()}, each on a line of its own"


@frozen
class Around:
    """A runbook cut at its markers; ``before`` and ``after`` hold the marker lines."""

    before: bytes
    inside: bytes
    after: bytes
    newline: bytes


def cut(runbook: bytes, file: str) -> Around | None:
    """None where there is no marker at all. Raises InputError where they are not one pair in order."""
    begins, ends = _lines_with(runbook, BEGIN), _lines_with(runbook, END)
    if not begins and not ends:
        return None
    if len(begins) != 1 or len(ends) != 1 or begins[0][1] > ends[0][0]:
        at = (begins or ends)[-1][0]
        what = f"has {len(begins)} begin and {len(ends)} end markers, or the end before the beginning"
        raise InputError.at(Place(file, runbook.count(b"\n", 0, at) + 1), what, _REMEDY)
    start, stop = begins[0][1], ends[0][0]
    newline = b"\r\n" if runbook[:start].endswith(b"\r\n") else b"\n"
    return Around(runbook[:start], runbook[start:stop], runbook[stop:], newline)


def put(runbook: bytes, section: str, file: str) -> bytes:
    """The runbook with the section in it: between its markers, or at its end where it has none yet."""
    bounds = cut(runbook, file)
    if bounds is None:
        gap = b"" if not runbook else b"\n" if runbook.endswith(b"\n") else b"\n\n"
        bounds = Around(runbook + gap + BEGIN + b"\n", b"", END + b"\n", b"\n")
    text = section.strip("\n").replace("\n", bounds.newline.decode())
    return bounds.before + text.encode() + bounds.newline + bounds.after


def inside(runbook: bytes, file: str) -> str:
    """What stands between the markers, with plain line ends; empty where there are none."""
    section = cut(runbook, file)
    return "" if section is None else section.inside.decode(errors="replace").replace("\r\n", "\n")


def _lines_with(runbook: bytes, marker: bytes) -> list[tuple[int, int]]:
    """Start and end (its newline included) of every line that is the marker and nothing else."""
    lines = []
    position = 0
    for line in _lines(runbook):
        if line.rstrip(b"\r\n") == marker:
            lines.append((position, position + len(line)))
        position += len(line)
    return lines


def _lines(runbook: bytes) -> list[bytes]:
    """Cut at newlines only: a lone carriage return is somebody's byte."""
    parts = runbook.split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + parts[-1:]
