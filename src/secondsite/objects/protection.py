"""Whether a store would let somebody take back what was written: what it says of an object that it holds.

Only S3 says so with the object itself. Three answers: yes, no, and unknown for a store that does not say, or not to us.
"""

from __future__ import annotations

import urllib.error
import urllib.request

from attrs import frozen

_ANSWER_S = 10.0


@frozen
class Protection:
    """``versions``: what is overwritten or deleted stays as a version; None where nobody says. ``locked_until`` and
    ``mode`` are of Object Lock: empty where the object is not locked, or where the identity may not see it.
    """

    versions: bool | None = None
    locked_until: str = ""
    mode: str = ""

    @property
    def text(self) -> str:
        if self.locked_until:
            return f"locked until {self.locked_until} ({self.mode.lower() or 'of an unknown mode'})"
        if self.versions:
            return "versioned, but not known to be locked: whoever may delete versions can remove it"
        if self.versions is None:
            return "protection unknown: this store does not report it"
        return "not protected: whoever may write or delete there can remove it; see docs/backup.md#who-wrote-it"


UNKNOWN = Protection()


def protection_at(signed_url: str, version: str | None) -> Protection:
    """What the answer to a request for the object's first byte says beside it."""
    request = urllib.request.Request(signed_url, headers={"Range": "bytes=0-0"})  # noqa: S310 # the store's own
    try:
        with urllib.request.urlopen(request, timeout=_ANSWER_S) as answer:  # noqa: S310
            headers = answer.headers
    except (urllib.error.URLError, OSError, ValueError):
        return Protection(versions=None if version is None else True)
    named = version or headers.get("x-amz-version-id")
    until, mode = headers.get("x-amz-object-lock-retain-until-date", ""), headers.get("x-amz-object-lock-mode", "")
    return Protection(bool(named and named != "null"), until, mode)
