"""Queues, interest, histories, objects, limits and mapped subjects: what is planted is found, what is right is not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attrs import evolve, frozen
from bulk_ledger import write_bulk
from clean_findings import clean

from secondsite.drill.check.checker import check
from secondsite.drill.check.findings import Findings
from secondsite.drill.check.objects import ObjectReader
from secondsite.drill.check.rpo import loss_window, rpo
from secondsite.drill.check.rto import of_the_service
from secondsite.drill.ledger.finals import COPY_ROW, CopyReader, FinalRead, Finals, Processing, processing
from secondsite.drill.ledger.history import History, read_history
from secondsite.drill.ledger.ledger import LedgerHeader, LedgerStream, stream_from
from secondsite.drill.ledger.object_names import digest_of, encoded, key_of_name, name_of
from secondsite.drill.ledger.payload import payload
from secondsite.drill.ledger.record import ANY_KEY, NEVER, RECORD, RecordKind, Status, message_id
from secondsite.drill.load.subjects import transformed
from secondsite.drill.play.final_reads import keys_of
from secondsite.drill.play.load_streams import load_of
from secondsite.model.nats import Consumer, Discard, Retention, Stream
from secondsite.model.settings import Settings

QUEUE = LedgerStream("JOBS", "jobs", templates=("jobs.{key}",), retention="workqueue")
INTEREST = evolve(QUEUE, retention="interest")
KEPT = LedgerStream("JOBS", "$KV.c", kv=True, history=3)


@frozen
class Planted:
    """Writes 0, 1, 2 … one after the other, each acknowledged; ``keys`` in that order."""

    history: History

    def found(self, copies: Sequence[FinalRead], consumers: Sequence[Processing] = ()) -> Findings:
        return check(self.history, Finals(copies, consumers))


def _planted(folder: Path, stream: LedgerStream, keys: Sequence[int], pace_ns: int = 10) -> Planted:
    rows = []
    for number, key in enumerate(keys):
        at = pace_ns + pace_ns * number
        rows.append((at, 0, 0, number, key, 0, 100, 0, 0, RecordKind.INTENT, 0, 0))
        rows.append((at + pace_ns // 2, 0, number + 1, number, key, 0, 0, 0, 0, RecordKind.OUTCOME, Status.STORED, 0))
    path = folder / f"{stream.retention}{stream.history}.ledger"
    write_bulk(path, LedgerHeader("r1", 0, (stream,)), np.array(rows, RECORD))
    return Planted(read_history([path]))


def _copy(numbers: Sequence[int], *, complete: bool = True) -> FinalRead:
    rows = np.zeros(len(numbers), COPY_ROW)
    rows["identity"] = numbers
    rows["stream_sequence"] = [number + 1 for number in numbers]
    return FinalRead("JOBS", "west", complete, rows, compared=False)


def _did(numbers: Sequence[int], name: str = "worker", keys: frozenset[int] | None = None) -> Processing:
    return processing("r1", name, "JOBS", True, [(message_id("r1", 0, n), n + 1) for n in numbers], keys)


def test_a_job_that_was_done_is_gone_and_no_loss(tmp_path: Path) -> None:
    planted = _planted(tmp_path, QUEUE, [1, 2, 3, 4])
    found = planted.found([_copy([3])], [_did([0, 1, 2])])
    assert found.counts()["acknowledged-lost"] == 0
    assert found.counts()["processed"] == 3
    assert found.streams["JOBS"].jobs_never == 0
    assert loss_window(planted.history, found.marks.fate, 100).most == 0


def test_a_job_that_nobody_did_and_is_gone_is_lost_and_named(tmp_path: Path) -> None:
    found = (planted := _planted(tmp_path, QUEUE, [1, 2, 3])).found([_copy([])], [_did([0, 2])])
    assert found.counts()["jobs-never"] == 1
    assert rpo(planted.history, found, 100).messages == 1
    assert found.examples["acknowledged-lost"] == (message_id("r1", 0, 1),)


def test_a_job_that_was_done_twice_is_counted(tmp_path: Path) -> None:
    found = _planted(tmp_path, QUEUE, [1, 2, 3]).found([_copy([])], [_did([0, 1, 2, 1])])
    assert found.counts()["jobs-twice"] == 1
    assert found.counts()["acknowledged-lost"] == 0


def test_two_workers_share_a_queue(tmp_path: Path) -> None:
    found = _planted(tmp_path, QUEUE, [1, 2]).found([_copy([])], [_did([0], "one"), _did([1], "other")])
    assert found.counts()["acknowledged-lost"] == 0


def test_interest_ends_when_every_consumer_has_it(tmp_path: Path) -> None:
    planted = _planted(tmp_path, INTEREST, [1, 2, 3])
    both = planted.found([_copy([])], [_did([0, 1, 2], "one"), _did([0, 1, 2], "other")])
    assert both.counts()["acknowledged-lost"] == 0
    one = planted.found([_copy([])], [_did([0, 1, 2], "one"), _did([0, 2], "other")])
    assert one.counts()["jobs-never"] == 1
    filtered = planted.found([_copy([])], [_did([0, 1, 2], "one"), _did([1], "other", frozenset({2}))])
    assert filtered.counts()["acknowledged-lost"] == 0
    nobody = planted.found([_copy([])])
    assert nobody.counts()["acknowledged-lost"] == 0


def test_a_plain_stream_gives_nothing_up(tmp_path: Path) -> None:
    plain = evolve(QUEUE, retention="limits")
    found = _planted(tmp_path, plain, [1, 2]).found([_copy([1])], [_did([0, 1])])
    assert found.counts()["acknowledged-lost"] == 1
    assert "jobs-never" not in found.counts()


@pytest.mark.parametrize(
    ("there", "lost"),
    [
        ([2, 3, 4], 0),  # the last three of five values of the key
        ([0, 1, 2, 3, 4], 0),
        ([2, 4], 1),  # a hole: the bucket keeps three
        ([4], 2),  # shortened: the two before it were still to be there
        ([2, 3], 1),
        ([0, 1], 3),  # rolled back: all that came after
        ([], 5),
    ],
)
def test_a_bucket_keeps_as_many_values_of_a_key_as_it_says(tmp_path: Path, there: list[int], lost: int) -> None:
    found = _planted(tmp_path, KEPT, [7] * 5).found([_copy(there)])
    assert found.counts()["acknowledged-lost"] == lost


def test_a_bucket_of_one_value_is_judged_as_ever(tmp_path: Path) -> None:
    planted = _planted(tmp_path, evolve(KEPT, history=1), [7] * 3)
    assert planted.found([_copy([2])]).counts()["acknowledged-lost"] == 0
    assert planted.found([_copy([1])]).counts()["acknowledged-lost"] == 1


def test_keys_that_share_a_subject_share_its_last_value(tmp_path: Path) -> None:
    state = LedgerStream("JOBS", "state", kv=True, templates=("state.now",))
    assert _planted(tmp_path, state, [1, 2, 3]).found([_copy([2])]).counts()["acknowledged-lost"] == 0


def test_what_a_limit_discards_is_no_loss_and_what_it_cannot_is(tmp_path: Path) -> None:
    small = evolve(QUEUE, retention="limits", most_messages=2)
    planted = _planted(tmp_path, small, [1, 2, 3, 4])
    assert planted.found([_copy([2, 3])]).counts()["discarded"] == 2
    full = planted.found([_copy([1, 3])]).counts()
    assert (full["discarded"], full["acknowledged-lost"]) == (1, 1)
    assert planted.found([_copy([3])]).counts()["acknowledged-lost"] == 3, "the limit was not reached"
    unlimited = evolve(small, most_messages=-1, most_bytes=-1)
    assert _planted(tmp_path, unlimited, [1, 2, 3, 4]).found([_copy([3])]).counts()["acknowledged-lost"] == 3
    by_bytes = evolve(small, most_messages=0, most_bytes=1 << 20)
    assert _planted(tmp_path, evolve(by_bytes, history=2), [1, 2]).found([_copy([1])]).counts()["acknowledged-lost"]


def test_only_what_had_reached_its_age_was_discarded_by_it(tmp_path: Path) -> None:
    """Acknowledged at 90, 150, 210, 270 and 330 s, and read within a minute of the last write, at 300 s."""
    aged = evolve(QUEUE, retention="limits", most_age_s=100)
    found = _planted(tmp_path, aged, [1, 2, 3, 4, 5], pace_ns=60_000_000_000).found([_copy([4])]).counts()
    assert (found["discarded"], found["acknowledged-lost"]) == (3, 1)


def _object(reader: ObjectReader, number: int, *, chunks: Sequence[bytes], about: dict[str, Any] | None = None) -> None:
    text = message_id("r1", 0, number)
    content, nuid = payload(text, 100).encode(), text.replace(".", "-")
    for place, chunk in enumerate(chunks):
        reader.take(f"{text}.{place}", number * 10 + place, f"$O.files.C.{nuid}", chunk)
    told = {"name": name_of(number), "nuid": nuid, "size": 100, "chunks": 2, "digest": digest_of(content)}
    subject = f"$O.files.M.{encoded(name_of(number))}"
    reader.take(text, number * 10 + 5, subject, json.dumps(told | (about or {})).encode())


def test_an_object_is_whole_or_torn(tmp_path: Path) -> None:
    store = LedgerStream("JOBS", "$O.files.C", kv=True, objects=True)
    reader = ObjectReader("r1", "JOBS", "west")
    parts = [
        (payload(message_id("r1", 0, n), 100).encode()[:60], payload(message_id("r1", 0, n), 100).encode()[60:])
        for n in range(5)
    ]
    _object(reader, 0, chunks=parts[0])
    _object(reader, 1, chunks=parts[1][:1])
    _object(reader, 2, chunks=parts[2][::-1])
    _object(reader, 3, chunks=parts[3], about={"digest": digest_of(b"another")})
    _object(reader, 4, chunks=parts[3])
    reader.take("", 99, "$O.files.C.half-put", b"a chunk of an upload that never ended")
    copy = reader.finished(complete=True)
    found = _planted(tmp_path, store, [0, 1, 2, 3, 4]).found([copy])
    assert found.streams["JOBS"].torn == 4
    assert found.streams["JOBS"].altered == 0
    assert found.counts()["phantom"] == 0
    assert not clean(found.streams["JOBS"])
    assert found.counts()["acknowledged-present"] == 5


def test_an_object_that_no_client_put_is_a_phantom(tmp_path: Path) -> None:
    reader = ObjectReader("r1", "JOBS", "west")
    reader.take("strange", 1, "$O.files.M.x", b"no description")
    found = _planted(tmp_path, LedgerStream("JOBS", "$O.files.C", kv=True, objects=True), []).found(
        [reader.finished(complete=True)]
    )
    assert found.counts()["phantom"] == 1
    assert key_of_name("somebody-7") == ANY_KEY


@pytest.mark.parametrize(
    ("template", "source", "target", "stored"),
    [
        ("raw.{key}", "raw.*", "cooked.{{wildcard(1)}}", "cooked.{key}"),
        ("raw.{key}", "raw.*", "cooked.$1.done", "cooked.{key}.done"),
        ("a.load.{key}", "a.*.*", "b.$2.$1", "b.{key}.load"),
        ("orders.load.{key}", "orders.>", "eu.orders.>", "eu.orders.load.{key}"),
        ("orders.load.{key}", "", "eu.>", "eu.orders.load.{key}"),
        ("raw.{key}", "raw.*", "part.{{partition(3,1)}}.{{wildcard(1)}}", "part.{any}.{key}"),
        ("raw.{key}", "raw.*", "part.{{split(1,-)}}", "part.{some}"),
        ("other.{key}", "raw.*", "cooked.$1", "other.{key}"),
        ("raw.{key}", "raw.*", "", "raw.{key}"),
    ],
)
def test_a_transform_says_where_a_write_lies(template: str, source: str, target: str, stored: str) -> None:
    assert transformed(template, source, target) == stored


def test_a_moved_subject_is_no_loss_and_any_other_is_moved() -> None:
    stream = load_of(
        Stream(
            "RAW",
            ("raw.*",),
            settings=Settings({"subject_transform": {"src": "raw.*", "dest": "part.{{partition(3,1)}}.$1"}}),
        )
    )
    assert stream.of_key(4) == "raw.4"
    reader = CopyReader("r1", "RAW", "west", stream.subject, templates=stream.stored)
    for sequence, subject in enumerate(("part.2.4", "raw.4", "part.2.x.4"), start=1):
        reader.take(message_id("r1", 0, sequence), sequence, subject, b"x")
    rows = reader.finished(complete=True).rows
    assert rows["key"].tolist()[0] == 4
    assert [bool(mark) for mark in rows["subject"]] == [False, True, True]


def test_a_filtered_consumer_gets_the_keys_that_its_filter_takes() -> None:
    stream = load_of(Stream("A", ("a.*.x", "b.>")))
    assert keys_of(stream, Consumer("all"), 10) is None
    assert keys_of(stream, Consumer("some", filter_subject="a.*.x"), 6) == frozenset({0, 2, 4})
    several = Consumer("two", settings=Settings({"filter_subjects": ["a.2.x", "b.load.3"]}))
    assert keys_of(stream, several, 10) == frozenset({2, 3})


def test_a_stream_is_loaded_as_what_it_is() -> None:
    assert load_of(Stream("OBJ_files")).objects
    queue = load_of(Stream("Q", ("q.*",), retention=Retention.WORKQUEUE, max_messages=5))
    assert (queue.retention, queue.most_messages, queue.kv) == ("workqueue", 5, False)
    assert load_of(Stream("Q", ("q.*",), discard=Discard.NEW, max_messages=5)).most_messages == 0
    last = load_of(Stream("LAST", ("last.*",), max_messages_per_subject=2))
    assert (last.kv, last.history) == (True, 2)
    assert load_of(Stream("KV_c", max_messages_per_subject=9)).history == 9


def test_a_ledger_of_an_older_version_has_the_defaults() -> None:
    old = {"name": "A", "subject": "a", "kv": False, "templates": ["a.{key}"]}
    assert stream_from(old) == LedgerStream("A", "a", templates=("a.{key}",))


def test_objects_that_a_client_of_its_own_puts_say_nothing_of_the_service(tmp_path: Path) -> None:
    both = (LedgerStream("JOBS", "jobs"), LedgerStream("OBJ", "$O.x.C", kv=True, objects=True))
    history = _planted(tmp_path, QUEUE, [1, 2, 3]).history
    mixed = evolve(history, streams=both, stream=np.array([0, 1, 0], np.uint16))
    assert (of_the_service(mixed).ack_ns == NEVER).tolist() == [False, True, False]
    alone = evolve(mixed, stream=np.array([1, 1, 1], np.uint16))
    assert of_the_service(alone) is alone
    assert of_the_service(history) is history
