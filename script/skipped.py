"""The test files in which something skipped, from pytest's JUnit file: what has to run again where nothing skips."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from pathlib import Path


def skipped(report: Path) -> list[str]:
    cases = ET.parse(report).getroot().iter("testcase")  # noqa: S314 # pytest wrote it a moment ago
    names = {case.get("classname") or case.get("name") or "" for case in cases if case.find("skipped") is not None}
    return sorted({str(_file(name)) for name in names})


def _file(name: str) -> Path:
    """Of a module's dotted name, with or without a class behind it."""
    parts = name.split(".")
    files = (Path(*parts[:end]).with_suffix(".py") for end in range(len(parts), 0, -1))
    return next((file for file in files if file.is_file()), Path(name))


if __name__ == "__main__":
    print(*skipped(Path(sys.argv[1])))
