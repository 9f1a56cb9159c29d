"""Approvals: signed by a listed key, for this question and this plan; by the page's form only with its token."""

from __future__ import annotations

import asyncio
import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from attrs import evolve
from in_loop import in_loop
from observed import API_DEAD
from watched_world import Watched

from secondsite.backup.signing import SigningKey, read_signing_key
from secondsite.cli.__main__ import run
from secondsite.model.errors import InputError
from secondsite.watch.answering import Answering
from secondsite.watch.approvals import Approval, read_approvers, signed, verified
from secondsite.watch.http_server import HttpServer, ListenAt
from secondsite.watch.lease_sight import LeaseSight
from secondsite.watch.listening import Listening
from secondsite.watch.notices import Notices
from secondsite.watch.readiness import Readiness
from secondsite.watch.running import RunningWatch

TOKEN = "the page's own token"
GRAY = dict.fromkeys(("east", "west", "office"), API_DEAD)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of kim, who is listed, and of eve, who is not."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("kim", "eve"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name, "-C", name], check=True)
    (folder / "approvers").write_text(f"# who may\n\n{(folder / 'kim.pub').read_text()}")
    return folder


def key(keys: Path, name: str) -> SigningKey:
    return read_signing_key(keys / name)


def test_an_approval_is_from_whom_the_key_is(keys: Path) -> None:
    sent = signed(Approval("q1", "plan", ("unfenced",), who="the pope"), key(keys, "kim"))
    assert verified(sent, read_approvers(keys / "approvers")) == Approval("q1", "plan", ("unfenced",), "kim")


@pytest.mark.parametrize("change", ["plan", "stranger", "public", "garbage", "schema"])
def test_what_no_approver_signed_is_none(keys: Path, change: str) -> None:
    approvers = read_approvers(keys / "approvers")
    sent = json.loads(signed(Approval("q1", "plan"), key(keys, "eve" if change == "stranger" else "kim")))
    if change == "plan":
        sent["statement"] = sent["statement"].replace('"plan": "plan"', '"plan": "other"')
    if change == "public":
        sent = {**json.loads(signed(Approval("q1", "plan"), key(keys, "eve"))), "public": sent["public"]}
    if change == "schema":
        statement = sent["statement"].replace("approval/1", "approval/2")
        sent = {**sent, "statement": statement, "signature": key(keys, "kim").sign(statement.encode())}
    content = b"[" if change == "garbage" else json.dumps(sent).encode()
    with pytest.raises(InputError):
        verified(content, approvers)


def test_a_line_that_is_no_key_is_told_with_its_place(keys: Path, tmp_path: Path) -> None:
    path = tmp_path / "approvers"
    path.write_text((keys / "kim.pub").read_text() + "ssh-rsa AAAA nobody\n")
    with pytest.raises(InputError, match=":2"):
        read_approvers(path)


@contextmanager
def served(one: Watched, approvers: dict[str, str], token: str = "") -> Iterator[str]:
    """The watch's own HTTP, on a loop of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    listening = Listening({}, "", 1.0, 1.0, one.watch.hear)
    readiness = Readiness(one.hands, (), one.watch._decision(""), one.watch.clock, bool, lambda _plan: None)
    sight = LeaseSight(None, None, 1.0)  # type: ignore[arg-type] # nobody looks
    running = RunningWatch(one.watch, listening, readiness, Notices("w", (), one.log.append), sight)
    try:
        with HttpServer(ListenAt("127.0.0.1", 0), Answering(running, loop, approvers, token)) as server:
            yield f"http://127.0.0.1:{server.port}"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(60)
        loop.close()


@in_loop
async def asking(one: Watched) -> None:
    await one.well()
    await one.pass_s(10, GRAY)


@pytest.fixture
def asks() -> Watched:
    one = Watched.of()
    asking(one)
    assert one.watch.ask is not None
    return one


def test_a_watch_answers_as_one_from_its_first_moment(capsys: pytest.CaptureFixture[str]) -> None:
    """Its port is open before its first round: whoever asks then is told that nothing is known yet."""
    with served(Watched.of(), {}) as at:
        assert run(["watch", "status", "--at", at]) == 0
        assert "not judged yet" in " ".join(capsys.readouterr().out.split())
        page = httpx2.get(at, trust_env=False)
        assert (page.status_code, "Not judged yet" in page.text) == (200, True)


def test_the_verb_approves_what_is_asked(asks: Watched, keys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ask = asks.watch.ask
    assert ask is not None
    with served(asks, dict(read_approvers(keys / "approvers"))) as at:
        assert run(["watch", "status", "--at", at]) == 0
        shown = capsys.readouterr().out
        assert f"ASKS {ask.id}" in shown
        assert ask.plan in shown
        words = ["watch", "approve", "--at", at, "--ask", ask.id, "--plan", ask.plan]
        assert run([*words, "--key", str(keys / "eve")]) == 2
        assert "does not belong to an approver" in capsys.readouterr().err
        assert asks.hands.begun == []
        assert run([*words[:-1], "another", "--key", str(keys / "kim")]) == 2
        assert "is requested now" in capsys.readouterr().err
        assert run([*words, "--key", str(keys / "kim"), "--allow", "unfenced"]) == 0
        assert run([*words, "--key", str(keys / "kim")]) == 2
        assert "no approval is requested" in capsys.readouterr().err
    assert [begun[1:] for begun in asks.hands.begun] == [(ask.plan, frozenset({"unfenced"}))]
    assert any("approved by kim" in line for line in asks.log)


@pytest.mark.parametrize(
    ("set_to", "given", "status", "words"),
    [
        ("", "", 409, "page: this page has no token, so it is read-only"),
        (TOKEN, "wrong", 409, "page: the token is wrong"),
        (TOKEN, "", 409, "page: the token is wrong"),
        (TOKEN, TOKEN, 200, ""),
    ],
)
def test_the_form_approves_with_the_page_s_token_alone(
    asks: Watched, set_to: str, given: str, status: int, words: str
) -> None:
    ask = asks.watch.ask
    assert ask is not None
    with served(asks, {}, set_to) as at:
        form = {"token": given, "ask": ask.id, "plan": ask.plan, "allow-unfenced": "on"}
        answer = httpx2.post(f"{at}/approve-here", data=form, trust_env=False)
    assert answer.status_code == status
    assert words in answer.text
    assert len(asks.hands.begun) == (status == 200)


def test_maintenance_is_announced_with_the_token(
    asks: Watched, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with served(asks, {}, TOKEN) as at:
        monkeypatch.setenv("SECONDSITE_WATCH_PAGE_TOKEN", "wrong")
        assert run(["watch", "maintain", "--at", at, "--minutes", "10"]) == 2
        monkeypatch.setenv("SECONDSITE_WATCH_PAGE_TOKEN", TOKEN)
        assert run(["watch", "maintain", "--at", at, "--minutes", "9999"]) == 2
        assert asks.watch.maintenance_until_s == 0
        assert run(["watch", "maintain", "--at", at, "--minutes", "10"]) == 0
    assert asks.watch.maintenance_until_s == asks.now_s + 600
    capsys.readouterr()


def test_what_it_knows_is_plain_data_and_metrics(asks: Watched) -> None:
    with served(asks, {}) as at:
        status = httpx2.get(f"{at}/status", trust_env=False).json()
        metrics = httpx2.get(f"{at}/metrics", trust_env=False).text
        assert httpx2.get(f"{at}/elsewhere", trust_env=False).status_code == 404
        assert httpx2.put(f"{at}/", trust_env=False).status_code == 405
    assert status["schema"] == "secondsite/watch/1"
    assert status["ask"]["fault"] == "gray"
    home = next(each for each in status["regions"] if each["region"] == "us-east-1")
    assert (home["now"], home["serves"], home["decided"]) == ("gray", True, "gray")
    assert 'secondsite_watch_finding{finding="gray",region="us-east-1"} 1.0' in metrics
    assert 'secondsite_watch_signal{observer="west",region="us-east-1",signal="api"} 0.0' in metrics
    assert "secondsite_watch_asks 1.0" in metrics


def test_nobody_answers_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["watch", "status", "--at", "http://127.0.0.1:1"]) == 4
    assert "no answer from the watch" in capsys.readouterr().err


def test_an_old_question_is_not_answered(asks: Watched) -> None:
    """A question that was asked anew has another id."""
    ask = asks.watch.ask
    assert ask is not None
    asks.watch.ask = evolve(ask, id="anew")
    with pytest.raises(InputError, match="anew"):
        asks.watch.approve(Approval(ask.id, ask.plan))
