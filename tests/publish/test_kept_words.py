"""A team's own words survive every regeneration, byte for byte, or the run says why not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondsite.model.errors import InputError
from secondsite.publish.files import markers
from secondsite.publish.text import kept_sections as kept
from secondsite.publish.text.kept_sections import section, with_words, words

NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True)
WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"))
OWN = WORDS.filter(lambda one: "team:" not in one and one.strip())


def document(names: list[str]) -> str:
    return "# generated\n\n" + "\n\n".join(f"## {name}\n\n{section(name)}" for name in names) + "\n"


@given(st.dictionaries(NAMES, OWN, max_size=4), st.lists(NAMES, unique=True, max_size=4))
def test_no_word_is_lost_whatever_sections_are_left(own: dict[str, str], left: list[str]) -> None:
    written = with_words(document(list(own)), own)
    again = with_words(document(left), words(written, "x.md"))
    closed = {name: one if one.endswith("\n") else f"{one}\n" for name, one in own.items()}
    assert {name: one for name, one in words(again, "x.md").items() if one.strip()} == closed


@given(st.dictionaries(NAMES, OWN, max_size=4))
def test_a_second_run_changes_nothing(own: dict[str, str]) -> None:
    once = with_words(document(list(own)), own)
    assert with_words(document(list(own)), words(once, "x.md")) == once


@pytest.mark.parametrize(
    ("broken", "line"),
    [
        ("a\n<!-- team:x -->\nwords\n", 2),
        ("<!-- team:x -->\n<!-- /team:x -->\n\n<!-- team:x -->\n<!-- /team:x -->\n", 4),
    ],
)
def test_broken_markers_are_named_with_their_line(broken: str, line: int) -> None:
    with pytest.raises(InputError) as caught:
        words(broken, "docs/x.md")
    assert str(caught.value).startswith(f"docs/x.md:{line}:")


def test_words_of_a_section_that_is_gone_move_to_the_end() -> None:
    again = with_words(document(["a"]), {"gone": "ours\n"})
    assert again.endswith("## Words without a section\n\n<!-- team:gone -->\nours\n<!-- /team:gone -->\n")


OUTSIDE = st.binary(max_size=60).filter(lambda one: b"secondsite" not in one)


@given(OUTSIDE, OUTSIDE, st.text(max_size=30), st.sampled_from([b"\n", b"\r\n"]))
def test_not_a_byte_outside_the_markers_changes(before: bytes, after: bytes, text: str, newline: bytes) -> None:
    around = before + newline + markers.BEGIN + newline + b"old" + newline + markers.END + newline + after
    text = text.replace("\r", "")
    written = markers.put(around, text, "runbook.md")
    assert written.startswith(before + newline + markers.BEGIN + newline)
    assert written.endswith(markers.END + newline + after)
    assert markers.put(written, text, "runbook.md") == written
    assert markers.inside(written, "runbook.md").strip("\n") == text.strip("\n")


@given(OUTSIDE)
def test_a_runbook_without_markers_gets_them_at_its_end(runbook: bytes) -> None:
    written = markers.put(runbook, "section", "runbook.md")
    assert written.startswith(runbook)
    assert markers.inside(written, "runbook.md") == "section\n"
    assert markers.put(written, "section", "runbook.md") == written


@pytest.mark.parametrize(
    "runbook",
    [
        markers.BEGIN + b"\n",
        markers.END + b"\n" + markers.BEGIN + b"\n",
        (markers.BEGIN + b"\n" + markers.END + b"\n") * 2,
    ],
)
def test_markers_that_are_not_one_pair_are_refused(runbook: bytes) -> None:
    with pytest.raises(InputError, match=r"^runbook\.md:\d+: .*keep one pair"):
        markers.put(runbook, "section", "runbook.md")


def test_a_marker_inside_a_line_is_no_marker() -> None:
    runbook = b"see " + markers.BEGIN + b" and " + markers.END + b"\n"
    assert markers.cut(runbook, "runbook.md") is None


def test_sections_inside_the_runbook_are_kept_too() -> None:
    own = kept.with_words(f"x\n{section('on-call')}\n", {"on-call": "Ada, 555\n"})
    written = markers.put(b"# ours\n", own, "runbook.md")
    found = kept.words(markers.inside(written, "runbook.md"), "runbook.md")
    assert found == {"on-call": "Ada, 555\n"}
