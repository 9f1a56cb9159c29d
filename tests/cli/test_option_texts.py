"""Every option and argument of every verb says what it is."""

from __future__ import annotations

from collections.abc import Iterator

from cyclopts import App

from secondsite.cli.__main__ import app


def _verbs(of: App, path: tuple[str, ...] = ()) -> Iterator[tuple[str, App]]:
    for name in (name for name in of if not name.startswith("-")):
        verb = of[name]
        yield from _verbs(verb, (*path, name))
        if verb.default_command is not None:
            yield " ".join((*path, name)), verb


def _options() -> Iterator[tuple[str, str, str]]:
    for verb, of in _verbs(app):
        for one in of.assemble_argument_collection(parse_docstring=True):
            if one.show:
                yield verb, one.name, one.parameter.help or ""


def test_every_option_says_what_it_is() -> None:
    texts = list(_options())
    assert len(texts) > 400
    assert [f"{verb} {name}" for verb, name, text in texts if not text] == []


def test_what_holds_by_default_is_said_in_a_sentence() -> None:
    """``all without`` and ``the one of --from without`` were read as a mistake."""
    ends = ("without.", "without", "by default all")
    assert [f"{verb} {name}: {text}" for verb, name, text in _options() if text.rstrip().endswith(ends)] == []
