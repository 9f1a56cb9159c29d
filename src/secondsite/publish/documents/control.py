"""The end of every document: who owns it, which version it is, who approved it and when it is looked at again.

Pure: the version is a digest of the text, and the next review is counted from the day that ages are counted to.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta

from secondsite.publish.content.board import board
from secondsite.publish.content.inputs import Inputs
from secondsite.publish.documents.contracts import NO_OWNER
from secondsite.publish.text.markdown import Md, joined, text
from secondsite.publish.text.templates import render

REVIEW_DAYS = 91
"""A quarter; sooner where evidence is too old before that."""


def controlled(inputs: Inputs, document: str) -> str:
    """The document with its control table; words of the team are no part of its version."""
    return f"{document}\n{control(inputs, document)}"


def control(inputs: Inputs, document: str) -> str:
    digest = hashlib.sha256(document.encode()).hexdigest()[:8]
    return render(
        "control.md.j2",
        owner=_owner(inputs),
        version=f"{inputs.as_of.isoformat()}, {digest}",
        review=_review(inputs),
    )


def _owner(inputs: Inputs) -> Md:
    owners = dict.fromkeys(one.contract.owner for one in board(inputs) if one.contract.owner)
    return joined(map(text, owners)) if owners else NO_OWNER


def _review(inputs: Inputs) -> str:
    last = inputs.as_of + timedelta(days=REVIEW_DAYS)
    ends = [one.until for one in board(inputs) if one.until is not None and not one.stale]
    return min([last, *ends]).isoformat()
