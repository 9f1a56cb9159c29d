"""Why a super-cluster's copies are a hazard: what servers answer to clients that know the origin's name."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from region_pair import AWAY, Pair

from nats import errors
from secondsite.nats.jetstream import STREAM_NOT_FOUND, RefusedError
from secondsite.nats.streams import StreamApi

pytestmark = pytest.mark.slow
_NAME_IN_USE = 10058


def test_a_promoted_copy_is_not_found_by_its_origin_s_name(tmp_path: Path) -> None:
    """Streams as they stand after a promotion in one account space: the origin's subjects under the copy's name."""
    pair = Pair(tmp_path, denied=())
    pair.start(AWAY)
    try:
        asyncio.run(_asked(pair))
    finally:
        pair.kill(AWAY)


async def _asked(pair: Pair) -> None:
    async with pair.place(AWAY).open() as jetstream:
        streams, client = StreamApi(jetstream), jetstream.connection.client
        worker = {"name": "worker", "durable_name": "worker", "ack_policy": "explicit"}
        for name, subject in (("EVENTS-us-west-2", "events.>"), ("KV_config-us-west-2", "$KV.config.>")):
            await streams.create({"name": name, "subjects": [subject], "max_msgs_per_subject": 1})
        await streams.create_consumer("EVENTS-us-west-2", worker)
        assert (await streams.publish("events.a", b"1", {})).stream == "EVENTS-us-west-2"
        assert await streams.stream("EVENTS") is None
        with pytest.raises(RefusedError) as refused:
            await jetstream.ask("CONSUMER.INFO.EVENTS.worker")
        assert refused.value.code == STREAM_NOT_FOUND
        with pytest.raises((errors.NoRespondersError, errors.TimeoutError)):
            await client.request("$JS.API.CONSUMER.MSG.NEXT.EVENTS.worker", b'{"batch":1,"no_wait":true}', timeout=0.5)
        with pytest.raises(RefusedError) as refused:
            await jetstream.ask("STREAM.MSG.GET.KV_config", {"last_by_subj": "$KV.config.a"})
        assert refused.value.code == STREAM_NOT_FOUND
        await streams.create({"name": "EVENTS", "subjects": ["other"]})
        with pytest.raises(RefusedError) as refused:
            await streams.create({"name": "EVENTS", "subjects": ["another"]})
        assert refused.value.code == _NAME_IN_USE
