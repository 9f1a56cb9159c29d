"""How a service talks to NATS, and what it holds back while it cannot: read from the names of its settings.

Names are conventions, not contracts; every value found carries its place, so a person can check the reading.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from secondsite.discover.dependencies import PodSetting
from secondsite.discover.draft import Draft
from secondsite.model.service import AckBuffer, NatsClient
from secondsite.model.units import Seconds, parse_seconds

_SERVERS = re.compile(r"(?:\w+_)?NATS_(?:SERVERS?|URLS?|HOSTS?|ENDPOINTS?|ADDR(?:ESS(?:ES)?)?)")
_PING = re.compile(r"(?:\w+_)?NATS_PING_INTERVAL(?P<unit>_\w+)?")
_PINGS_OUT = re.compile(r"(?:\w+_)?NATS_MAX_(?:OUTSTANDING_PINGS|PINGS_OUT(?:STANDING)?)")
_RECONNECTS = re.compile(r"(?:\w+_)?NATS_MAX_RECONNECTS?(?:_ATTEMPTS)?")
_RANDOMIZE = re.compile(r"(?:\w+_)?NATS_(?P<no>DONT_|NO_)?RANDOMIZE(?:_SERVERS)?")
_MESSAGE_IDS = re.compile(r"(?:\w+_)?NATS_(?:USE_|ENABLE_)?(?:MSG|MESSAGE)_IDS?(?:_ENABLED)?")

_QUEUE = re.compile(
    r"(?:\w+_)?(?:FALLBACK|(?:NATS|EVENTS?|PUBLISH\w*|OUTGOING)_(?:\w+_)?(?:QUEUE|BUFFER)|(?:QUEUE|BUFFER)_FALLBACK)\w*"
)
_CAPACITY = re.compile(r"\w*(?:SIZE|MAX|LIMIT|CAPACITY|LENGTH|DEPTH|MESSAGES)(?:_MESSAGES|_SIZE|_LENGTH)?")
_DURABLE = re.compile(r"\w*(?:_DIR|_PATH|_FILE|_DISK|_WAL)")
_OPENS = re.compile(r"\w*(?:BREAKER|CIRCUIT)\w*(?:FAILURE|TRIP|ERROR)\w*|\w*(?:FAILURE_THRESHOLD)\w*BREAKER\w*")
_HALF_OPEN = re.compile(
    r"\w*(?:BREAKER|CIRCUIT)\w*(?:RESET|TIMEOUT|RECOVERY|HALF_OPEN|COOLDOWN)\w*?(?P<unit>_(?:S|SECS?|SECONDS|MS|MILLIS|MILLISECONDS))?"
)

_MAX_NAME = 100  # characters; longer names are no settings that a person made
_UNITS = {"MS": 1e-3, "MILLIS": 1e-3, "MILLISECONDS": 1e-3, "M": 60.0, "MINUTES": 60.0}


def nats_client(settings: Sequence[PodSetting]) -> Draft | None:
    """A draft of `NatsClient`, or None where nothing names NATS servers."""
    draft = Draft()
    for setting in settings:
        name = setting.name.upper()
        if setting.source == "file" or not setting.text or len(name) > _MAX_NAME:
            continue
        if _SERVERS.fullmatch(name):
            draft.read("servers", _servers(setting.text), setting.place)
        elif match := _PING.fullmatch(name):
            draft.read("ping_interval_s", _duration(setting.text, match["unit"]), setting.place)
        elif _PINGS_OUT.fullmatch(name):
            draft.read("max_outstanding_pings", _number(setting.text), setting.place)
        elif _RECONNECTS.fullmatch(name):
            draft.read("max_reconnects", _number(setting.text), setting.place)
        elif match := _RANDOMIZE.fullmatch(name):
            chosen = _flag(setting.text)
            draft.read("randomize", None if chosen is None else chosen != bool(match["no"]), setting.place)
        elif _MESSAGE_IDS.fullmatch(name):
            draft.read("message_ids", _flag(setting.text), setting.place)
    return draft if draft.values else None


def _servers(text: str) -> tuple[str, ...]:
    """The servers, without the user and password that a URL may carry."""
    return tuple(re.sub(r"(?<=//).*@|^[^/]*@", "", part) for part in re.split(r"[,\s]+", text.strip()) if part)


def ack_buffer(settings: Sequence[PodSetting]) -> Draft | None:
    """A draft of `AckBuffer`: a queue that takes messages while a circuit breaker is open."""
    draft, durable = Draft(), None
    for setting in settings:
        name = setting.name.upper()
        if setting.source == "file" or not setting.text or len(name) > _MAX_NAME:
            continue
        if _QUEUE.fullmatch(name):
            if _DURABLE.fullmatch(name):
                durable = setting
            elif _CAPACITY.fullmatch(name):
                draft.read("messages", _number(setting.text), setting.place)
        elif _OPENS.fullmatch(name):
            draft.read("after_failures", _number(setting.text), setting.place)
        elif match := _HALF_OPEN.fullmatch(name):
            draft.read("half_open_after_s", _duration(setting.text, match["unit"]), setting.place)
    if not draft.values.get("messages"):
        return None
    if durable:
        draft.read("durable", True, durable.place)
    return draft


def build_client(draft: Draft) -> NatsClient:
    return NatsClient(**draft.values)


def build_buffer(draft: Draft) -> AckBuffer:
    return AckBuffer(**draft.values)


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"-?\d{1,18}", text.strip()) else None


def _flag(text: str) -> bool | None:
    return {
        "true": True,
        "1": True,
        "yes": True,
        "on": True,
        "false": False,
        "0": False,
        "no": False,
        "off": False,
    }.get(text.strip().lower())


def _duration(text: str, unit: str | None) -> Seconds | None:
    """With its own unit, or in the unit that the setting's name ends with; seconds where neither is there."""
    try:
        return parse_seconds(text)
    except ValueError:
        number = _number(text)
        factor = _UNITS.get((unit or "_S").lstrip("_"), 1.0)
        return None if number is None else Seconds(number * factor)
