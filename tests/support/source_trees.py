"""The sources as trees, parsed once a process: what tests of the structure walk over."""

from __future__ import annotations

import ast
import gc
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "src" / "secondsite"


@cache
def trees(source: Path) -> Mapping[Path, ast.Module]:
    with uncollected():
        return {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(source.rglob("*.py"))}


@cache
def nodes(source: Path) -> tuple[tuple[Path, ast.AST], ...]:
    with uncollected():
        return tuple((path, node) for path, tree in trees(source).items() for node in ast.walk(tree))


def nodes_of(source: Path, rooms: Collection[str]) -> Iterator[tuple[Path, ast.AST]]:
    """Those of some packages, or modules, below the source."""
    for path, tree in trees(source).items():
        if path.relative_to(source).parts[0] in rooms:
            yield from ((path, node) for node in ast.walk(tree))


@contextmanager
def uncollected() -> Iterator[None]:
    """Half a million nodes that stay: looking for garbage among them takes longer than to make them."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
