"""Resolves every dependency, extras and the dev group included, and pins them by version and hash.

A file in requirements/ for each purpose. The hashes are those of every wheel that Linux or macOS may take, so that the
pins hold on both; of sources only where there is no wheel, since a source runs what it likes while it is built.
`--keep` looks hashes up anew for the versions that are pinned. Run it from .venv (`make lock`).
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import tomllib
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
INDEX = "https://pypi.org/simple/"
JSON = "application/vnd.pypi.simple.v1+json"
HEADERS = {
    "dev": "# Every package that development and tests use, resolved by `make lock`. Edit pyproject.toml instead.\n",
    "ci": "# What `.ci/run` tests against besides, resolved by `make lock`. Edit pyproject.toml instead.\n",
    "audit": "# What looks for published weaknesses (`make weaknesses`), resolved by `make lock`.\n",
}
PYTHONS = ("cp311", "cp312", "cp313", "cp314")
PIN = re.compile(r"^([\w.-]+)==(\S+)", re.MULTILINE)

Pins = Sequence[tuple[str, str]]


def main() -> None:
    for name, wanted in _wanted().items():
        path = ROOT / "requirements" / f"{name}.txt"
        pins = PIN.findall(path.read_text("utf-8")) if "--keep" in sys.argv[1:] and path.exists() else _resolved(wanted)
        with ThreadPoolExecutor(4) as pool:
            lines = list(pool.map(lambda pin: _line(*pin), sorted(pins)))
        path.write_text(HEADERS[name] + "".join(lines), encoding="utf-8")
        print(f"{len(pins)} packages pinned in {path.relative_to(ROOT)}")


def _wanted() -> Mapping[str, Iterable[str]]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"].get("optional-dependencies", {})
    groups, build = project["dependency-groups"], project["build-system"]["requires"]
    packages = [*project["project"]["dependencies"], *(one for extra in extras.values() for one in extra)]
    return {"dev": [*packages, *groups["dev"], *build], "audit": groups["audit"], "ci": groups["ci"]}


def _resolved(wanted: Iterable[str]) -> Pins:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet"]
        subprocess.run([*command, "--report", str(report), *wanted], check=True)
        found = json.loads(report.read_text(encoding="utf-8"))["install"]
    return sorted((item["metadata"]["name"].lower(), item["metadata"]["version"]) for item in found)


def _line(name: str, version: str) -> str:
    """The pin, and under it the hash of each file that may be installed for it."""
    files = {file["filename"]: file["hashes"]["sha256"] for file in _files(name) if "sha256" in file["hashes"]}
    wheels = [file for file in files if file.endswith(".whl") and _is_wheel_of(file, name, version)]
    sources = [file for file in files if _is_source_of(file, name, version)]
    hashes = sorted(files[file] for file in (wheels or sources))
    if not hashes:
        sys.exit(f"{name} {version}: the index has no file with a hash that fits")
    return f"{name}=={version}" + "".join(f" \\\n    --hash=sha256:{digest}" for digest in hashes) + "\n"


def _files(name: str) -> Sequence[Mapping[str, Any]]:
    request = urllib.request.Request(f"{INDEX}{_normal(name)}/", headers={"Accept": JSON})
    with urllib.request.urlopen(request, timeout=60) as reply:
        found: Sequence[Mapping[str, Any]] = json.load(reply)["files"]
    return found


def _is_wheel_of(file: str, name: str, version: str) -> bool:
    """NAME-VERSION(-BUILD)-PYTHON-ABI-PLATFORM.whl, names written in more ways than one."""
    found, its_version, *_, python, abi, platform = file.removesuffix(".whl").split("-")
    pythons = python.split(".")
    fits = any(tag in ("py3", *PYTHONS) for tag in pythons) or (abi == "abi3" and pythons[0].startswith("cp3"))
    place = platform == "any" or "linux" in platform or "macosx" in platform
    return _normal(found) == _normal(name) and its_version == version and fits and place


def _is_source_of(file: str, name: str, version: str) -> bool:
    found, _, its_version = file.removesuffix(".tar.gz").rpartition("-")
    return file.endswith(".tar.gz") and _normal(found) == _normal(name) and its_version == version


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    main()
