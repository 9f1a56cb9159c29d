"""The command line that a NATS server is started with, laid over its file as the server lays it.

Go's flags: one dash or two, the value after a blank or after ``=``; switches take none. A shell's ``-c`` holds the
command in a script.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from attrs import evolve, frozen

from secondsite.discover.nats_conf import Conf
from secondsite.discover.nats_conf import Path as ConfPath
from secondsite.discover.resources import YamlNode
from secondsite.discover.shell_lines import logical_lines
from secondsite.discover.yaml_source import ScalarNode
from secondsite.model.place import Place

_LONG = {"js": "jetstream", "sd": "store_dir", "c": "config", "n": "server_name", "name": "server_name"}
_SWITCHES = frozenset(
    {
        *("jetstream", "tls", "tlsverify", "no_advertise", "syslog", "logtime", "logtime_utc", "debug", "trace"),
        *("T", "s", "D", "V", "VV", "DV", "DVV", "t", "h", "help", "v", "version"),
    }
)
_SHELLS = re.compile(r"(?:.*/)?(?:ba|da|a)?sh")
_PROGRAM = re.compile(r"(?:.*/)?nats-server")
_KEYS: Mapping[str, ConfPath] = {
    "cluster_name": ("cluster", "name"),
    "cluster": ("cluster", "listen"),
    "cluster_listen": ("cluster", "listen"),
    "server_name": ("server_name",),
}


@frozen
class Word:
    text: str
    place: Place


@frozen
class CommandLine:
    """``options`` by their long names; a switch that is given alone is ``true``."""

    options: Mapping[str, Word]
    given: bool

    @property
    def jetstream(self) -> Word | None:
        option = self.options.get("jetstream")
        return option if option and option.text.lower() in ("true", "1", "t") else None

    @property
    def config(self) -> str:
        return self.options["config"].text if "config" in self.options else ""


def command_line(container: YamlNode) -> CommandLine:
    """What the container's command and arguments say, in a shell too."""
    items = [item for key in ("command", "args") for item in container[key].items]
    words = [Word(item.text, item.place or Place("?")) for item in items]
    script = _script(items)
    if script is not None:
        words = list(_started(script))
    return CommandLine(dict(_options(words)), bool(words))


def names_a_server(container: YamlNode) -> bool:
    """Whether the arguments are those of nats-server, whatever the image is called."""
    items = [item for key in ("command", "args") for item in container[key].items]
    script = _script(items)
    words = list(_started(script)) if script is not None else [Word(item.text, Place("?")) for item in items]
    started = script is not None and bool(words)
    config = dict(_options(words)).get("config")
    named = config is not None and re.fullmatch(r".*nats(-server)?\.conf", config.text) is not None
    return named or started or any(_PROGRAM.fullmatch(word.text) for word in words)


def _script(items: Sequence[YamlNode]) -> YamlNode | None:
    """The text that a shell is given to run."""
    texts = [item.text for item in items]
    if not texts or not _SHELLS.fullmatch(texts[0]):
        return None
    return next((item for item in items[1:] if not item.text.startswith(("-", "+"))), None)


def _started(script: YamlNode) -> Iterator[Word]:
    """The words after nats-server, up to the end of that command."""
    if not isinstance(script.node, ScalarNode):
        return
    first = Place(script.node.place.file, script.node.first_line)
    for place, line in logical_lines(script.text, first):
        try:
            words = shlex.split(line, comments=True)
        except ValueError:
            words = line.split()
        start = next((number for number, word in enumerate(words) if _PROGRAM.fullmatch(word)), None)
        if start is None:
            continue
        for word in words[start + 1 :]:
            if word in ("&&", "||", "|", "&", ";"):
                return
            yield Word(word.rstrip(";"), place)
        return


def _options(words: Sequence[Word]) -> Iterator[tuple[str, Word]]:
    waiting = ""
    for word in words:
        if waiting:
            yield waiting, word
            waiting = ""
        elif word.text.startswith("-") and word.text.strip("-"):
            name, equals, value = word.text.lstrip("-").partition("=")
            name = _LONG.get(name, name)
            if equals or name in _SWITCHES:
                yield name, Word(value if equals else "true", word.place)
            else:
                waiting = name


def overlaid(conf: Conf, line: CommandLine) -> Conf:
    """The configuration with what the command line says in its place."""
    values: dict[str, Any] = dict(conf.values)
    places = dict(conf.places)
    switch = line.jetstream
    if switch:
        block = values.get("jetstream")
        known = block if isinstance(block, dict) else {}
        values["jetstream"] = {**known, "enabled": True}
        places[("jetstream", "enabled")] = switch.place
        places.setdefault(("jetstream",), switch.place)
    store = line.options.get("store_dir")
    if store:
        path: ConfPath = ("jetstream", "store_dir") if isinstance(values.get("jetstream"), dict) else ("store_dir",)
        _put(values, places, path, store.text, store.place)
    for option, path in _KEYS.items():
        word = line.options.get(option)
        if word:
            _put(values, places, path, word.text, word.place)
    routes = line.options.get("routes")
    if routes:
        urls = [part.strip() for part in routes.text.split(",") if part.strip()]
        _put(values, places, ("cluster", "routes"), urls, routes.place)
    return evolve(conf, values=values, places=places)


def _put(values: dict[str, Any], places: dict[ConfPath, Place], path: ConfPath, value: object, at: Place) -> None:
    inside = values
    for number, part in enumerate(path[:-1], 1):
        key = str(part)
        inside[key] = dict(inside[key]) if isinstance(inside.get(key), dict) else {}
        inside = inside[key]
        places.setdefault(path[:number], at)
    inside[str(path[-1])] = value
    places[path] = at
