"""Whatever a stream's subjects hold, a shut gate is one that the server reads, and that denies exactly them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some
from region_pair import BINARY

from secondsite.discover.nats_conf import parse_conf
from secondsite.model.validate import not_a_subject
from secondsite.operate.gate import is_open_file, write_gate_file
from secondsite.strategies.nats_grammar import nats_conf
from secondsite.strategies.nats_quote import nats_string
from secondsite.strategies.write_gate import shut

TEXTS = some.text(some.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)
ODD = ('a"b', "größe.>", "a\\b.*", "日本.é", "$x.y", "a#b", "it's", "{a}", "a;b", "%41", "\u200b.x", "\U0001f600")


@given(texts=some.lists(TEXTS, max_size=4))
def test_it_is_read_back_as_it_was(texts: list[str]) -> None:
    conf = parse_conf(nats_conf({"one": {"list": texts}, "text": "".join(texts)}), "nats.conf").values
    assert conf == {"one": {"list": texts}, "text": "".join(texts)}


def test_the_server_reads_it(tmp_path: Path) -> None:
    """It refused \\u00e9, and an unescaped quote ended the string."""
    config = tmp_path / "nats.conf"
    users = f"users: [{{user: a, password: {nats_string(chr(9) + 'ö')}, permissions {{ publish {{ {shut(ODD)} }} }} }}]"
    config.write_text(f"server_name: {nats_string('né')}\naccounts {{ A {{ {users} }} }}\n", encoding="utf-8")
    checked = subprocess.run([BINARY, "-t", "-c", config], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


def test_a_gate_with_odd_subjects_shuts(tmp_path: Path) -> None:
    file = tmp_path / "gate" / "r.conf"
    write_gate_file(file, ODD, is_open=False)
    assert not is_open_file(file)
    assert parse_conf(file.read_text("utf-8"), "gate").values == {"deny": list(ODD)}
    write_gate_file(file, ODD, is_open=True)
    assert is_open_file(file)


@pytest.mark.parametrize("subject", [*ODD, "a.*.b.>", ">", "*", "a>b.c"])
def test_subjects_of_servers(subject: str) -> None:
    assert not not_a_subject(subject)


@pytest.mark.parametrize("subject", ["a b", "a..b", "", ".a", "a.", "a\n", "a\x00b", "a.>.b", "a\x7f", "a\u2003b"])
def test_what_is_no_subject(subject: str) -> None:
    assert not_a_subject(subject)
