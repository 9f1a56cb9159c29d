"""What HTTP services and kubectl answer, broken at random: understood or told, and never waited for without an end."""

from __future__ import annotations

import asyncio
import io
import json
import sys
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random

import pytest
from fuzz_limits import begins
from mutations import VALUES, changed_bytes, changed_text, changed_value, seeds, survives

from secondsite.discover.manifests import discover
from secondsite.nats.monitor import Monitored, read_monitor
from secondsite.operate.http_path import HttpPath
from secondsite.operate.world import PathWrite

pytestmark = pytest.mark.slow

STORED = {"stream": "EVENTS", "sequence": 7, "status": "ok"}
PAGE = {"server_id": "N", "version": "2.15.1", "jetstream": {"config": {"sync_interval": 120}}, "routes": [{"rid": 1}]}
MANIFESTS = Path(__file__).parents[2] / "examples" / "kgents" / "manifests"
SHORT_S = 0.5


def response(body: bytes, headers: str = "", status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


@asynccontextmanager
async def answering(whole: bytes, rest: bytes = b"", pause_s: float = 0.0) -> AsyncIterator[str]:
    """A service that says ``whole`` to everybody, then ``rest`` over and over until nobody listens any more."""

    running: set[asyncio.Task[None]] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        running.add(asyncio.current_task())  # type: ignore[arg-type] # a coroutine of a task
        try:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await reader.readuntil(b"\r\n\r\n")
                writer.write(whole)
                await writer.drain()
                while rest:
                    writer.write(rest)
                    await writer.drain()
                    await asyncio.sleep(pause_s)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in running:
            task.cancel()
        await asyncio.gather(*running)


async def written(whole: bytes, rest: bytes = b"", pause_s: float = 0.0) -> PathWrite:
    async with answering(whole, rest, pause_s) as url:
        return await HttpPath(url, timeout_s=SHORT_S).write()


async def monitored(whole: bytes, rest: bytes = b"", pause_s: float = 0.0) -> Monitored:
    async with answering(whole, rest, pause_s) as url:
        return await read_monitor(url, tls=None, timeout_s=SHORT_S)


def answers(plain: object, chance: Random) -> bytes:
    """HTTP that is broken, or an answer with other content."""
    if chance.random() < 0.4:
        return changed_bytes(response(json.dumps(plain).encode()), chance)
    value = chance.choice(VALUES) if chance.random() < 0.2 else changed_value(plain, chance)
    text = json.dumps(value).encode()
    return response(changed_bytes(text, chance) if chance.random() < 0.3 else text)


def test_answers_of_the_clients_path() -> None:
    for chance in seeds():
        found = asyncio.run(written(answers(STORED, chance)))
        begins("the next")
        assert isinstance(found.sequence, int)
        assert 0 <= found.sequence < 2**64
        assert isinstance(found.stream, str)


def test_answers_of_the_monitoring_page() -> None:
    for chance in seeds():
        survives(lambda chance=chance: asyncio.run(monitored(answers(PAGE, chance))))  # type: ignore[misc] # bound here


def bomb() -> bytes:
    """Packed: 1.5 GiB of zeros, each MiB of them after a full flush, so that one can be said again and again."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    first, again = (packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    return first + again * 1535 + packer.flush()


ENDLESS = {
    "drips": (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b" ", 0.05),
    "drips headers": (b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n", 0.05),
    "pours": (b"HTTP/1.1 200 OK\r\n\r\n", b"[" * (1 << 20), 0.0),
    "pours in chunks": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"1000\r\n%b\r\n" % (b"[" * 4096),
        0.0,
    ),
    "nests": (response(b"[" * 200_000), b"", 0.0),
    "unpacks": (response(bomb(), "Content-Encoding: gzip\r\n"), b"", 0.0),
    "leads in a circle": (response(b"", "Location: /\r\n", "302 Found"), b"", 0.0),
}


@pytest.mark.parametrize("way", ENDLESS)
def test_an_answer_without_an_end_is_not_waited_for(way: str) -> None:
    """Neither in time nor in memory; and it is no acknowledgement that anything was stored with a number."""
    begins(way)
    found = asyncio.run(written(*ENDLESS[way]))
    assert (found.stream, found.sequence) == ("", 0)
    begins(f"{way}, of the monitoring page")
    assert survives(lambda: asyncio.run(monitored(*ENDLESS[way]))) is None


def test_what_kubectl_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`kubectl kustomize`, asked by us."""
    files = sorted(MANIFESTS.rglob("*.yaml"))
    tool, answer = tmp_path / "bin" / "kubectl", tmp_path / "answer"
    tool.parent.mkdir()
    tool.write_text(f"#!/bin/sh\nexec cat '{answer}'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:/usr/bin:/bin")
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "kustomization.yaml").write_text("resources: []\n")
    for chance in seeds():
        text = changed_text(chance.choice(files).read_text("utf-8"), chance).encode()
        answer.write_bytes(changed_bytes(text, chance) if chance.random() < 0.4 else text)
        survives(lambda: discover([folder], name="x", base=folder, kubectl=True))


LIST = {
    "apiVersion": "v1",
    "kind": "List",
    "items": [
        {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": {"name": "nats", "namespace": "n", "labels": {"app": "nats"}},
            "spec": {
                "replicas": 3,
                "selector": {"matchLabels": {"app": "nats"}},
                "template": {"spec": {"containers": [{"name": "nats", "image": "nats:2.10", "args": ["-js"]}]}},
                "volumeClaimTemplates": [{"spec": {"resources": {"requests": {"storage": "10Gi"}}}}],
            },
        },
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"nats.conf": "jetstream {}"}},
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "h"},
            "spec": {"minReplicas": 1, "maxReplicas": 5, "scaleTargetRef": {"kind": "StatefulSet", "name": "nats"}},
        },
    ],
}


def test_what_the_kubernetes_api_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`kubectl get … -o json`, on standard input."""
    for chance in seeds():
        text = json.dumps(changed_value(LIST, chance)).encode()
        data = changed_bytes(text, chance) if chance.random() < 0.4 else text
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))
        survives(lambda: discover([Path("-")], name="x", base=tmp_path))
