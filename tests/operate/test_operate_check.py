"""`operate check`: who refuses us is a no, who is silent is not known, and neither passes as a yes."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from attrs import evolve
from nats_world import Server, free_port
from region_pair import AWAY, HOME, deployment_of, stream_named

from secondsite.cli.__main__ import run
from secondsite.discover.system_file.writing import write_system
from secondsite.model.access import NatsAccess, RegionPlace
from secondsite.model.operate import Operate, PathHeader, WritePath
from secondsite.model.watching import WatchObserver, WatchPolicy
from secondsite.strategies.design import Kit

pytestmark = pytest.mark.slow
LEAF = "warm-standby/leafnode-mirror"


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The URL of one server in each region."""
    both = {}
    for region in (HOME, AWAY):
        server = Server(tmp_path / region, region)
        store = str(tmp_path / region / "store")
        server.settings = {"jetstream": {"store_dir": store, "domain": region}}
        both[region] = server
    try:
        for server in both.values():
            server.start()
        yield {region: server.url for region, server in both.items()}
    finally:
        for server in both.values():
            server.kill()


def file(kit: Kit, folder: Path, urls: dict[str, str], **more: object) -> list[str]:
    """A system file whose places are these, and the option that names it."""
    places = tuple(RegionPlace(region, nats=NatsAccess(url=url)) for region, url in urls.items())
    operate = evolve(Operate(deployed=LEAF, places=places), **more)  # type: ignore[arg-type] # fields of Operate
    bare = evolve(kit.system, stores=(), secrets=(), backups=())
    system = deployment_of(evolve(kit, system=bare), LEAF, stream_named("A")).system
    (folder / "secondsite.yaml").write_text(write_system(evolve(system, operate=operate, marks={})))
    return ["--file", str(folder / "secondsite.yaml")]


def checked(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, tuple[str, str]]]:
    code = run(["operate", "check", *arguments, "--json"])
    plain = json.loads(capsys.readouterr().out)
    assert plain["schema"] == "secondsite/preparation/1"
    return code, {one["about"]: (one["answer"], one["what"]) for one in plain["findings"]}


def test_everybody_answers(
    kit: Kit, tmp_path: Path, servers: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = file(kit, tmp_path, servers)
    code, findings = checked(arguments, capsys)
    assert code == 0
    assert {about: answer for about, (answer, _) in findings.items()} == {
        f"{HOME}: nats": "yes",
        f"{AWAY}: nats": "yes",
        "journal": "yes",
    }
    assert run(["operate", "check", *arguments]) == 0
    text = capsys.readouterr().out
    assert "failover: start-services" in text
    assert "no `kube` under `operate: places:`" in text
    assert "no `operate: watch:`" in text


def test_the_regions_swapped_is_a_no_and_silence_is_unknown(
    kit: Kit, tmp_path: Path, servers: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    swapped = {HOME: servers[AWAY], AWAY: servers[HOME]}
    code, findings = checked(file(kit, tmp_path, swapped), capsys)
    assert code == 1
    assert findings[f"{HOME}: nats"][0] == "no"
    assert f"its JetStream domain is {AWAY}" in findings[f"{HOME}: nats"][1]
    silent = {**servers, HOME: f"nats://127.0.0.1:{free_port()}"}
    code, findings = checked(file(kit, tmp_path, silent), capsys)
    assert code == 3
    assert (findings[f"{HOME}: nats"][0], findings[f"{AWAY}: nats"][0]) == ("unknown", "yes")


def test_a_second_cluster_of_a_region_is_a_no(kit: Kit, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A place has one address: streams of the other cluster are asked for where they are not."""
    silent = {region: f"nats://127.0.0.1:{free_port()}" for region in (HOME, AWAY)}
    own = kit.system.nats[0]
    other = evolve(own, name="telemetry", service="", domain="other")
    for clusters, answers in (((own,), {"unknown"}), ((own, other), {"unknown", "no"})):
        system = evolve(kit.system, nats=clusters)
        code, findings = checked(file(evolve(kit, system=system), tmp_path, silent), capsys)
        assert code == (1 if "no" in answers else 3)
        told = findings.get(f"{HOME}: streams", ("", ""))[1]
        assert told == ("nats and telemetry hold streams, and one address is known" if "no" in answers else "")


def test_every_reference_that_leads_nowhere_is_told_at_once(
    kit: Kit, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = tuple(
        RegionPlace(region, nats=NatsAccess(url="nats://h", user="u", password=f"env:DR_NOT_SET_{number}"))
        for number, region in enumerate((HOME, AWAY))
    )
    assert run(["operate", "check", *file(kit, tmp_path, {}, places=places)]) == 2
    told = capsys.readouterr().err
    assert f"operate.places.{HOME}.nats.password: env:DR_NOT_SET_0 is not set" in told
    assert f"operate.places.{AWAY}.nats.password: env:DR_NOT_SET_1 is not set" in told


class _Refusing(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(401 if self.headers.get("X-API-Key") != "right" else 405)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Quiet."""


@contextmanager
def api() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Refusing)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_path_that_refuses_us_and_a_watch_of_two_are_a_no(
    kit: Kit,
    tmp_path: Path,
    servers: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DR_API_KEY", "wrong")
    observers = (WatchObserver("east", HOME), WatchObserver("west", AWAY))
    watch = WatchPolicy(observers, quorum=2, approvers=f"file:{tmp_path / 'nobody'}")
    with api() as url:
        path = WritePath(url, headers=(PathHeader("X-API-Key", "env:DR_API_KEY"),))
        arguments = file(kit, tmp_path, servers, path=path, watch=watch)
        code, findings = checked(arguments, capsys)
        assert code == 1
        assert findings[f"path: {url}"] == ("no", "rejects this request (401)")
        assert findings["watch"][0] == "no"
        assert findings["watch: approvers"][0] == "no"
        monkeypatch.setenv("DR_API_KEY", "right")
        assert checked(arguments, capsys)[1][f"path: {url}"][0] == "yes"
