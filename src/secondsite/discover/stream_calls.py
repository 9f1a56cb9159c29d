"""Streams that a script adds with the `nats` command."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeVar

from secondsite.discover.draft import Draft
from secondsite.discover.resources import YamlNode
from secondsite.discover.shell_lines import Command, commands
from secondsite.discover.stream_flags import consumer_flags, is_switch, stream_flags
from secondsite.discover.streams import CHOICES, StreamDrafts, choose
from secondsite.discover.yaml_source import ScalarNode
from secondsite.model.errors import Problem
from secondsite.model.jetstream_config import USUAL
from secondsite.model.nats import StreamKind, StreamOrigin
from secondsite.model.place import Place
from secondsite.model.settings import Settings
from secondsite.model.units import Bytes, Seconds, parse_seconds

T = TypeVar("T")

_OBJECTS = {
    **dict.fromkeys(("stream", "str", "s"), "stream"),
    **dict.fromkeys(("consumer", "con", "c"), "consumer"),
    "kv": "kv",
    **dict.fromkeys(("object", "obj"), "object"),
}
_VERBS = frozenset({"add", "create", "new", "edit"})
_OF_BUCKETS = {"max-age": "ttl", "max-bytes": "max-bucket-size", "max-msg-size": "max-value-size"}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgtp]?)(?:i?b?)", re.IGNORECASE)
_REPEATED = ("subjects", "filter", "tag", "source")
_ACKNOWLEDGED = ("none", "all", "explicit")
_LONG = {"M": 30 * 86400.0, "y": 365 * 86400.0, "Y": 365 * 86400.0}


def read_script(text: str, first: Place, streams: StreamDrafts, given: Mapping[str, str] | None = None) -> bool:
    """Take the streams, buckets and consumers that a script adds with the `nats` command.

    A name that only the run knows is told, and left out.
    """
    any_call = False
    for command in commands(text, first, given or {}):
        call = _call(command)
        if call is None:
            continue
        kind, words = call
        plain, options = _split_options(words)
        if not plain or (kind == "consumer" and "config" in options):
            if kind == "stream" and options.get("config", "") not in streams.configured | {""}:
                what = f"adds a stream whose name and settings stand in {options['config']}, which was not read"
                streams.unread.append(Problem(command.place, what, "read it from the server with --nats"))
            continue
        unknown = next((word for word in plain[:2] if "$" in word or "`" in word), None)
        if unknown is not None:
            what = f"adds the {kind} {unknown}, a name that is known only at run time"
            streams.unread.append(Problem(command.place, what, "read it from the server with --nats"))
            continue
        if options.pop("config", "") and kind == "stream":
            streams.elsewhere[plain[0]] = command.place
        _take(kind, plain, options, command.place, streams)
        any_call = True
    return any_call


def _call(command: Command) -> tuple[str, list[str]] | None:
    """What `nats … stream add …` and the like add, and the words after it; options of `nats` may stand before."""
    words = list(command.words)
    program = next((number for number, word in enumerate(words) if word == "nats" or word.endswith("/nats")), None)
    rest = words[program + 1 :] if program is not None else []
    for number, word in enumerate(rest[:-1]):
        if word in _OBJECTS and rest[number + 1] in _VERBS:
            return _OBJECTS[word], rest[number + 2 :]
    return None


def _take(kind: str, plain: list[str], options: dict[str, str], place: Place, streams: StreamDrafts) -> None:
    if kind == "consumer":
        if len(plain) > 1:
            _call_consumer(streams.consumer(plain[0], plain[1], place), options, place)
        return
    if kind == "stream":
        _call_stream(streams.stream(plain[0], place), options, place)
        return
    draft = streams.bucket(StreamKind(kind), plain[0], place)
    words = {**options, **{key: options.get(own, "") for key, own in _OF_BUCKETS.items()}}
    words["compression"] = "s2" if "compress" in options else ""
    _call_stream(draft, {key: value for key, value in words.items() if value and key != "subjects"}, place)
    draft.read("settings", Settings({**USUAL[StreamKind(kind)], **draft.values.get("settings", {})}), place)
    if options.get("history", "").isdecimal():
        draft.read("max_messages_per_subject", int(options["history"]), place)


def _split_options(words: list[str]) -> tuple[list[str], dict[str, str]]:
    plain: list[str] = []
    options: dict[str, str] = {}
    waiting = ""
    for number, word in enumerate(words):
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            before = f"{options[name]}," if name in _REPEATED and options.get(name) else ""
            options[name] = before + value
            following = words[number + 1] if number + 1 < len(words) else ""
            switch = is_switch(name) or (name == "ack" and following not in _ACKNOWLEDGED)
            waiting = "" if equals or switch else name
        elif waiting and (not word.startswith("-") or word[1:].isdecimal()):
            options[waiting], waiting = options[waiting] + word, ""
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
            draft.read(attribute, _or_none(_seconds, options[key]), place)
    for key, attribute in (
        ("replicas", "replicas"),
        ("max-msgs", "max_messages"),
        ("max-msgs-per-subject", "max_messages_per_subject"),
    ):
        if options.get(key, "").isdecimal() and int(options[key]):
            draft.read(attribute, int(options[key]), place)
    if options.get("max-bytes", "-1") not in ("-1", "", "0"):
        draft.read("max_bytes", _or_none(_bytes, options["max-bytes"]), place)
    if options.get("mirror"):
        draft.read("mirror", StreamOrigin(options["mirror"]), place)
    sources = [part for part in options.get("source", "").split(",") if part]
    if sources:
        draft.read("sources", tuple(map(StreamOrigin, sources)), place)
    draft.read("placement", options.get("cluster") or options.get("tag") or None, place)
    draft.read("message_ttl", True if "allow-msg-ttl" in options else None, place)
    draft.read("settings", stream_flags(options, _size_or_none, _time_or_none) or None, place)


def _call_consumer(draft: Draft, options: dict[str, str], place: Place) -> None:
    filters = options.get("filter", "")
    draft.read("filter_subject", filters if filters and "," not in filters else None, place)
    draft.read("settings", consumer_flags(options, _time_or_none) or None, place)
    if options.get("replicas", "").isdecimal():
        draft.read("replicas", int(options["replicas"]), place)
    draft.read("ack_policy", options.get("ack") or None, place)
    if re.fullmatch(r"-?\d{1,9}", options.get("max-deliver", "")):
        draft.read("max_deliver", int(options["max-deliver"]), place)


def _size_or_none(text: str) -> Bytes | None:
    return _or_none(_bytes, text)


def _time_or_none(text: str) -> Seconds | None:
    return _or_none(_seconds, text) if text else None


def _or_none(parse: Callable[[str], T], text: str) -> T | None:
    try:
        return parse(text)
    except ValueError:
        return None


def _bytes(text: str) -> Bytes:
    """As the `nats` command has sizes: every unit is a power of 1024, 5GB too."""
    match = _SIZE.fullmatch(text.strip())
    if not match:
        raise ValueError(f"{text!r} is no size")
    return Bytes(round(float(match[1]) * 1024 ** " kmgtp".index((match[2] or " ").lower())))


def _seconds(text: str) -> Seconds:
    """As the `nats` command has durations: months and years too."""
    match = re.fullmatch(r"(\d+)([MyY])", text.strip())
    return Seconds(int(match[1]) * _LONG[match[2]]) if match else parse_seconds(text)
