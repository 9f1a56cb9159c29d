"""Addresses, options and credentials: what is taken, what is refused, and that no secret is shown."""

from __future__ import annotations

import base64
import binascii
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secondsite.model.errors import InputError
from secondsite.nats.address import parse_addresses
from secondsite.nats.credentials import from_credentials, from_nkey
from secondsite.nats.options import ConnectOptions
from secondsite.nats.place import nats_place


@pytest.mark.parametrize(
    ("text", "shown", "host"),
    [
        ("nats://a", "nats://a:4222", "a"),
        ("a:5222", "nats://a:5222", "a"),
        ("TLS://u:p@a.b.c:4222/", "tls://a.b.c:4222", "a.b.c"),
        ("nats://tok/en@a", "nats://a:4222", "a"),
        ("nats://u:p@w@[::1]:4222", "nats://[::1]:4222", "[::1]"),
    ],
)
def test_an_address_is_shown_without_its_user(text: str, shown: str, host: str) -> None:
    (address,) = parse_addresses(text)
    assert (address.shown, address.host) == (shown, host)
    assert (address.user is not None) is ("@" in text)
    assert "@" not in address.url


def test_several_addresses() -> None:
    assert [address.shown for address in parse_addresses("a, tls://b")] == ["nats://a:4222", "tls://b:4222"]


@pytest.mark.parametrize("text", ["", "http://a:8222", "nats://", "nats://a:0", "nats://a:99999", "a b", "a,,b", "a:x"])
def test_what_is_no_address_is_refused_unseen(text: str) -> None:
    with pytest.raises(InputError, match="--nats: not the URL of a NATS server; write nats://host:4222") as caught:
        parse_addresses(text)
    assert str(caught.value).count("\n") == 0


@settings(deadline=None)
@given(st.text())
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        addresses = parse_addresses(text)
    except InputError:
        return
    assert all("@" not in address.shown for address in addresses)


@settings(deadline=None)
@given(st.text(min_size=1).filter(lambda text: "," not in text))
def test_a_secret_in_an_address_is_never_shown(secret: str) -> None:
    try:
        (address,) = parse_addresses(f"nats://{secret}@host:4222")
    except InputError:
        return
    assert (address.shown, repr(address)) == ("nats://host:4222", "Address(shown='nats://host:4222', host='host')")


def test_the_environment_fills_what_was_not_given() -> None:
    environment = {"NATS_USER": "u", "NATS_PASSWORD": "hunter2", "NATS_CREDS": "c", "NATS_TOKEN": "t0ken"}
    options = ConnectOptions().with_environment(environment)
    assert (options.user, options.password, options.token, options.credentials) == ("u", "hunter2", "t0ken", Path("c"))
    assert "hunter2" not in repr(options)
    assert "t0ken" not in repr(options)
    named = ConnectOptions(user="me").with_environment(environment)
    assert (named.user, named.credentials) == ("me", None)
    assert ConnectOptions().with_environment({}) == ConnectOptions()


# The pair that NATS's documentation shows for nkeys.
SEED = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY"
PUBLIC = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"


def test_a_seed_gives_its_public_key(tmp_path: Path) -> None:
    (tmp_path / "nk").write_text(f"{SEED}\n")
    signer = from_nkey(tmp_path / "nk")
    assert signer.public_key == PUBLIC
    assert len(signer.sign("nonce")) == 88
    assert SEED not in repr(signer)


def of_account(seed: str) -> str:
    """The seed with the prefix of an account, and a checksum to match."""
    raw = base64.b32decode(seed + "=" * (-len(seed) % 8))[2:34]
    raw = bytes([18 << 3, 0]) + raw
    return base64.b32encode(raw + binascii.crc_hqx(raw, 0).to_bytes(2, "little")).decode().rstrip("=")


@pytest.mark.parametrize(
    "text", [of_account(SEED), "", "SUA", SEED[:-1] + "A", "SA" + SEED[2:], SEED.lower(), "\0\xff", SEED[:20]]
)
def test_what_is_no_seed_is_refused_unseen(text: str, tmp_path: Path) -> None:
    (tmp_path / "nk").write_text(text)
    with pytest.raises(InputError) as caught:
        from_nkey(tmp_path / "nk")
    assert len(text) < 4 or text not in str(caught.value)
    assert "SU" in caught.value.problems[0].remedy


@pytest.mark.parametrize("text", ["", SEED, "-----BEGIN NATS USER JWT-----\n\n", "x" * 10**6])
def test_what_is_no_credentials_file_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "creds").write_text(text)
    with pytest.raises(InputError, match="holds no user JWT with its seed"):
        from_credentials(tmp_path / "creds")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        from_credentials(tmp_path / "none")


@pytest.mark.parametrize(
    ("url", "user", "password", "token"),
    [
        ("nats://u:p#x@h:1", "u", "p#x", None),
        ("nats://u:p/x?y@h:1", "u", "p/x?y", None),
        ("nats://u:p%40x@h", "u", "p@x", None),
        ("nats://t0ken@h", None, None, "t0ken"),
        ("nats://h", None, None, None),
    ],
)
def test_the_login_of_a_url(url: str, user: str | None, password: str | None, token: str | None) -> None:
    (address,) = parse_addresses(url)
    found = ConnectOptions().with_login(address.user, address.password)
    assert (found.user, found.password, found.token) == (user, password, token)
    named = ConnectOptions(user="me")
    assert named.with_login(address.user, address.password) == named


@pytest.mark.parametrize("value", [1, [], {}, True, 1.5, ["a"]])
@pytest.mark.parametrize("key", ["url", "user", "password", "token", "creds", "nkey", "ca", "inbox_prefix", "nsc"])
def test_a_context_holds_text(key: str, value: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    path = tmp_path / "nats" / "context" / "prod.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"url": "nats://h", key: value}))
    with pytest.raises(InputError, match=rf"prod\.json: {key} is no text; write it in quotes"):
        nats_place(None, ConnectOptions(), context="prod")


@pytest.mark.parametrize("text", ["[" * 100_000, "3", "null", "\xff", '{"url": "nats://h"', ""])
def test_what_is_no_context_is_refused(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    path = tmp_path / "nats" / "context" / "prod.json"
    path.parent.mkdir(parents=True)
    path.write_text(text, "latin-1")
    with pytest.raises(InputError, match="list them with: nats context ls"):
        nats_place(None, ConnectOptions(), context="prod")
