"""The page in a real browser: what it says, on a phone and on a screen, by keyboard, and for whoever cannot see it."""

from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import parse_qs

import httpx2
import pytest
from browser import Browser, browser_tool
from watch_pages import mood, served

from secondsite.publish.terminal.watch import status_text
from secondsite.watch.metrics import WatchMetrics

pytestmark = pytest.mark.slow
MOODS = ("well", "asks", "acts", "behind", "over")
TAB, ENTER, SPACE = "\ue004", "\ue007", " "
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]
_AXE = """
const [rules, done] = arguments;
axe.run(document, {runOnly: rules, resultTypes: ["violations"]}).then(
  (found) => done(found.violations.map((v) => `${v.id}: ${v.help}: ${v.nodes[0].html}`)),
  (error) => done([String(error)]),
);
"""


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def text(browser: Browser) -> str:
    return str(browser.run("return document.body.innerText"))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("well", ("us-east-1 serves, no fault is seen", "region: yes", "api/region", "unproven")),
        (
            "asks",
            ("Approval is requested", "api silent", "unfenced: us-east-1 cannot be reached", "Nobody can lift it"),
        ),
        (
            "acts",
            ("Under way: failover-3f9a", "running", "manual step", "to come", "no answer (Conn"),
        ),
        ("behind", ("could not run now (region)", "EVENTS is 912 messages behind")),
        ("thin", ("could run and would lack something (region)", "region: yes, not as planned")),
        ("over", ("was failed over", "2.0 h since its last word")),
    ],
)
def test_what_it_says_and_that_it_fits(browser: Browser, name: str, words: tuple[str, ...]) -> None:
    with served(name, "token") as (_, url):
        for width in (320, 400, 1012):
            browser.show(width=width)
            browser.open(url)
            assert browser.run("return document.documentElement.scrollWidth <= innerWidth"), width
            used = browser.run("return document.querySelector('main').clientWidth / Math.min(innerWidth, 1000)")
            assert used > 0.95, width
        shown = text(browser)
        assert [word for word in words if word not in shown] == []
        assert browser.console() == []


@pytest.mark.parametrize(("width", "dark"), [(400, False), (1012, True)])
@pytest.mark.parametrize("name", ["asks", "acts"])
def test_axe_finds_nothing(browser: Browser, pytestconfig: pytest.Config, name: str, width: int, dark: bool) -> None:
    tool = browser_tool("axe-core", pytestconfig.rootpath)
    with served(name, "token") as (_, url):
        browser.show(width=width, dark=dark)
        browser.open(url)
        browser.cdp("Runtime.evaluate", expression=tool.read_text(encoding="utf-8"))
        assert browser.post("execute/async", {"script": _AXE, "args": [_RULES]}) == []


def test_copies_backup_and_archive_are_in_one_place(browser: Browser) -> None:
    with served("well") as (shown, url):
        browser.show(width=400)
        browser.open(f"{url}?every=200")
        assert browser.run("return document.querySelector('#copies .scroll').scrollWidth <= innerWidth")
        section = "return document.querySelector('#copies').innerText"
        words = str(browser.run(section))
        for word in (
            "EVENTS",
            "under 1 s",
            "lacks 3",
            "at most 11 s",
            "unknown",
            "14 min old",
            "last shipped 9 s ago",
            "Read 12 s ago",
        ):
            assert word in words, words
        labels = browser.run("return [...document.querySelectorAll('#copies svg')].map((e) => e.ariaLabel)")
        assert labels == ["EVENTS was behind: at most 11 s", "KV_sessions was behind: at most 0 s"]
        lines = browser.run("return document.querySelectorAll('#copies svg')[0].querySelectorAll('polyline').length")
        assert lines == 2, "a gap stays a gap"
        inside = browser.run(
            "const field = document.querySelector('#copies svg').viewBox.baseVal;"
            "return [...document.querySelectorAll('#copies polyline')].every((line) => [...line.points].every("
            "(p) => p.x >= 0 && p.x <= field.width && p.y >= 0 && p.y <= field.height))"
        )
        assert inside
        copies = {**shown.status["copies"], "store": False, "streams": [], "problem": "no answer"}
        shown.status = {**shown.status, "copies": copies}
        until(lambda: "start the watch with --from STORE" in text(browser))
        assert "Copies cannot be read: no answer" in text(browser)
        assert browser.console() == []


def test_copies_are_metrics_and_what_was_not_read_is_none() -> None:
    metrics = WatchMetrics(lambda: mood("well")).text().decode()
    assert 'secondsite_copy_behind_seconds{stream="EVENTS"} 0.4' in metrics
    assert 'secondsite_copy_missing_messages{stream="EVENTS"} 3.0' in metrics
    assert 'stream="KV_sessions"' not in metrics
    assert "secondsite_watch_backup_age_seconds 840.0" in metrics
    assert "secondsite_watch_archive_age_seconds 9.0" in metrics
    without = WatchMetrics(lambda: {**mood("well"), "copies": None}).text().decode()
    assert "secondsite_watch_backup_age_seconds" not in without


def test_copies_are_told_in_the_terminal_too() -> None:
    lines = status_text(mood("well")).splitlines()
    assert "copy of EVENTS: 0.4 s behind, lacks 3; highest 11.0 s" in lines
    assert "copy of KV_sessions: unknown; highest 0.0 s" in lines
    assert lines[-2:] == ["newest good backup: 840 s old", "archive: 9 s old"]


def test_without_a_token_there_is_nothing_to_press(browser: Browser) -> None:
    with served("asks") as (_, url):
        browser.open(url)
        assert browser.run("return document.querySelectorAll('button, input, form').length") == 0
        assert "secondsite watch approve --ask" in text(browser)


def test_it_is_approved_by_keyboard_alone(browser: Browser) -> None:
    with served("asks", "token") as (shown, url):
        browser.open(url)
        for key in (TAB, ENTER, TAB, SPACE, TAB, *"kim", TAB, *"token", TAB, ENTER):
            browser.press(key)
        until(lambda: bool(shown.posted))
        form = parse_qs(shown.posted[0].body.decode())
        ask = shown.status["ask"]
        assert form == {
            **{"ask": [ask["id"]], "plan": [ask["plan"]], "allow-unfenced": ["on"]},
            **{"who": ["kim"], "token": ["token"]},
        }


def test_it_follows_by_itself_and_leaves_what_is_typed(browser: Browser) -> None:
    with served("asks", "token") as (shown, url):
        browser.open(f"{url}?every=200")
        browser.run("document.getElementById('who').value = 'kim'")
        shown.status = {**shown.status, "readiness": []}
        until(lambda: "No plan was made yet" in text(browser))
        assert browser.run("return document.getElementById('who').value") == "kim"
        shown.status = {**shown.status, "ask": {**shown.status["ask"], "plan": "another"}}
        until(lambda: browser.run("return document.querySelector('input[name=plan]').value") == "another")
        assert browser.run("return document.getElementById('who').value") == "", "another plan is typed for anew"
        shown.status = mood("acts")
        until(lambda: "Under way: failover-3f9a" in text(browser))
        assert browser.run("return document.querySelector('#question')") is None


def test_what_the_plan_read_is_opened_by_keyboard_and_stays_open(browser: Browser) -> None:
    with served("well") as (shown, url):
        browser.open(f"{url}?every=200")
        assert "copy 911" not in text(browser)
        browser.run("document.querySelector('#plan-region summary').focus()")
        browser.press(ENTER)
        until(lambda: "now: EVENTS: last sequences origin 912, copy 911" in text(browser))
        assert "promote EVENTS in us-west-2" in text(browser)
        (gray, region) = sorted(shown.status["readiness"], key=lambda plan: str(plan["fault"]))
        step = {**region["steps"][0], "now": ["EVENTS: last sequences origin 980, copy 980"]}
        shown.status = {**shown.status, "readiness": [gray, {**region, "steps": [step]}]}
        until(lambda: "now: EVENTS: last sequences origin 980, copy 980" in text(browser))
        assert browser.run("return document.activeElement.parentElement.id") == "plan-region"


def test_a_watch_that_is_gone_is_said(browser: Browser) -> None:
    with served("well") as (_, url):
        browser.open(f"{url}?every=200")
        assert "out of date" not in text(browser)
    until(lambda: "out of date" in text(browser))


def test_whoever_cannot_see_it_hears_what_changes(browser: Browser) -> None:
    with served("acts") as (_, url):
        browser.open(url)
        tree = browser.cdp("Accessibility.getFullAXTree")["nodes"]
    roles = {(node["role"]["value"], node.get("name", {}).get("value", "")) for node in tree if not node["ignored"]}
    kinds = {role for role, _ in roles}
    assert {"main", "heading", "table", "rowheader", "columnheader", "status", "list"} <= kinds
    assert ("region", "What observers see of us-east-1") in roles


def test_nothing_foreign_is_let_in() -> None:
    with served("asks", "token") as (shown, url):
        shown.status = {**shown.status, "ask": {**shown.status["ask"], "why": "<script>alert(1)</script>"}}
        answer = httpx2.get(url, trust_env=False)
        assert "<script>alert(1)" not in answer.text
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"
        for name in ("watch.css", "watch.js"):
            assert httpx2.get(url + name, trust_env=False).status_code == 200
        assert httpx2.get(url + "watch.html.j2", trust_env=False).status_code == 404
