"""A system file edited from text to text."""

from __future__ import annotations

from secondsite.discover.system_file.document import parse
from secondsite.discover.system_file.editing import revise_document
from secondsite.discover.system_file.reading import system_of
from secondsite.model.system import System


def revise(text: str, file: str, system: System) -> str:
    """``text`` with the values and marks of ``system``. Raises `InputError`."""
    document = parse(text, file)
    return revise_document(document, system_of(document), system)
