"""A module is read at one go, a function at one look."""

from __future__ import annotations

import ast
from pathlib import Path

from source_trees import SOURCE, nodes, trees

MODULE_LINES, FUNCTION_LINES = 400, 70


def too_long(source: Path) -> list[str]:
    modules = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in trees(source)}
    functions = [
        f"{path.name}: {node.name} has {(node.end_lineno or 0) - node.lineno + 1} lines"
        for path, node in nodes(source)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and (node.end_lineno or 0) - node.lineno + 1 > FUNCTION_LINES
    ]
    return [f"{path.name} has {lines} lines" for path, lines in modules.items() if lines > MODULE_LINES] + functions


def test_modules_and_functions_are_short() -> None:
    assert too_long(SOURCE) == []


def test_a_long_one_is_seen(tmp_path: Path) -> None:
    (tmp_path / "long.py").write_text("def work():\n" + "    pass\n" * 70 + "\n" * 330, encoding="utf-8")
    assert too_long(tmp_path) == ["long.py has 401 lines", "long.py: work has 71 lines"]
