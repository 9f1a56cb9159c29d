"""One name for each thing, and a term of the field: no public class name stands in two modules, no odd word in any."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from source_trees import SOURCE, nodes, trees

WORDS = {"found", "told", "seen", "said", "tell", "nobody", "gravity", "unbroken"}
OF_CLASSES = {"hand", "held", "look", "spread", "whole", "kept"}
"""They are verbs and adjectives that a function may have; a class is named by a noun."""
ALLOWED = {
    *("_NOT_FOUND", "STREAM_NOT_FOUND"),  # the protocol's own word
    *(
        "ByHand",
        "ChangedByHand",
        "HeldElsewhereError",
        "SpreadRule",
    ),  # by hand; a lease is held; a topology spread constraint
    "Kept",  # the attribute of a secret: how it is kept
}


def public_classes(source: Path) -> dict[str, list[str]]:
    """Modules by the name of each public class at their top level."""
    found: dict[str, list[str]] = defaultdict(list)
    for path, tree in trees(source).items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[node.name].append(str(path.relative_to(source)))
    return found


def test_no_public_class_name_stands_in_two_modules() -> None:
    classes = public_classes(SOURCE)
    assert len(classes) > 300
    assert {name: where for name, where in classes.items() if len(where) > 1} == {}


def test_a_name_in_two_modules_is_found(tmp_path: Path) -> None:
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text("class Link: ...\n\nclass _Own: ...\n", encoding="utf-8")
    assert {name: len(where) for name, where in public_classes(tmp_path).items()} == {"Link": 2}


def names(source: Path) -> Iterator[tuple[str, str]]:
    """Kind and name of every module, class, function, parameter, attribute and variable."""
    yield from (("module", path.stem) for path in trees(source))
    for _, node in nodes(source):
        if isinstance(node, ast.ClassDef):
            yield "class", node.name
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield "name", node.name
        elif isinstance(node, ast.arg):
            yield "name", node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield "name", node.id


def odd_names(source: Path) -> set[str]:
    return {
        name for kind, name in set(names(source)) if _words(name) & (WORDS | (OF_CLASSES if kind == "class" else set()))
    }


def _words(name: str) -> set[str]:
    return {part.lower() for part in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


def test_names_are_terms_of_the_field() -> None:
    assert odd_names(SOURCE) == ALLOWED  # an entry that is no longer needed goes, and none comes


def test_an_odd_name_is_seen(tmp_path: Path) -> None:
    (tmp_path / "seen_files.py").write_text(
        "class HeldStream: ...\n\ndef told(tell_it):\n    (found_here := 1)\n    look = 2\n", encoding="utf-8"
    )
    assert odd_names(tmp_path) == {"seen_files", "HeldStream", "told", "tell_it", "found_here"}
