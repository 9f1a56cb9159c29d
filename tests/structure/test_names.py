"""One name for each thing: no public class name stands in two modules."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "src" / "secondsite"


def public_classes(source: Path) -> dict[str, list[str]]:
    """Modules by the name of each public class at their top level."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(source.rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
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
