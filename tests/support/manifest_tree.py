"""Small trees of manifests for the tests of discovery."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

from secondsite.discover.manifests import Discovery, discover


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text).lstrip("\n"))
    return root


def discovered(root: Path, files: dict[str, str]) -> Discovery:
    return discover([write(root, files)], base=root)


def line_at(root: Path, place: str) -> str:
    """The line of the file that a place such as ``a.yaml:3:5`` names."""
    file, line = place.split(":")[:2]
    return (root / file).read_text().splitlines()[int(line) - 1].strip()
