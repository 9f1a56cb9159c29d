"""Whether a value of the system was read, assumed, or written by a person.

Marks lie beside the System, keyed by the path of the value (``services.kgent-api.replicas``), so that the
nouns stay plain values and every figure and hazard can still say where its input came from.
"""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen

from secondsite.model.place import Place


class Knowledge(StrEnum):
    READ = "read"
    ASSUMED = "assumed"
    WRITTEN = "written"


NOT_SET = "not set"
"""Why a value is assumed that its configuration was read for: nobody set it there."""

DEFAULT = f"{NOT_SET}: "
"""What the reason begins with where nobody set it and the server has a default of its own."""


@frozen
class Mark:
    """``place`` is where it was read or written; ``why`` is the reason of an assumption."""

    origin: Knowledge
    place: Place | None = None
    why: str = ""

    def __str__(self) -> str:
        if self.origin is Knowledge.READ:
            return f"read {self.place}"
        if self.origin is Knowledge.ASSUMED:
            return f"assumed: {self.why}"
        return f"written {self.place}"


def key_of(attribute: str) -> str:
    """The key in ``secondsite.yaml`` of a noun's attribute: the unit goes, as the value carries it (``rto: 5m``)."""
    if attribute.endswith("_per_s"):
        return attribute
    for unit in ("_s", "_bytes", "_cores"):
        if attribute.endswith(unit):
            return attribute.removesuffix(unit)
    return attribute
