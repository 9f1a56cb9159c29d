"""The commands, from arguments to exit codes, on real servers and stores."""

from __future__ import annotations

import json
import signal
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

import pyrage
import pytest
from command import COMMAND, secondsite
from nats_world import Server, binary_of, connect, everything, fill, free_port, run, wait_until
from ruamel.yaml import YAML

pytestmark = pytest.mark.slow


@pytest.fixture
def source(start: Any) -> Server:
    server: Server = start("source")

    async def load() -> None:
        client = await connect(server.url)
        await fill(client, "ORDERS", 100)
        await (await client.jetstream().create_key_value(bucket="cfg")).put("a", b"1")

    run(load())
    return server


def test_there_and_back_again(source: Server, start: Any, tmp_path: Path) -> None:
    target, url = start("target"), f"file://{tmp_path / 'store'}"
    out, told = secondsite("backup", "--nats", source.url, "--to", url, "--json")
    saved = json.loads(out)
    assert {line["stream"] for line in map(json.loads, told.splitlines())} == {"ORDERS", "KV_cfg"}
    assert [stream["messages"] for stream in saved["streams"]] == [1, 100]
    listed = json.loads(secondsite("backup", "list", "--from", url, "--json")[0])
    assert [entry["id"] for entry in listed["backups"]] == [saved["backup"]]
    proven = json.loads(secondsite("backup", "verify", "--from", url, "--json")[0])
    assert (proven["ok"], proven["messages"]) == (True, 101)
    restored = json.loads(secondsite("restore", "--nats", target.url, "--from", url, "--json")[0])
    assert restored["ok"]
    assert {item["proof"]["verdict"] for item in restored["streams"]} == {"equal"}
    out, _ = secondsite("restore", "--nats", target.url, "--from", url)
    assert out.count("existed already") == 2
    out, _ = secondsite("restore", "--nats", target.url, "--from", url, "--stream", "ORDERS=OLD")
    assert "ORDERS as OLD" in out
    assert "listens on OLD" in out

    async def compare() -> None:
        one, other = await connect(source.url), await connect(target.url)
        expected = await everything(one, "ORDERS")
        assert await everything(other, "ORDERS") == expected
        assert await everything(other, "OLD") == expected
        await other.jetstream().publish("orders.new", b"x")

    run(compare())
    _, error = secondsite("restore", "--nats", target.url, "--from", url, code=2)
    assert "--overwrite ORDERS" in error
    secondsite("restore", "--nats", target.url, "--from", url, "--overwrite", "ORDERS")


def test_encrypted_to_s3_and_what_the_store_ignores_is_named(source: Server, rclone_s3: str, tmp_path: Path) -> None:
    identity = pyrage.x25519.Identity.generate()
    (tmp_path / "key").write_text(str(identity))
    where = ["s3://bucket/prod", "--endpoint", rclone_s3]
    recipient = ["--recipient", str(identity.to_public())]
    _, error = secondsite("backup", "--nats", source.url, "--to", *where, *recipient, code=2)
    assert "the store ignores conditional writes" in error
    assert "--single-writer" in error
    signed = ["--sign", str(tmp_path / "key")]
    secondsite("backup", "--nats", source.url, "--to", *where, *recipient, *signed, "--single-writer")
    _, error = secondsite("backup", "verify", "--from", *where, code=2)
    assert str(identity.to_public()) in error
    out, _ = secondsite("backup", "verify", "--from", *where, "--identity", str(tmp_path / "key"))
    assert "good; restored in" in out


def test_verified_on_the_release_that_was_saved(start: Any, tmp_path: Path) -> None:
    old, url = start("old", binary_of("2.12.8")), f"file://{tmp_path / 'store'}"

    async def load() -> None:
        await fill(await connect(old.url), "S", 30)

    run(load())
    secondsite("backup", "--nats", old.url, "--to", url)
    out, _ = secondsite("backup", "verify", "--from", url, "--same-version", "--json")
    assert (json.loads(out)["ok"], json.loads(out)["server"]) == (True, "2.12.8")
    out, _ = secondsite("backup", "verify", "--from", url, "--json")
    assert (json.loads(out)["ok"], json.loads(out)["server"]) == (True, "2.15.1")


def test_retention_and_holds(source: Server, tmp_path: Path) -> None:
    url = f"file://{tmp_path / 'store'}"
    ids = [json.loads(secondsite("backup", "--nats", source.url, "--to", url, "--json")[0])["backup"] for _ in range(3)]
    secondsite("backup", "hold", ids[0], "--from", url, "--why", "audit")
    out, _ = secondsite("backup", "prune", "--from", url, "--keep-last", "1", "--dry-run", "--json")
    assert json.loads(out)["delete"] == [ids[1]]
    assert secondsite("backup", "list", "--from", url)[0].count("streams") == 3
    secondsite("backup", "prune", "--from", url, "--keep-last", "1")
    out, _ = secondsite("backup", "list", "--from", url)
    assert [line.split()[0] for line in out.splitlines()] == [ids[2], ids[0]]
    assert "held" in out
    secondsite("backup", "release", ids[0], "--from", url)
    secondsite("backup", "prune", "--from", url, "--keep-last", "1")
    assert not (tmp_path / "store" / ids[0]).exists()
    secondsite("backup", "prune", "--from", url, code=2)


@pytest.mark.parametrize(
    ("arguments", "place", "code"),
    [
        (["backup", "--to", "file:///nowhere"], "--nats", 2),
        (["backup", "--nats", "nats://127.0.0.1:1", "--to", "some/folder"], "--to", 2),
        (["backup", "--nats", "nats://127.0.0.1:1", "--to", "file:///nowhere", "--every", "soon"], "--every", 2),
        (
            ["backup", "--nats", "nats://127.0.0.1:1", "--to", "file:///nowhere", "--recipient", "age1x"],
            "--recipient",
            2,
        ),
        (["backup", "--context", "../../etc/passwd", "--to", "file:///nowhere"], "--context", 2),
        (["restore", "--nats", "nats://127.0.0.1:1", "--from", "file:///nowhere/at/all"], "file:///nowhere/at/all", 4),
        (["restore", "--nats", "nats://127.0.0.1:1", "--from", "s3://b", "--at", "noon"], "--at", 2),
        (["backup", "list", "--from", "ftp://x/y"], "--from", 2),
        (["archive", "compact", "--from", "file:///nowhere/at/all", "--keep", "week"], "--keep", 2),
        (["archive", "compact", "--from", "file:///nowhere/at/all", "--stream", "X"], "--stream", 2),
        (["archive", "compact", "--from", "file:///nowhere/at/all", "--exclude", "X"], "--exclude", 2),
        (["archive", "--nats", "nats://127.0.0.1:1", "--to", "file:///nowhere", "--bytes", "0"], "--bytes", 2),
    ],
)
def test_bad_input_is_named(arguments: list[str], place: str, code: int) -> None:
    _, error = secondsite(*arguments, code=code)
    assert error.startswith(f"{place}: ")
    assert len(error.splitlines()) == 1


def test_no_server_is_a_clear_error_and_no_backup(tmp_path: Path) -> None:
    url = f"file://{tmp_path / 'store'}"
    _, error = secondsite("backup", "--nats", f"nats://127.0.0.1:{free_port()}", "--to", url, code=4)
    assert "the connection was refused" in error
    assert [path for path in (tmp_path / "store").rglob("*") if path.is_file()] == []


def test_a_context_of_the_nats_command(source: Server, tmp_path: Path) -> None:
    folder = tmp_path / "config" / "nats" / "context"
    folder.mkdir(parents=True)
    (folder / "prod.json").write_text(json.dumps({"url": source.url, "user": "", "creds": ""}))
    url = f"file://{tmp_path / 'store'}"
    secondsite("backup", "--context", "prod", "--to", url, env={"XDG_CONFIG_HOME": str(tmp_path / "config")})
    _, error = secondsite(
        "backup", "--context", "other", "--to", url, code=2, env={"XDG_CONFIG_HOME": str(tmp_path / "config")}
    )
    assert "no such context" in error


def test_the_daemon_backs_up_answers_for_metrics_and_stops(source: Server, tmp_path: Path) -> None:
    port, begin = free_port(), time.time()
    where = ["--nats", source.url, "--to", f"file://{tmp_path / 'store'}", "--keep-last", "2"]
    daemon = subprocess.Popen(
        [COMMAND, "backup", *where, "--every", "1s", "--metrics-host", "127.0.0.1", "--metrics-port", str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )

    def metrics() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:  # loopback
            return str(answer.read().decode())

    try:
        wait_until(lambda: len(list((tmp_path / "store").glob("*/manifest.json"))) >= 2, 60)
        time.sleep(1.5)
        told = {line.split()[0]: float(line.split()[1]) for line in metrics().splitlines() if line[0] != "#"}
        assert told["secondsite_backups_total"] >= 2
        assert told["secondsite_backup_failures_total"] == 0
        assert 0 <= told["secondsite_backup_age_seconds"] <= time.time() - begin
        assert told["secondsite_backup_messages"] == 101
        assert len(list((tmp_path / "store").glob("*/manifest.json"))) <= 3
    finally:
        daemon.send_signal(signal.SIGTERM)
        out, _ = daemon.communicate(timeout=30)
    assert daemon.returncode == 0
    assert all(json.loads(line)["messages"] == 101 for line in out.splitlines())


def test_the_rendered_cron_job_says_the_same_command(tmp_path: Path) -> None:
    out, _ = secondsite(
        *("backup", "cronjob", "--nats", "nats://nats:4222", "--to", "s3://b/p", "--every", "15m"),
        *("--image", "r/secondsite:1", "--keep-daily", "7", "--credentials-secret", "nats-creds"),
    )
    job = YAML(typ="safe").load(out)
    assert job["spec"]["schedule"] == "*/15 * * * *"
    assert job["spec"]["concurrencyPolicy"] == "Forbid"
    container = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
    assert container["args"][:5] == ["backup", "--nats", "nats://nats:4222", "--to", "s3://b/p"]
    assert container["args"][-4:] == ["--keep-daily", "7", "--creds", "/etc/nats/user.creds"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    whole = ("backup", "cronjob", "--nats", "nats://n", "--to", "s3://b", "--every", "5m", "--image", "i")
    signed = YAML(typ="safe").load(secondsite(*whole, "--signing-secret", "team")[0])
    pod = signed["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert pod["containers"][0]["args"][-2:] == ["--sign", "/etc/signing/key"]
    assert pod["volumes"] == [{"name": "signing", "secret": {"secretName": "team", "defaultMode": 0o440}}]
    _, error = secondsite(*whole, "--sign", "team.pem", code=2)
    assert "--signing-secret" in error
    _, error = secondsite(
        *("backup", "cronjob", "--nats", "nats://n", "--to", "s3://b", "--every", "7m", "--image", "i"), code=2
    )
    assert error.startswith("--every: ")
