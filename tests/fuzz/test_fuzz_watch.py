"""What a watch is answered by observers and sent by whoever approves, broken or forged: heard or told, and no more."""

from __future__ import annotations

import json
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from mutations import changed_bytes, changed_text, changed_value, seeds, survives

from secondsite.backup.signing import read_signing_key
from secondsite.watch.approvals import Approval, read_approvers, signed, verified
from secondsite.watch.judging import WatchRules, WatchState, judged, listened
from secondsite.watch.signals import ObserverRound, Sight, Signal, SignalAnswer, observation_bytes, read_observation

RULES = WatchRules({"a": "r", "b": "", "c": ""}, ("r", "s"))
NESTED = b"[" * 100_000
LONGEST_WHY = 200


def test_rounds_of_observers() -> None:
    """What is read as a round can be judged, and carries no text without an end into a page or a log."""
    sights = {Signal.NATS: Sight(SignalAnswer.NO, "silent" * 1000), Signal.API: Sight(SignalAnswer.YES)}
    plain = json.loads(observation_bytes(ObserverRound("a", "run", 1, {"r": sights, "s": sights})))
    for chance in seeds():
        text = json.dumps(changed_value(plain, chance)).encode()
        content = changed_bytes(text, chance) if chance.random() < 0.4 else text
        heard = survives(lambda content=content: read_observation(content))  # type: ignore[misc]
        if heard is None:
            continue
        assert all(len(one.why) <= LONGEST_WHY for seen in heard.regions.values() for one in seen.values())
        state = listened(WatchState(), RULES, heard, 1.0)
        assert set(judged(state, RULES, 2.0).regions) == {"r", "s"}
    assert read_observation(NESTED) is None


def _secret(path: Path) -> bytes:
    """Its public key, as a line of approvers."""
    key = Ed25519PrivateKey.generate()
    plain = serialization.NoEncryption()
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, plain))
    path.chmod(0o600)
    return key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)


def test_approvals(tmp_path: Path) -> None:
    """Whatever is changed: what was signed, or nothing."""
    line = _secret(tmp_path / "kim")
    (tmp_path / "approvers").write_bytes(line + b" kim\n")
    approvers, given = read_approvers(tmp_path / "approvers"), Approval("q", "plan", ("unfenced",), "kim")
    sent = signed(given, read_signing_key(tmp_path / "kim"))
    assert verified(sent, approvers) == given
    for chance in seeds():
        forged = json.loads(sent)
        forged["statement"] = json.dumps(changed_value(json.loads(forged["statement"]), chance))
        text = json.dumps(forged if chance.random() < 0.5 else changed_value(json.loads(sent), chance)).encode()
        content = changed_bytes(text if chance.random() < 0.5 else sent, chance) if chance.random() < 0.6 else text
        assert survives(lambda content=content: verified(content, approvers)) in (None, given)  # type: ignore[misc]
    assert survives(lambda: verified(NESTED, approvers)) is None


def test_files_of_approvers(tmp_path: Path) -> None:
    """No key appears that was not there."""
    line = _secret(tmp_path / "kim").decode()
    path = tmp_path / "approvers"
    path.write_text(f"# who may\n{line} kim\n")
    known = set(read_approvers(path))
    for chance in seeds():
        path.write_bytes(changed_text(path_text(line), chance).encode("utf-8", "replace"))
        read = survives(lambda: read_approvers(path))
        assert read is None or set(read) <= known


def path_text(line: str) -> str:
    return f"# who may\n{line} kim\n\n"
