"""The whole set of documents, as texts by their names below the documents' folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from secondsite.publish.documents import architecture, contracts, evaluation, runbook
from secondsite.publish.inputs import Inputs

RUNBOOK = "runbook.md"
_DOCUMENTS: Mapping[str, Callable[[Inputs], str]] = {
    architecture.NAME: architecture.document,
    evaluation.NAME: evaluation.document,
    contracts.NAME: contracts.document,
}


def runbook_section(inputs: Inputs) -> str:
    """What belongs between the markers of the runbook."""
    return runbook.section(inputs)


def files(inputs: Inputs) -> Mapping[str, str]:
    """All but the runbook, which is put into one that may be there already."""
    return {**{name: document(inputs) for name, document in _DOCUMENTS.items()}, **evaluation.charts(inputs)}
