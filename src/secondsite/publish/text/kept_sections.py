"""A team's own words in generated documents: sections between markers with a name survive every regeneration.

Nothing that stands in such a section is ever lost: where a document no longer has a section of that name, its words
move to the end of the document, under the same name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from secondsite.model.errors import InputError
from secondsite.model.place import Place
from secondsite.publish.text.markdown import Md

_NAME = r"[a-z0-9][a-z0-9-]{0,60}"
_BEGIN = re.compile(rf"<!-- team:({_NAME}) -->")
_REMEDY = "restore the line from version control, or put it back by hand"
_LEFT_OVER = "## Words without a section"


def section(name: str, words: str = "") -> Md:
    """An empty section, or one with words in it."""
    return Md(f"{_begin(name)}\n{words}{_end(name)}")


def words(document: str, file: str) -> Mapping[str, str]:
    """What stands in each section, newlines included. Raises InputError where a marker has lost its partner."""
    sections: dict[str, str] = {}
    lines = document.splitlines(keepends=True)
    number = 0
    while number < len(lines):
        begun = _BEGIN.fullmatch(lines[number].strip())
        if begun is None:
            number += 1
            continue
        name = begun[1]
        end = next((n for n in range(number + 1, len(lines)) if lines[n].strip() == _end(name)), None)
        if end is None:
            raise InputError.at(Place(file, number + 1), f"the section {name!r} has no end, {_end(name)}", _REMEDY)
        if name in sections:
            raise InputError.at(Place(file, number + 1), f"the section {name!r} stands twice", "make them one")
        sections[name] = "".join(lines[number + 1 : end])
        number = end + 1
    return sections


def with_words(document: str, kept: Mapping[str, str]) -> str:
    """The document with the words put into its sections."""
    open_words = {name: text for name, text in kept.items() if text.strip()}
    for name, text in open_words.items():
        empty = f"{_begin(name)}\n{_end(name)}"
        if empty in document:
            document = document.replace(empty, section(name, _closed(text)), 1)
        else:
            heading = "" if _LEFT_OVER in document else f"\n{_LEFT_OVER}\n"
            document += f"{heading}\n{section(name, _closed(text))}\n"
    return document


def _closed(text: str) -> str:
    return text if text.endswith("\n") else f"{text}\n"


def _begin(name: str) -> str:
    return f"<!-- team:{name} -->"


def _end(name: str) -> str:
    return f"<!-- /team:{name} -->"
