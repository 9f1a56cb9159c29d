"""Whatever a name contains, it stays text: judged by a CommonMark parser, not by looking at the escapes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from secondsite.publish.text.markdown import Md, code, fence, plain, prose, strong, table, text, width

_PARSER = MarkdownIt("gfm-like", {"linkify": False, "html": True})
_SNIPPETS = st.sampled_from(
    [
        "|", "\\", "`", "```", "*", "**", "_", "__a__", "[x](y)", "![x](y)", "<b>", "<!-- -->", "</td>", "&lt;",
        "&#35;", "\n", "\r\n", "\n\n# h", "\n- x", "\n| a |\n|---|", "~~x~~", "~", "# ", "- ", "+ ", "1. ", "1) ", "> ",
        "---", "===", "    x", "\t", "$x$", "https://e.x/y", "<https://e.x>", "www.e.x", "a@b.cd", "\x00", "\u202e",
        "\u2028", "\ud800", "[^1]", "[a1]", "{{ x }}", "{% x %}", "x" * 500, "\ufeff", "’", "表", "e\u0301",
    ]
)  # fmt: skip
HOSTILE = st.lists(st.one_of(_SNIPPETS, st.text(max_size=8)), max_size=6).map("".join)


def words(tokens: list[Token]) -> str:
    """What a reader sees of inline tokens; fails where anything but plain text was made of them."""
    seen = []
    for token in tokens:
        if token.type in ("text", "text_special", "code_inline"):
            seen.append(token.content)
        else:
            raise AssertionError(f"{token.type}: {token.content!r}")
    return "".join(seen)


def only_inline(source: str) -> list[Token]:
    """Of a document that is one paragraph."""
    tokens = _PARSER.parse(source)
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"], source
    return tokens[1].children or []


def test_what_is_blank_in_any_script_is_nothing() -> None:
    assert [plain(blank) for blank in ("", " ", "\u00a0", "\u3000 ", " \u2003\t")] == [""] * 5


@given(HOSTILE.filter(lambda value: bool(plain(value))))
def test_a_value_is_a_paragraph_of_its_own_words(value: str) -> None:
    assert words(only_inline(text(value))) == plain(value)


@given(HOSTILE.filter(lambda value: bool(plain(value))))
def test_a_value_in_code_is_one_piece_of_code(value: str) -> None:
    pieces = only_inline(code(value))
    assert [piece.type for piece in pieces] == ["code_inline"]
    assert pieces[0].content == plain(value)


@given(HOSTILE, HOSTILE, HOSTILE)
def test_a_table_keeps_its_shape_and_its_words(head: str, one: str, other: str) -> None:
    source = table((head, "x", "number\t"), [(one, code(other), text(other)), (Md("a"), strong("b"), "c")])
    tokens = _PARSER.parse(source)
    kinds = [token.type for token in tokens]
    assert kinds[0] == "table_open"
    assert kinds[-1] == "table_close"
    assert kinds.count("tr_open") == 3
    inline = [token.children or [] for token in tokens if token.type == "inline"]
    assert len(inline) == 9
    # the parser trims cells, of blanks that do not break too
    assert words(inline[3]).strip() == plain(one).strip()
    assert words(inline[4]).strip() == words(inline[5]).strip() == plain(other).strip()


@given(st.lists(HOSTILE, min_size=1, max_size=4), st.lists(HOSTILE, min_size=1, max_size=4))
def test_the_columns_of_a_table_line_up(left: list[str], right: list[str]) -> None:
    rows = [(one[:80], other[:80]) for one, other in zip(left, right, strict=False)]
    lines = table(("a", "b\t"), rows).split("\n")
    if all(width(line) < 120 for line in lines):
        assert len({width(line) for line in lines}) == 1


@given(st.lists(HOSTILE, max_size=4))
def test_a_fence_holds_what_was_put_into_it(values: list[str]) -> None:
    lines = [line for value in values for line in plain(value).split("\n")]
    tokens = _PARSER.parse(f"before\n\n{fence(lines)}\n\nafter")
    assert [token.type for token in tokens if token.type == "fence"] == ["fence"]
    assert next(token for token in tokens if token.type == "fence").content == "".join(f"{line}\n" for line in lines)


def test_values_that_never_end_are_cut() -> None:
    assert len(plain("x" * 100_000)) == 400
    assert plain("x" * 100_000).endswith("…")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("kgent-api", "kgent-api"),
        ("max_file_store", "max_file_store"),
        ("$1,854 a month", "$1,854 a month"),
        ("2.10", "2.10"),
        ("1. first", "1\\. first"),
        ("# heading", "\\# heading"),
        ("a|b", "a|b"),
        ("2\u00a0min", "2\u00a0min"),
    ],
)
def test_harmless_words_look_like_themselves(value: str, shown: str) -> None:
    assert text(value) == shown


def test_names_between_backticks_are_code_and_the_rest_is_text() -> None:
    assert prose("`secondsite gate` opens *once*") == "`secondsite gate` opens \\*once\\*"
    assert prose("one ` alone") == text("one ` alone")
    assert prose(code("made here")) == code("made here")


@given(HOSTILE)
def test_prose_stays_on_its_line_and_brings_no_markup_but_code(value: str) -> None:
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(prose(f"{value}`{value}`{value}"))
    kinds = {child.type for token in tokens for child in token.children or []}
    assert kinds <= {"text", "code_inline", "text_special"}
    assert {token.type for token in tokens} <= {"paragraph_open", "inline", "paragraph_close"}
