"""Streams that a script adds with the `nats` command."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from typing import TypeVar

from secondsite.discover.draft import Draft
from secondsite.discover.resources import YamlNode
from secondsite.discover.streams import CHOICES, StreamDrafts, choose
from secondsite.discover.yaml_source import ScalarNode
from secondsite.model.nats import StreamOrigin
from secondsite.model.place import Place
from secondsite.model.units import parse_bytes, parse_seconds

T = TypeVar("T")

_CALL = re.compile(r"\bnats(?:\s+-\S+(?:\s+[^-\s]\S*)?)*?\s+(stream|str|consumer|con)\s+(?:add|create|new|edit)\s+(.*)")


def read_script(text: str, first: Place, streams: StreamDrafts) -> bool:
    """Take the streams that a script adds with the `nats` command; calls with variables are left alone."""
    found = False
    for place, line in logical_lines(text, first):
        match = _CALL.search(line)
        if not match:
            continue
        words = _words(match[2])
        plain, options = _split_options(words)
        if "config" in options or not plain or any("$" in word for word in plain):
            continue
        if match[1].startswith("con"):
            if len(plain) > 1:
                _call_consumer(streams.consumer(plain[0], plain[1], place), options, place)
        else:
            _call_stream(streams.stream(plain[0], place), options, place)
        found = True
    return found


def logical_lines(text: str, first: Place) -> Iterator[tuple[Place, str]]:
    """Lines without comments, those that end in a backslash joined, each with the place of its first part."""
    held, start = "", 0
    for number, line in enumerate(text.splitlines()):
        if not held:
            start = number
        if line.lstrip().startswith("#"):
            continue
        if line.endswith("\\"):
            held += line[:-1] + " "
            continue
        yield Place(first.file, first.line + start), held + line
        held = ""
    if held:
        yield Place(first.file, first.line + start), held


def _words(text: str) -> list[str]:
    try:
        return shlex.split(re.split(r"\|\||&&|;|\s[12]?>", text)[0], comments=True)
    except ValueError:
        return text.split()


def _split_options(words: list[str]) -> tuple[list[str], dict[str, str]]:
    plain: list[str] = []
    options: dict[str, str] = {}
    waiting = ""
    for word in words:
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            options[name] = value
            waiting = "" if equals else name
        elif waiting and not word.startswith("-"):
            options[waiting], waiting = word, ""
        else:
            plain.append(word)
    return plain, options


def _call_stream(draft: Draft, options: dict[str, str], place: Place) -> None:
    if options.get("subjects"):
        draft.read("subjects", tuple(part.strip() for part in options["subjects"].split(",")), place)
    for key in CHOICES:
        if options.get(key):
            choose(draft, key, YamlNode(ScalarNode(options[key], options[key], place)))
    for key, attribute in (("max-age", "max_age_s"), ("dupe-window", "duplicate_window_s")):
        if options.get(key, "-1") not in ("-1", "", "0"):
            draft.read(attribute, _or_none(parse_seconds, options[key]), place)
    for key, attribute in (
        ("replicas", "replicas"),
        ("max-msgs", "max_messages"),
        ("max-msgs-per-subject", "max_messages_per_subject"),
    ):
        if options.get(key, "").isdecimal() and int(options[key]):
            draft.read(attribute, int(options[key]), place)
    if options.get("max-bytes", "-1") not in ("-1", "", "0"):
        draft.read("max_bytes", _or_none(parse_bytes, options["max-bytes"]), place)
    if options.get("mirror"):
        draft.read("mirror", StreamOrigin(options["mirror"]), place)


def _call_consumer(draft: Draft, options: dict[str, str], place: Place) -> None:
    draft.read("filter_subject", options.get("filter") or None, place)
    draft.read("ack_policy", options.get("ack") or None, place)
    if re.fullmatch(r"-?\d{1,9}", options.get("max-deliver", "")):
        draft.read("max_deliver", int(options["max-deliver"]), place)


def _or_none(parse: Callable[[str], T], text: str) -> T | None:
    try:
        return parse(text)
    except ValueError:
        return None
