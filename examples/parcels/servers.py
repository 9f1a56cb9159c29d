"""The servers of the example, as they would run in its cluster: three of them, with the streams that its programs make.

    python servers.py up       start them, make the streams, say where they are
    python servers.py down     stop them, and remove what they stored

Nothing else is started, and nothing leaves this machine: they listen on 127.0.0.1 alone.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from nats.js.api import AckPolicy, ConsumerConfig, KeyValueConfig, RetentionPolicy, StreamConfig

import nats
from secondsite.lab.nats_binary import find, obtain

VERSION = "2.12.1"
HERE = Path(__file__).parent / ".servers"
NAMES = ("bus-0", "bus-1", "bus-2")
CLIENTS, ROUTES, MONITOR = 24222, 26222, 28222
"""The ports of the first server; the others have the next ones."""


def main() -> None:
    if sys.argv[1:] == ["up"]:
        print(up())
    elif sys.argv[1:] == ["down"]:
        down()
    else:
        sys.exit(__doc__)


def up() -> str:
    """The URL of the first server."""
    down()
    HERE.mkdir()
    obtain([VERSION], print)
    program = find(VERSION)
    for number, name in enumerate(NAMES):
        start(program, number, name)
    asyncio.run(make_streams([f"nats://127.0.0.1:{CLIENTS + number}" for number in range(len(NAMES))]))
    return f"nats://127.0.0.1:{CLIENTS}"


def start(program: Path, number: int, name: str) -> None:
    listed = ", ".join(f"nats://127.0.0.1:{ROUTES + other}" for other in range(len(NAMES)))
    conf = HERE / f"{name}.conf"
    conf.write_text(
        f"server_name: {name}\n"
        f"listen: 127.0.0.1:{CLIENTS + number}\n"
        f"http: 127.0.0.1:{MONITOR + number}\n"
        f"jetstream {{ store_dir: '{HERE / name}', max_file_store: 1G }}\n"
        f"cluster {{ name: parcels, listen: 127.0.0.1:{ROUTES + number}, routes: [{listed}] }}\n",
        encoding="utf-8",
    )
    with (HERE / f"{name}.log").open("wb") as log:
        process = subprocess.Popen([program, "-c", conf], stdout=log, stderr=log, start_new_session=True)
    (HERE / f"{name}.pid").write_text(str(process.pid), encoding="utf-8")


def down() -> None:
    """Only those that `up` started."""
    for path in sorted(HERE.glob("*.pid")):
        process = int(path.read_text(encoding="utf-8"))
        try:
            os.kill(process, signal.SIGTERM)
        except ProcessLookupError:
            continue
        for _ in range(100):
            if not alive(process):
                break
            time.sleep(0.1)
    shutil.rmtree(HERE, ignore_errors=True)


async def quiet(error: Exception) -> None:
    """A server that does not listen yet is asked again."""


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{process}/stat")
    return not stat.exists() or stat.read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"


async def make_streams(urls: list[str]) -> None:
    """What the programs do when they start; asked again until the three have found each other."""
    for attempt in range(60):
        try:
            client = await nats.connect(urls, allow_reconnect=False, error_cb=quiet)
            jetstream = client.jetstream(timeout=5)
            await jetstream.add_stream(StreamConfig("SCANS", subjects=["scans.>"], num_replicas=3, max_age=7 * 86400))
            break
        except (nats.errors.Error, nats.js.errors.Error, OSError):
            if attempt == 59:
                raise
            await asyncio.sleep(0.5)
    queue = RetentionPolicy.WORK_QUEUE
    await jetstream.add_stream(StreamConfig("SORTING", subjects=["sort.*"], retention=queue, num_replicas=3))
    await jetstream.add_stream(StreamConfig("INVOICES", subjects=["invoice.new"], retention=queue, num_replicas=3))
    await jetstream.create_key_value(KeyValueConfig("whereabouts", history=5, replicas=3))
    consumers = (("SORTING", "sorter", None), ("INVOICES", "biller", None), ("SCANS", "depot-7", "scans.depot7.>"))
    for stream, name, taken in consumers:
        config = ConsumerConfig(durable_name=name, ack_policy=AckPolicy.EXPLICIT, ack_wait=30, filter_subject=taken)
        await jetstream.add_consumer(stream, config)
    bucket = await jetstream.key_value("whereabouts")
    for number in range(20):
        await jetstream.publish(f"scans.depot{number % 9}.in", b"parcel %d" % number)
        await bucket.put(f"parcel-{number}", b"in the depot")
    await client.close()


if __name__ == "__main__":
    main()
