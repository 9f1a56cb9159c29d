"""Names come from manifests, servers and stores, and whoever writes those writes to our reader's terminal.

What would move a cursor, hide text or turn its direction is shown as the escape that JSON has for it: text stays
readable and JSON stays JSON.
"""

from __future__ import annotations

import re

_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)


def printable(text: str) -> str:
    """Line ends and tabs stay; every other character that a terminal obeys or hides is escaped."""
    return _UNPRINTABLE.sub(lambda match: escaped(match[0]), text)


def escaped(text: str) -> str:
    r"""Each character as ``\uXXXX``, beyond the basic plane as two of them."""
    units = text.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
