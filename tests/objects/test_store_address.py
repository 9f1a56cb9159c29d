"""Stores as people write them."""

from __future__ import annotations

import pytest

from secondsite.model.errors import InputError
from secondsite.objects.address import StoreAddress, parse_store


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("file:///var/backups", StoreAddress("file", "/var/backups")),
        ("file:///with%20space/", StoreAddress("file", "/with space")),
        ("s3://bucket", StoreAddress("s3", "bucket")),
        ("s3://bucket/a/b/", StoreAddress("s3", "bucket", "a/b")),
        ("gs://bucket/p", StoreAddress("gs", "bucket", "p")),
        ("az://container/p", StoreAddress("az", "container", "p")),
    ],
)
def test_what_is_a_store(text: str, address: StoreAddress) -> None:
    assert parse_store(text) == address


@pytest.mark.parametrize(
    "text", ["", "/var/backups", "file://host/x", "http://x/y", "s3://", "s3:///x", "ftp://h/p", "bucket/prefix"]
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(InputError, match="is not the URL of an object store"):
        parse_store(text)


@pytest.mark.parametrize("text", ["s3://key:secret@bucket/p", "s3://bucket/p?X-Amz-Signature=abc", "s3://bucket#f"])
def test_a_secret_in_a_url_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_store(text)
    assert "secret" not in str(refused.value)
    assert "abc" not in str(refused.value)


def test_an_endpoint_is_for_servers_only() -> None:
    assert parse_store("s3://b", "http://127.0.0.1:9000/").endpoint == "http://127.0.0.1:9000"
    for text, endpoint in (("file:///x", "http://h"), ("s3://b", "h:9000"), ("s3://b", "http://u:p@h")):
        with pytest.raises(InputError) as refused:
            parse_store(text, endpoint)
        assert refused.value.problems[0].place.file == "--endpoint"
