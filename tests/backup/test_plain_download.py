"""A downloaded folder is one of the `nats` command's: its own backup looks the same, and its restore takes it.

No binary of that command can be had here, so a client does what its library does, step by step: nats-io/jsm.go,
``snapshots.go``, `createSnapshot`/`SnapshotToDirectory` (chunks of 128 KiB, ``backup.json`` of config and state) and
`restoreSnapshot` (chunks of 64 KiB one by one, an empty one at the end, an answer of the type stream_create_response);
``backup/decoder.go`` for what an archive has to be: the state first, as many consumers as it counts, messages in
ascending order, an end. nats-io/natscli, ``cli/account_command.go``, `restoreAction`: ``nats account restore`` wants a
folder of folders, each with a ``backup.json``. Before 2.15 the archive is called ``stream.tar.s2``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from nats_world import binary_of, connect, consume, everything, fill, next_of, run

from secondsite.backup.archive import ArchiveReader
from secondsite.backup.progress import Silent
from secondsite.backup.run import BackupPlan, run_backup
from secondsite.backup.tar_archive import messages, tombstones
from secondsite.objects.store import ObjectStorage

pytestmark = pytest.mark.slow


async def nats_stream_backup(url: str, stream: str, folder: Path, name: str) -> None:
    client = await connect(url)
    inbox = client.new_inbox()
    subscription = await client.subscribe(inbox)
    request = {"deliver_subject": inbox, "no_consumers": False, "chunk_size": 128 * 1024}
    asked = await client.request(f"$JS.API.STREAM.SNAPSHOT.{stream}", json.dumps(request).encode(), timeout=30)
    answer = json.loads(asked.data)
    with (folder / name).open("wb") as file:
        while (message := await subscription.next_msg(30)).data:
            file.write(message.data)
            if message.reply:
                await message.respond(b"")
    (folder / "backup.json").write_text(json.dumps({"config": answer["config"], "state": answer["state"]}, indent=2))


async def nats_account_restore(url: str, folders: list[Path]) -> None:
    client = await connect(url)
    for found in folders:
        request = json.loads((found / "backup.json").read_text())
        assert request["config"]["name"] == found.name
        asked = await client.request(f"$JS.API.STREAM.RESTORE.{found.name}", json.dumps(request).encode(), timeout=30)
        subject = json.loads(asked.data)["deliver_subject"]
        archive = next(path for path in (found / "stream.arc.s2", found / "stream.tar.s2") if path.exists())
        with archive.open("rb") as file:
            while chunk := file.read(64 * 1024):
                assert not (await client.request(subject, chunk, timeout=30)).data
        done = json.loads((await client.request(subject, b"", timeout=60)).data)
        assert (done["type"], "error" in done) == ("io.nats.jetstream.api.v1.stream_create_response", False)


def pieces(path: Path) -> list[bytes]:
    return [path.read_bytes()]


def content(path: Path, first: int) -> tuple[list[bytes], list[str]]:
    """Messages, byte for byte, and the names of the consumers where they can be told."""
    if path.name == "stream.tar.s2":
        return [message.raw for message in messages(pieces(path), first, tombstones(pieces(path)))], []
    reader = ArchiveReader()
    found = [message.raw for piece in pieces(path) for message in reader.feed(piece)]
    reader.close()
    assert reader.state["consumer_count"] == len(reader.consumers)
    return found, sorted(item["config"]["durable_name"] for item in reader.consumers)


@pytest.mark.parametrize(("version", "archive"), [("", "stream.arc.s2"), ("2.10.26", "stream.tar.s2")])
def test_a_download_is_a_backup_of_the_nats_command(
    version: str, archive: str, start: Any, store: ObjectStorage, tmp_path: Path
) -> None:
    binary = binary_of(version) if version else None
    source, target = start("source", binary), start("target", binary)

    async def work() -> None:
        client, other = await connect(source.url), await connect(target.url)
        await fill(client, "S", 3000, 500, headers=True)
        for sequence in (1, 50, 51):
            await client.jetstream().delete_msg("S", sequence)
        await consume(client, "S", "worker", 10)
        await fill(client, "EMPTY", 0)
        await (await client.jetstream().create_key_value(bucket="cfg")).put("a", b"1")
        manifest = await run_backup(source.place, store, BackupPlan(), Silent())
        streams = tmp_path / "backups" / manifest.id / "streams"
        assert {path.name for path in streams.iterdir()} == {"S", "EMPTY", "KV_cfg"}
        assert {path.name for path in (streams / "S").iterdir()} == {"backup.json", archive, "consumers.json"}
        for name in ("S", "EMPTY", "KV_cfg"):
            theirs = tmp_path / "theirs" / name
            theirs.mkdir(parents=True)  # a test
            await nats_stream_backup(source.url, name, theirs, archive)
            one, two = (json.loads((path / "backup.json").read_text()) for path in (streams / name, theirs))
            one["state"].pop("ts", None), two["state"].pop("ts", None)
            assert one == two
            first = int(one["state"]["first_seq"])
            assert content(streams / name / archive, first) == content(theirs / archive, first)
        await nats_account_restore(target.url, sorted(streams.iterdir()))  # a test
        for name in ("S", "EMPTY", "KV_cfg"):
            assert await everything(other, name) == await everything(client, name)
        assert await next_of(other, "S", "worker") == 12  # the first is deleted

    run(work())
