"""A stream that a lab begins with: a restore that the server found stalled is made again, any other refusal is told."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest
from in_loop import in_loop

from secondsite.lab import streams
from secondsite.lab.aged import AgedStream
from secondsite.nats.jetstream import JetStream, RefusedError

AGED = AgedStream("EVENTS", {}, Path("EVENTS.archive"))


class Answers:
    """What the server says to each restore, one after the other; 0 for taken."""

    def __init__(self, *codes: int) -> None:
        self.codes = list(codes)
        self.deleted: list[str] = []

    async def restore(self, *_: Any) -> None:
        if code := self.codes.pop(0):
            error = RefusedError.at("nats", "restore failed", "look")
            error.code = code
            raise error

    async def ask(self, subject: str, request: Mapping[str, Any] = {}, **_: Any) -> Mapping[str, Any]:
        self.deleted.append(subject)
        return {}


async def _begun(monkeypatch: pytest.MonkeyPatch, answers: Answers) -> None:
    monkeypatch.setattr(streams, "restore_stream", answers.restore)
    await streams._begin_with(cast("JetStream", answers), AGED, {}, time.monotonic() + 5)


@in_loop
async def test_a_stalled_restore_is_made_again_from_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Answers(10062, 0)
    await _begun(monkeypatch, answers)
    assert answers.deleted == ["STREAM.DELETE.EVENTS"]


@in_loop
async def test_another_refusal_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RefusedError):
        await _begun(monkeypatch, Answers(10058))
