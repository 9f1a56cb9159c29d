"""Which subjects a real server lets a stream capture: a system file that says otherwise is refused where it says so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from secondsite.model.errors import MachineError
from secondsite.model.validate import not_a_subject, of_the_server
from secondsite.nats.jetstream import RefusedError
from secondsite.nats.options import ConnectOptions
from secondsite.nats.place import NatsPlace, nats_place
from secondsite.nats.streams import StreamApi

pytestmark = pytest.mark.slow

SUBJECTS = (
    *("$JS.API.>", "$JS.>", "$JS.API.STREAM.INFO.X", "$JSC.>", "$SYS.>", "$SYS.REQ.SERVER.PING", ">", "*.>", "*.API.>"),
    *("$JS.EVENT.>", "$JS.EVENT.METRIC.x", "$SYS.ACCOUNT.>", "$SYS.ACCOUNT.A.CONNECT", "$KV.x.>", "$O.files.>", "$x.y"),
    *("a", "*", "a.*", "a.>", "$JS", "$SYS", "$JSX.a", "a..b", "", "a b", ".a", "a.", "a.>.b"),
)


@pytest.fixture(scope="module")
def server(start_nats_once: Callable[..., list[Any]], tmp_path_factory: pytest.TempPathFactory) -> NatsPlace:
    folder: Path = tmp_path_factory.mktemp("subjects")
    (one,) = start_nats_once(folder, f"jetstream {{ store_dir: {str(folder / 'js')!r} }}")
    return nats_place(one.url, ConnectOptions())


def taken(place: NatsPlace, subject: str, *, no_ack: bool) -> bool:
    async def create() -> bool:
        async with place.open() as jetstream:
            streams = StreamApi(jetstream)
            try:
                await streams.create({"name": "S", "subjects": [subject], "storage": "memory", "no_ack": no_ack})
            except (RefusedError, MachineError):
                return False
            info = await jetstream.ask("STREAM.INFO.S")
            await streams.delete("S")
            return bool(info["config"]["subjects"] == [subject])

    return asyncio.run(create())


@pytest.mark.parametrize("subject", SUBJECTS)
def test_what_is_refused_here_is_refused_there(server: NatsPlace, subject: str) -> None:
    refused = bool(not_a_subject(subject)) or of_the_server(subject)
    assert taken(server, subject, no_ack=False) is not refused
    if not not_a_subject(subject):
        assert taken(server, subject, no_ack=True)
