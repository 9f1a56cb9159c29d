"""Whatever a name, a reader or a terminal does: the exit code stands, and only what is meant reaches the terminal."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from secondsite.cli import __main__ as cli
from secondsite.model.errors import EXIT_DOES_NOT_HOLD, EXIT_ENVIRONMENT, EXIT_INTERNAL, InputError
from secondsite.model.printable import printable
from secondsite.model.redact import redacted

HOSTILE = """\
schema: secondsite/system/1
name: shop
region: {provider: aws, name: us-east-1}
services:
  - {name: "api\\e[2J\\u202Eevil\\x9b31m\\r", role: api, image: "shop/api:1\\x1b]0;owned\\x07"}
"""
SECONDSITE = [sys.executable, "-m", "secondsite"]


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    path = tmp_path / "secondsite.yaml"
    path.write_text(HOSTILE)
    return path


def controls(text: str) -> set[str]:
    return {letter for letter in text if letter != "\n" and printable(letter) != letter}


def run(*arguments: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[bytes]:
    whole = {**os.environ, **(env or {})}
    return subprocess.run([*SECONDSITE, *arguments], capture_output=True, check=False, timeout=60, env=whole)


@pytest.mark.parametrize("form", [[], ["--brief"], ["--json"], ["--format", "sarif"]])
def test_no_name_reaches_the_terminal_as_a_command(hostile: Path, form: list[str]) -> None:
    done = run("audit", "--file", str(hostile), *form)
    assert done.returncode == EXIT_DOES_NOT_HOLD
    text = done.stdout.decode()
    assert controls(text) == set()
    assert "evil" in text
    if form and form != ["--brief"]:
        assert "\x9b31m" in json.dumps(json.loads(text), ensure_ascii=False)


def test_an_error_is_printable_too(tmp_path: Path) -> None:
    path = tmp_path / "a\x1b[31m\u202e.yaml"
    path.write_text("schema: 3\n\x1b: 1\n")
    assert controls(run("audit", "--file", str(path)).stderr.decode()) == set()


def on_a_terminal(*arguments: str, env: Mapping[str, str] | None = None) -> tuple[int, bytes]:
    """The exit code, and what a terminal of its own is sent."""
    reader, writer = pty.openpty()
    whole = {**os.environ, **(env or {})}
    with subprocess.Popen([*SECONDSITE, *arguments], stdout=writer, stderr=writer, env=whole) as process:
        os.close(writer)
        seen = bytearray()
        try:
            while part := os.read(reader, 65536):
                seen += part
        except OSError:
            pass  # how a pseudo-terminal says that nobody writes any more
        finally:
            os.close(reader)
    return process.returncode, bytes(seen)


def test_on_a_terminal_only_our_own_colours_are_sent(hostile: Path) -> None:
    code, seen = on_a_terminal("audit", "--file", str(hostile))
    assert code == EXIT_DOES_NOT_HOLD
    assert b"\x1b[" in seen
    assert not any(sent in seen for sent in (b"\x1b[2J", b"\x1b]0;", "\x9b".encode(), "\u202e".encode()))


def test_an_error_fits_the_terminal_and_stays_one_line_in_a_pipe(tmp_path: Path) -> None:
    """What is typed stays whole."""
    missing = tmp_path / "a-folder-of-some-length" / "secondsite.yaml"
    _, seen = on_a_terminal("audit", "--file", str(missing), env={"COLUMNS": "80", "TERM": "xterm"})
    first, *rest = seen.decode().split("\r\n")[:-1]
    assert rest, "the error does not fit one line of 80 columns"
    assert all(line.startswith("  ") and cell_len(line) <= 80 for line in rest)
    assert any("`secondsite init PATH`" in line for line in (first, *rest))
    piped = run("audit", "--file", str(missing)).stderr.decode()
    assert " ".join(seen.decode().split()) == piped.strip()
    assert piped.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["audit", "--list"], ["drill", "--list"], ["no-such-verb"], ["audit", "--file", "/nowhere"]],
)
def test_no_color_and_the_width_hold_for_help_results_and_errors(arguments: list[str]) -> None:
    """NO_COLOR takes colours away (nothing else is sent by escapes), and no line of prose is wider than asked."""
    _, seen = on_a_terminal(*arguments, env={"NO_COLOR": "1", "COLUMNS": "72", "TERM": "xterm-256color"})
    text = seen.decode().replace("\r\n", "\n")
    assert not re.search(r"\x1b\[(?:[0-9;]*;)?(?:3[0-7]|4[0-7]|9[0-7]|38;|48;)", text)
    assert [
        line for line in text.splitlines() if cell_len(re.sub(r"\x1b\[[0-9;]*m", "", line)) > 72 and "/" not in line
    ] == []


def test_a_reader_that_goes_away_does_not_turn_red_into_green(hostile: Path) -> None:
    command = [*SECONDSITE, "audit", "--file", str(hostile), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.close()
        assert process.wait(60) == EXIT_DOES_NOT_HOLD
        assert process.stderr
        assert process.stderr.read() == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_under_standard_output_is_named() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([*SECONDSITE, "audit", "--list"], stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == EXIT_ENVIRONMENT
    assert done.stderr.decode().startswith("standard output: could not be written: No space left on device; free space")


def test_a_terminal_without_utf_8_gets_escapes() -> None:
    done = run("audit", "--explain", "dns-by-hand", env={"PYTHONIOENCODING": "latin-1"})
    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"\u03bc 3.47" in b" ".join(done.stdout.split())  # a line may be broken between any two words


def test_closed_streams_are_no_error() -> None:
    done = subprocess.run(f"{' '.join(SECONDSITE)} audit --list >&- 2>&-", shell=True, check=False)  # noqa: S602 # only a shell closes them
    assert done.returncode == 0


def test_a_defect_of_ours_is_no_verdict(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError("nats://app:hunter2@host:4222")

    monkeypatch.setattr(cli, "app", broken)
    assert cli.run(["audit"]) == EXIT_INTERNAL
    said = capsys.readouterr().err
    assert "internal error: KeyError: a defect of secondsite" in said
    assert "test_streams.py" in said
    assert "hunter2" not in said


@pytest.mark.parametrize(
    "text",
    [
        "AGE-SECRET-KEY-1SECRETSECRETSECRET is not an age public key",
        "nats://app:SECRET@host:4222",
        "http://u:p#SECRET/x@y@host/",
        "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYSECRET"[:58],
        "eyJhbGciOiJFZERTQSJ9.SECRETSECRET.SECRET",
        "-----BEGIN EC PRIVATE KEY-----\nSECRET\n-----END EC PRIVATE KEY-----",
        "https://host/path?token=SECRET&x=1",
        "password: SECRET",
        '{"api_key": "SECRET"}',
        'asked with "password: \\"SECRET\\""',
        "Authorization: Bearer SECRETSECRET",
        "--passphrase=SECRET",
        "aws_secret_access_key = SECRET/SECRET",
    ],
)
def test_no_message_repeats_a_secret(text: str) -> None:
    assert "SECRET" not in redacted(text).replace("AGE-SECRET-KEY-", "")
    assert text not in str(InputError.at("--option", f"{text!r} is wrong", "write another"))


@pytest.mark.parametrize(
    "text",
    [
        *("secrets.api-keys: a.yaml:3", "token: env:TOKEN", "s3://bucket/prefix", "a@b", "seed: 7", "--seed=7"),
        "the basic settings: 3",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redacted(text) == text


@given(st.text())
def test_what_is_printable_stays_and_nothing_else_does(text: str) -> None:
    shown = printable(text)
    assert controls(shown) == set()
    assert printable(shown) == shown
