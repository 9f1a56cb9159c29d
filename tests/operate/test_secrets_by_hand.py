"""The printed comparison of secrets, typed: equal only where both are there and alike, and no key where others read it.

`kubectl` is a stand-in that prints files; a real API server answers the same lines in `test_page_by_hand.py`.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from attrs import evolve
from needed import missing
from odd_world import AWAY, HOME

from secondsite.model.fault import Fault
from secondsite.model.procedure import Verb
from secondsite.model.secret import Secret
from secondsite.model.strategy import Strategy
from secondsite.operate.action import ManualContext
from secondsite.operate.verbs import commands
from secondsite.publish.runbook.by_hand import checks
from secondsite.strategies.compose import failback, lay_out, procedures
from secondsite.strategies.design import Kit

KEY = "00112233445566778899aabbccddeeff"
_KUBECTL = """#!/bin/sh
# kubectl --context REGION --request-timeout=10s -n NAMESPACE get secret NAME -o json
cat "$KEPT/$2.$8" 2>/dev/null || { echo NotFound >&2; exit 1; }
"""
_OPENSSL = """#!/bin/sh
echo "$*" >> "$ARGUMENTS"
exec {real} "$@"
"""
Typed = Callable[..., bool]


class Hand:
    """One person's shell in a folder of their own."""

    def __init__(self, folder: Path, kit: Kit) -> None:
        _ = shutil.which("jq") or missing("jq is not installed: apt-get install jq")
        self.folder, self.kept = folder, folder / "kept"
        self.kept.mkdir()
        for name, text in (("kubectl", _KUBECTL), ("openssl", _OPENSSL.format(real=shutil.which("openssl")))):
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)
        secrets = (Secret("app", "default", keys=("user", "password")), Secret("whole", "default"))
        system = evolve(kit.system, secrets=secrets)
        self.kit = evolve(kit, system=system)
        self.deployment = lay_out(Strategy.parse("warm-standby/leafnode-mirror"), self.kit)

    def put(self, region: str, name: str, values: Mapping[str, str]) -> None:
        data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
        (self.kept / f"{region}.{name}").write_text(json.dumps({"data": data}))

    def compare(self, *, back: bool = False) -> bool:
        """Whether every line of the step, and of its check, ends with 0."""
        ready = evolve(self.kit, system=self.deployment.system)
        over = procedures(self.deployment, ready)[Fault.REGION]
        procedure = failback(self.deployment, ready) if back else over
        (step,) = [each for each in procedure.steps if each.verb is Verb.VERIFY_SECRETS]
        context = ManualContext(self.deployment, procedure, HOME if back else AWAY, None if back else Fault.REGION)
        return self.type([*commands(context, step), *checks(context, step)])

    def type(self, lines: list[str]) -> bool:
        env = {**os.environ, "PATH": f"{self.folder}:{os.environ['PATH']}", "KEPT": str(self.kept)}
        env |= {"FINGERPRINT_KEY": KEY, "ARGUMENTS": str(self.folder / "arguments")}
        script = "\n".join(["set -e", *lines])
        done = subprocess.run(
            ["bash"], input=script, cwd=self.folder, env=env, capture_output=True, text=True, check=False
        )
        return done.returncode == 0


@pytest.fixture
def hand(tmp_path: Path, kit: Kit) -> Hand:
    made = Hand(tmp_path, kit)
    for region in (HOME, AWAY):
        made.put(region, "app", {"user": "app", "password": "of today", "region": region})
        made.put(region, "whole", {"token": "t"})
    return made


def test_what_counts_is_compared_and_what_differs_is_seen(hand: Hand) -> None:
    assert hand.compare()  # `region` is no key that counts
    hand.put(AWAY, "app", {"user": "app", "password": "of yesterday"})
    assert not hand.compare()


def test_a_secret_that_both_lack_is_not_the_same_in_both(hand: Hand) -> None:
    for region in (HOME, AWAY):
        (hand.kept / f"{region}.whole").unlink()
    assert not hand.compare()


def test_a_key_that_both_lack_is_not_the_same_in_both(hand: Hand) -> None:
    for region in (HOME, AWAY):
        hand.put(region, "app", {"user": "app"})
    assert not hand.compare()


def test_a_lost_region_is_compared_by_what_was_kept_of_it_and_by_nothing_else(hand: Hand) -> None:
    lost = {path: path.read_text() for path in hand.kept.glob(f"{HOME}.*")}
    for path in lost:
        path.unlink()
    assert not hand.compare()
    for path, text in lost.items():
        path.write_text(text)
    assert hand.compare()
    for path in lost:
        path.unlink()
    assert hand.compare()
    (hand.kept / f"{AWAY}.whole").unlink()  # its digest of before is no digest of now
    assert not hand.compare()


def test_on_the_way_back_a_region_is_not_compared_with_itself(hand: Hand) -> None:
    assert hand.compare(back=True)
    hand.put(HOME, "whole", {"token": "of before the loss"})
    assert not hand.compare(back=True)


def test_the_key_is_on_no_command_line_and_no_value_in_a_file(hand: Hand) -> None:
    assert hand.compare()
    arguments = (hand.folder / "arguments").read_text()
    assert arguments.splitlines() == ["dgst -sha256 -r"] * 4
    kept = [path for path in (hand.folder / "digests").rglob("*") if path.is_file()]
    assert len(kept) == 4
    values = [KEY, "of today", base64.b64encode(b"of today").decode()]
    assert not [path for path in kept if any(value in path.read_text() for value in values)]
