"""``sources.md``: where every figure of the documents comes from, on one page."""

from __future__ import annotations

from secondsite.publish.content.inputs import Inputs
from secondsite.publish.content.sources import Sources, legend
from secondsite.publish.text.templates import render

NAME = "sources.md"


def document(inputs: Inputs, sources: Sources) -> str:
    """After all others: it lists what they used."""
    return render("sources.md.j2", system=inputs.system, legend=legend(), sources=sources.listing())
