"""Times as servers write them."""

from __future__ import annotations

import re
from datetime import datetime

_RFC_3339 = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)")


def instant(text: str) -> datetime:
    """RFC 3339 with nanoseconds, of which `datetime` takes six digits; raises ValueError."""
    match = _RFC_3339.fullmatch(text)
    if not match:
        raise ValueError(text)
    return datetime.fromisoformat(f"{match[1]}.{(match[2] or '')[:6]:0<6}{match[3].replace('Z', '+00:00')}")
