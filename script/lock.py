"""Resolves every dependency, extras and the dev group included, and pins them in requirements/dev.txt.

Run it from .venv (`make lock`); a current pip is used from a folder of its own, as older ones know no groups.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADER = "# Every package that development and tests use, resolved by `make lock`. Edit pyproject.toml instead.\n"


def main() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"].get("optional-dependencies", {})
    wanted = [
        *project["project"]["dependencies"],
        *project["dependency-groups"]["dev"],
        *(one for extra in extras.values() for one in extra),
    ]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet"]
        subprocess.run([*command, "--report", str(report), *wanted, *project["build-system"]["requires"]], check=True)
        found = json.loads(report.read_text(encoding="utf-8"))["install"]
    pins = sorted((item["metadata"]["name"].lower(), item["metadata"]["version"]) for item in found)
    (ROOT / "requirements" / "dev.txt").write_text(
        HEADER + "".join(f"{name}=={version}\n" for name, version in pins), encoding="utf-8"
    )
    print(f"{len(pins)} packages pinned in requirements/dev.txt")


if __name__ == "__main__":
    main()
