"""No module takes from one that takes from it, by whichever way: at import, in a function, or for its types alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from source_trees import SOURCE, trees


def taken(tree: ast.AST, modules: Mapping[str, Path]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in modules else node.module for name in whole)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def circle(source: Path) -> list[str]:
    """The modules of one circle, the first again at the end; none where there is none."""
    parsed = {path: tree for path, tree in trees(source).items() if path.name != "__init__.py"}
    names = {".".join(path.relative_to(source.parent).with_suffix("").parts): path for path in parsed}
    graph = {name: set(taken(parsed[path], names)) & names.keys() for name, path in names.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_module_takes_from_one_that_takes_from_it() -> None:
    assert circle(SOURCE) == []


def test_a_circle_is_seen_through_a_function(tmp_path: Path) -> None:
    package = tmp_path / "p"
    package.mkdir()
    (package / "a.py").write_text("from p import b\n", encoding="utf-8")
    (package / "b.py").write_text("def f():\n    from p.a import x\n", encoding="utf-8")
    assert set(circle(package)) == {"p.a", "p.b"}
