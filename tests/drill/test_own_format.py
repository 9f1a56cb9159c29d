"""The user's own request and answer: what is sent, what counts as acknowledged, how what is stored is told again."""

from __future__ import annotations

import pytest

from secondsite.drill.gameday.form import StoredForm, _emptied, _foretells, _subject
from secondsite.drill.ledger.payload import altered, payload
from secondsite.drill.ledger.record import Status
from secondsite.drill.load.client_config import ClientConfig, NatsTarget, PathTarget, load_config
from secondsite.drill.load.http_connection import Response
from secondsite.drill.load.path_sender import PathSender, filled, request_of
from secondsite.drill.load.private import VARIABLE, environment, private
from secondsite.drill.load.sending import Write
from secondsite.model.errors import InputError

TARGET = PathTarget("https://api.example.io:8443/orders?x=1", "PUT", '{"n": "$ID", "k": "$KEY"}', (200, 201))
WRITE = Write("run.0.5", "", "17", "data of it")


def test_the_request_is_the_users_own() -> None:
    sent = request_of(TARGET, {"X-API-Key": "k", "content-type": "text/x"}, "api.example.io:8443", "/orders?x=1", WRITE)
    head, _, body = sent.decode().partition("\r\n\r\n")
    lines = head.split("\r\n")
    assert lines[0] == "PUT /orders?x=1 HTTP/1.1"
    assert body == '{"n": "run.0.5", "k": "17"}'
    assert {"Host: api.example.io:8443", "Nats-Msg-Id: run.0.5", "X-API-Key: k", "content-type: text/x"} <= set(lines)
    assert not [line for line in lines if line.startswith("Content-Type")]
    assert f"Content-Length: {len(body)}" in lines


def test_without_a_body_of_its_own_a_write_is_json() -> None:
    assert '"data": "data of it"' in filled("", WRITE)


@pytest.mark.parametrize(
    ("status", "body", "expected", "sequence"),
    [
        (201, b'{"seq": 12}', Status.STORED, 12),
        (201, b'{"sequence": "12"}', Status.STORED, 0),
        (201, b'{"sequence": true}', Status.STORED, 0),
        (201, b"[", Status.STORED, 0),
        (202, b"", Status.BUFFERED, 0),
        (204, b"", Status.REFUSED, 0),
        (503, b"", Status.REFUSED, 0),
        (504, b"", Status.UNKNOWN, 0),
    ],
)
def test_only_the_codes_of_the_file_acknowledge(status: int, body: bytes, expected: Status, sequence: int) -> None:
    plain = PathTarget("http://api.example.io/", "POST", "", (200, 201))
    answer = PathSender(plain, 0, 1.0, {}).answered(Response(status, body), "127.0.0.1")
    assert (answer.status, answer.stream_sequence) == (expected, sequence)


def test_what_proves_who_we_are_lies_in_no_file(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    from pathlib import Path

    client = ClientConfig("run", 0, str(tmp_path), (), TARGET)
    assert load_config(client.save()) == client
    nats = ClientConfig("run", 1, str(tmp_path), (), NatsTarget(("nats://h:1",), named={"h": "127.0.0.1"}))
    assert load_config(nats.save()) == nats
    handed = environment({"X-API-Key": "secret"}, {"user": "app"})
    monkeypatch.setenv(VARIABLE, handed[VARIABLE])
    assert (private("headers"), private("login")) == ({"X-API-Key": "secret"}, {"user": "app"})
    assert not [path for path in Path(str(tmp_path)).iterdir() if b"secret" in path.read_bytes()]
    assert environment({}, {}) == {}


def _written(key: str, number: int) -> Write:
    name = f"run.65535.{number}"
    return Write(name, "", key, payload(name, 64))


@pytest.mark.parametrize("template", ['{"n": "$ID", "t": "$DATA"}', "$DATA", "$KEY/$ID", "fixed"])
def test_what_a_service_makes_of_a_write_is_foretold(template: str) -> None:
    def stored(write: Write) -> str:
        return filled(template, write)

    one, other = _written("739001", 0), _written("739002", 1)
    learned = _emptied(stored(one), one)
    assert _foretells(learned, other.id, other.data, stored(other).encode())
    form = StoredForm("A", "e.A.{key}", learned, 64)
    name = "run.0.9"
    data = stored(Write(name, "", "3", payload(name, 64))).encode()
    assert altered(name, form.as_sent(name, data)) == 0


def test_another_writes_data_are_altered() -> None:
    one = _written("739001", 0)
    form = StoredForm("A", "e.A.{key}", _emptied(f'{{"t": "{one.data}"}}', one), 64)
    wrong = f'{{"t": "{payload("run.0.8", 64)}"}}'.encode()
    assert altered("run.0.9", form.as_sent("run.0.9", wrong)) != 0


def test_data_that_hold_the_time_are_not_foretold() -> None:
    one, other = _written("739001", 0), _written("739002", 1)
    assert not _foretells(_emptied(f"{one.id} at 12:01", one), other.id, other.data, f"{other.id} at 12:02".encode())


def test_a_subject_may_hang_on_the_key_alone() -> None:
    assert _subject("e.A.739001", "e.A.739002") == "e.A.{key}"
    assert _subject("e.A", "e.A") == "e.A"
    with pytest.raises(InputError):
        _subject("e.A.100", "e.A.101")
    with pytest.raises(InputError):
        _subject("e.A", "e.A.b")
