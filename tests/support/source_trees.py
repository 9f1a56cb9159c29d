"""The sources as trees, parsed once a process: what tests of the structure walk over."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "src" / "secondsite"


@cache
def trees(source: Path) -> Mapping[Path, ast.Module]:
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(source.rglob("*.py"))}


@cache
def nodes(source: Path) -> tuple[tuple[Path, ast.AST], ...]:
    return tuple((path, node) for path, tree in trees(source).items() for node in ast.walk(tree))
