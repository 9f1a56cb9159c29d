"""Quantities as people write them (``5m``, ``10Gi``, ``250m`` of a core) and as the model holds them.

The model holds seconds, bytes and cores as floats or ints; the three NewTypes tell the file reader which
grammar a field has. Kubernetes' and NATS's own spellings are accepted, as both end up in the same file.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import NewType

Seconds = NewType("Seconds", float)
Bytes = NewType("Bytes", int)
Cores = NewType("Cores", float)

# Decimal, so that 1400ms is the float 1.4 and not the one beside it.
_SECONDS = {
    **{"ns": Decimal("1e-9"), "us": Decimal("1e-6"), "ms": Decimal("0.001"), "s": Decimal(1)},
    **{"m": Decimal(60), "h": Decimal(3600), "d": Decimal(86400), "w": Decimal(604800)},
}
_BYTES = {
    "": 1,
    **{unit + tail: 1000**power for power, unit in enumerate("KMGTP", 1) for tail in ("", "B")},
    **{unit + tail: 1024**power for power, unit in enumerate("KMGTP", 1) for tail in ("i", "iB")},
    "k": 1000,
    "B": 1,
}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ns|us|ms|s|m|h|d|w)")
_NUMBER_UNIT = re.compile(r"(\d+(?:\.\d+)?(?:[eE]\d+)?)\s*([A-Za-z]*)")


def parse_seconds(text: str | float) -> Seconds:
    """``90s``, ``1h30m``, ``7d``; a bare number is not taken, its unit would be a guess. In seconds."""
    source = str(text).strip()
    parts = _DURATION.findall(source)
    if not parts or "".join(number + unit for number, unit in parts) != source:
        raise ValueError(f"{text!r} is not a duration; write a number and a unit, such as 90s, 5m or 1h30m")
    return Seconds(_finite(float(sum(Decimal(number) * _SECONDS[unit] for number, unit in parts)), text))


def parse_bytes(text: str | int) -> Bytes:
    """``10Gi``, ``128MB``, ``8GB`` or a bare number of bytes. In bytes."""
    match = _NUMBER_UNIT.fullmatch(str(text).strip())
    if not match or match[2] not in _BYTES:
        raise ValueError(f"{text!r} is not a size; write a number and a unit, such as 512Mi, 10Gi or 8GB")
    return Bytes(round(_finite(float(match[1]) * _BYTES[match[2]], text)))


def parse_cores(text: str | float) -> Cores:
    """``250m`` or ``1.5``. In cores."""
    match = _NUMBER_UNIT.fullmatch(str(text).strip())
    if not match or match[2] not in ("", "m"):
        raise ValueError(f"{text!r} is not a number of cores; write cores or millicores, such as 2 or 250m")
    return Cores(_finite(float(match[1]) / (1000 if match[2] else 1), text))


def _finite(value: float, text: object) -> float:
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is too large; write a smaller number")
    return value


def format_seconds(value: float) -> str:
    """The shortest exact spelling that `parse_seconds` reads back: 90.0 is ``90s``, 300.0 is ``5m``."""
    for unit, size in (("d", 86400.0), ("h", 3600.0), ("m", 60.0), ("s", 1.0)):
        if value >= size and value % size == 0 and (unit in "hms" or value % 604800):
            return f"{int(value // size)}{unit}"
    if value and value >= 1e-3 and (value * 1000).is_integer():
        return f"{int(value * 1000)}ms"
    return f"{_plain(value)}s"


def format_bytes(value: int) -> str:
    """The shortest exact spelling that `parse_bytes` reads back, in binary units where they divide."""
    for unit, size in (("Ti", 1024**4), ("Gi", 1024**3), ("Mi", 1024**2), ("Ki", 1024)):
        if value and value % size == 0:
            return f"{value // size}{unit}"
    return str(value)


def format_cores(value: float) -> str:
    """``100m`` below a core and for fractions, else whole cores."""
    return _plain(value) if float(value).is_integer() else f"{_plain(value * 1000)}m"


def _plain(value: float) -> str:
    """Twelve digits, no exponent: what a person would type."""
    return f"{value:.12f}".rstrip("0").rstrip(".") or "0"
