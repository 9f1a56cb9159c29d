"""The loader: places, values, and nothing but documents or an InputError whatever the text."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from secondsite.discover import yaml_source
from secondsite.discover.yaml_source import (
    ListNode,
    MapNode,
    Node,
    ScalarNode,
    load_documents,
    load_manifests,
    read_text,
    to_plain,
)
from secondsite.model.errors import InputError, Problem
from secondsite.model.place import Place


def one(text: str) -> Node:
    (document,) = load_documents(text, "a.yaml")
    return document


def problem(text: str) -> str:
    with pytest.raises(InputError) as caught:
        load_documents(text, "a.yaml")
    return str(caught.value)


def test_every_node_knows_its_line_and_column() -> None:
    node = one("a:\n  - x\n  - b: 1\n")
    assert isinstance(node, MapNode)
    assert node.keys["a"] == Place("a.yaml", 1, 1)
    items = node.entries["a"]
    assert isinstance(items, ListNode)
    assert [item.place for item in items.items] == [Place("a.yaml", 2, 5), Place("a.yaml", 3, 5)]


PRIVATE = "\ue000\ue001\ue002"


@pytest.mark.parametrize("read", [load_documents, load_manifests])
def test_characters_of_private_use_are_kept(read: Callable[[str, str], list[Node]]) -> None:
    (document,) = read(f"{{a: '{PRIVATE}'}}", "a.yaml")
    assert to_plain(document) == {"a": PRIVATE}


@pytest.mark.parametrize("read", [load_documents, load_manifests])
def test_a_quoted_merge_key_is_a_key(read: Callable[[str, str], list[Node]]) -> None:
    (document,) = read("a: &x {b: 1}\nc:\n  '<<': *x\nd:\n  <<: *x\n", "a.yaml")
    assert to_plain(document) == {"a": {"b": 1}, "c": {"<<": {"b": 1}}, "d": {"b": 1}}


def test_they_are_kept_beside_a_variable_in_braces() -> None:
    (document,) = load_manifests(f"{{a: '{PRIVATE}', size: ${{SIZE}}}}", "a.yaml")
    assert to_plain(document) == {"a": PRIVATE, "size": "${SIZE}"}


def test_a_block_knows_where_its_text_begins() -> None:
    node = one("a: 1\ntext: |\n  first\n  second\n")
    assert isinstance(node, MapNode)
    text = node.entries["text"]
    assert isinstance(text, ScalarNode)
    assert (text.text, text.first_line, text.block) == ("first\nsecond\n", 3, True)


def test_embedded_text_is_placed_in_the_file_around_it() -> None:
    (document,) = load_documents('{\n "name": "x"\n}', "a.yaml", first_line=10)
    assert isinstance(document, MapNode)
    assert document.keys["name"] == Place("a.yaml", 11)


def test_scalars_follow_the_core_schema() -> None:
    text = "[1, -2, 0x1F, 0o17, 1.5, 1e3, true, null, ~, yes, 012, '1', \"2\", 1:30, .inf, !!str 5]"
    assert to_plain(one(text)) == [
        *(1, -2, 31, 15, 1.5, 1000.0, True, None, None),
        *("yes", 12, "1", "2", "1:30", math.inf, "5"),
    ]


def test_aliases_and_merge_keys_are_applied() -> None:
    node = one("base: &b {x: 1, y: 2}\nuse: {<<: *b, y: 3}\nsame: *b\n")
    assert to_plain(node) == {"base": {"x": 1, "y": 2}, "use": {"x": 1, "y": 3}, "same": {"x": 1, "y": 2}}


def test_empty_documents_are_left_out() -> None:
    assert [to_plain(node) for node in load_documents("---\n---\na: 1\n---\n# nothing\n", "a")] == [{"a": 1}]


def test_all_duplicate_keys_are_told_at_once() -> None:
    told = problem("a: 1\nb: 1\na: 2\nb: 2\n")
    assert told.splitlines() == [
        "a.yaml:3:1: 'a' is written twice, first at line 1; keep one of the two",
        "a.yaml:4:1: 'b' is written twice, first at line 2; keep one of the two",
    ]


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        ("a: [1,\n", "a.yaml:2:1", "is not YAML"),
        ("a: 1\n b: 2\n", "a.yaml:2:3", "is not YAML"),
        ("a: *gone\n", "a.yaml:1:4", "refers to no anchor"),
        ("a: &a [*a]\n", "a.yaml:1:8", "contains itself"),
        ("[" * 200, "a.yaml:1:101", "nested deeper"),
        ("? [a]\n: 1\n", "a.yaml:1:3", "is itself a collection"),
        ("a:\n  {{ .Values.x }}\n", "a.yaml:2:4", "itself a collection"),
        ("a:\n{{- if .Values.x }}\n", "a.yaml:3:1", "is a template"),
        ("a: \x01\n", "a.yaml", "not YAML"),
        ('a: "\\UFFFFFFFF"\n', "a.yaml", "not YAML"),
        ("%a\n", "a.yaml:2:1", "is not YAML"),
        ("a: {<<: 3}\n", "a.yaml:1:9", "takes a mapping"),
    ],
)
def test_bad_text_is_an_error_with_its_place(text: str, place: str, what: str) -> None:
    told = problem(text)
    assert told.startswith(place + ":")
    assert what in told


def test_an_alias_bomb_is_refused_before_it_unfolds() -> None:
    levels = [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    assert "unfold to more than" in problem("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "\n".join(levels))


def test_more_values_than_the_limit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_source, "MAX_NODES", 100)
    assert "more than 100 values" in problem("\n".join(f"- {i}" for i in range(101)))


def test_large_binary_and_missing_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_source, "MAX_FILE_BYTES", 10)
    (tmp_path / "big.yaml").write_text("a: 1234567890")
    (tmp_path / "binary.yaml").write_bytes(b"a: \0")
    (tmp_path / "latin.yaml").write_bytes(b"a: 1\n\xe9")
    (tmp_path / "wide.yaml").write_bytes("a: 1".encode("utf-16"))
    for name, what in {
        "big.yaml": "big.yaml: the file has 13 bytes",
        "binary.yaml": "binary.yaml: is binary",
        "wide.yaml": "wide.yaml: is UTF-16 text, as PowerShell writes it; save it as UTF-8",
        "latin.yaml": "latin.yaml:2: is not UTF-8",
        "none.yaml": "none.yaml: cannot be read",
    }.items():
        with pytest.raises(InputError, match=what):
            read_text(tmp_path / name, name)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.characters(codec="ascii", exclude_characters="\x7f", min_codepoint=32), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abcxyz", min_size=1, max_size=4), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(JSON.filter(lambda value: value is not None))
@settings(max_examples=150, deadline=None)
def test_json_reads_as_json_does(value: object) -> None:
    assert to_plain(one(json.dumps(value))) == value


PIECES = [
    *"abn01 :-,[]{}&*!|>'\"%#@`?~<.\t\\/xuU=\x00\x85\u2028\ud800é",
    *("\n", "\n  ", "\n- ", "---\n", "...\n", "<<: ", "a: ", "b: ", "- ", "&a ", "*a ", "&b ", "*b "),
]
YAML_LIKE = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)


@given(YAML_LIKE | st.text(max_size=40) | st.binary(max_size=40).map(lambda data: data.decode("latin-1")))
@example("%a\n%a\n")
@example('"\\xZZ"')
@example("!<")
@example("&a: *a")
@settings(max_examples=600, deadline=None)
def test_any_text_is_documents_or_an_input_error(text: str) -> None:
    problems: tuple[Problem, ...] = ()
    documents: list[Node] = []
    try:
        documents = load_documents(text, "a.yaml")
    except InputError as error:
        problems = error.problems or (Problem(Place("none"), "", ""),)
    assert all(isinstance(node, ScalarNode | ListNode | MapNode) for node in documents)
    assert all(found.place.file == "a.yaml" and found.what and found.remedy for found in problems)
