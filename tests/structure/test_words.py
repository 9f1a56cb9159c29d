"""Names are the field's own terms: words that say how a value came, or nothing, name no module, class or variable."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "src" / "secondsite"
WORDS = {"found", "told", "seen", "said", "tell", "nobody", "gravity", "unbroken"}
OF_CLASSES = {"hand", "held", "look", "spread", "whole", "kept"}
"""They are verbs and adjectives that a function may have; a class is named by a noun."""
ALLOWED = {
    *("_NOT_FOUND", "STREAM_NOT_FOUND"),  # the protocol's own word
    *("ByHand", "HeldElsewhereError", "SpreadRule"),  # by hand; a lease is held; a topology spread constraint
    "Kept",  # the attribute of a secret: how it is kept
}


def names(source: Path) -> Iterator[tuple[str, str]]:
    """Kind and name of every module, class, function, parameter, attribute and variable."""
    for path in sorted(source.rglob("*.py")):
        yield "module", path.stem
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                yield "class", node.name
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield "name", node.name
            elif isinstance(node, ast.arg):
                yield "name", node.arg
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield "name", node.id


def odd_names(source: Path) -> set[str]:
    return {name for kind, name in names(source) if _words(name) & (WORDS | (OF_CLASSES if kind == "class" else set()))}


def _words(name: str) -> set[str]:
    return {part.lower() for part in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


def test_names_are_terms_of_the_field() -> None:
    assert odd_names(SOURCE) == ALLOWED  # an entry that is no longer needed goes, and none comes


def test_an_odd_name_is_seen(tmp_path: Path) -> None:
    (tmp_path / "seen_files.py").write_text(
        "class HeldStream: ...\n\ndef told(tell_it):\n    (found_here := 1)\n    look = 2\n", encoding="utf-8"
    )
    assert odd_names(tmp_path) == {"seen_files", "HeldStream", "told", "tell_it", "found_here"}
