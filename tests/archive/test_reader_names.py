"""The consumers that an archiver reads by have few names, so that its login can be allowed these and no others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from attrs import define

from secondsite.archive.tail import Tail
from secondsite.model.jetstream_config import ARCHIVERS, is_internal
from secondsite.nats.jetstream import RefusedError


@define
class Taken:
    """A server on which these are there already."""

    names: set[str]
    code: int = 10148
    read: frozenset[str] = frozenset()

    async def ask(self, subject: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        name = subject.rpartition(".")[2]
        assert request["action"] == "create"
        assert request["config"]["name"] == name
        if name in self.names:
            refused = RefusedError.at("nats", "consumer already exists", "use another name")
            refused.code = self.code
            raise refused
        if name in self.read:
            return {"delivered": {"consumer_seq": 5}}
        self.names.add(name)
        return {"delivered": {"consumer_seq": 0}}


def made(server: Taken) -> str:
    return asyncio.run(Tail(server, "EVENTS", 0)._create({}))  # type: ignore[arg-type] # it answers as one does


def test_each_reader_gets_a_name_of_its_own() -> None:
    server = Taken(set())
    assert {made(server) for _ in ARCHIVERS} == set(ARCHIVERS)
    assert all(map(is_internal, ARCHIVERS))
    with pytest.raises(RefusedError, match="already exists"):
        made(server)


@pytest.mark.parametrize("order", [list, lambda names: names[::-1]], ids=["taken names first", "taken names last"])
def test_one_like_it_that_somebody_has_read_by_is_not_taken_over(
    monkeypatch: pytest.MonkeyPatch, order: Callable[[Sequence[str]], Sequence[str]]
) -> None:
    """A server answers an archiver's request with what one that was killed had made, and had read some of."""
    monkeypatch.setattr("random.sample", lambda names, _count: order(names))
    free = set(ARCHIVERS[:2])
    server = Taken(set(), read=frozenset(ARCHIVERS) - free)
    assert {made(server) for _ in free} == free
    assert made(server) in ARCHIVERS, "where there is no other, what is lost is noticed, and it is tried again"


def test_another_refusal_is_no_taken_name() -> None:
    with pytest.raises(RefusedError):
        made(Taken(set(ARCHIVERS[:1]) | set(ARCHIVERS[1:]), code=10077))
