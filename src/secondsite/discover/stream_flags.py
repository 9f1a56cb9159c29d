"""Flags of `nats stream add` and `nats consumer add` beyond the nouns' attributes, in the server's words.

A flag that is not here is one of the command itself (`--server`, `--json`); nothing is guessed from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from secondsite.model.jetstream_config import consumer_of, stream_of
from secondsite.model.settings import Settings

Flags = Mapping[str, str]

_STREAM_SWITCHES = {
    "allow-rollup": "allow_rollup_hdrs",
    "deny-delete": "deny_delete",
    "deny-purge": "deny_purge",
    "allow-direct": "allow_direct",
    "allow-mirror-direct": "mirror_direct",
    "discard-per-subject": "discard_new_per_subject",
    "allow-counter": "allow_msg_counter",
    "allow-batch": "allow_atomic",
    "allow-schedules": "allow_msg_schedules",
    "allow-msg-ttl": "allow_msg_ttl",
}
_CONSUMER_SWITCHES = {"headers-only": "headers_only", "flow-control": "flow_control", "memory": "mem_storage"}
SWITCHES = frozenset(
    {
        *_STREAM_SWITCHES,
        *_CONSUMER_SWITCHES,
        *("defaults", "pull", "ephemeral", "json", "force", "compress", "trace", "validate", "republish-headers"),
    }
)
"""They take no value, and so does each of them with ``no-`` before it."""
_STREAM_NUMBERS = {"max-consumers": "max_consumers", "first-sequence": "first_seq"}
_CONSUMER_NUMBERS = {
    "max-pending": "max_ack_pending",
    "max-waiting": "max_waiting",
    "max-pull-batch": "max_batch",
    "bps": "rate_limit_bps",
}
_CONSUMER_TIMES = {
    "wait": "ack_wait",
    "heartbeat": "idle_heartbeat",
    "inactive-threshold": "inactive_threshold",
    "max-pull-expire": "max_expires",
}
_CONSUMER_WORDS = {
    "target": "deliver_subject",
    "deliver-group": "deliver_group",
    "replay": "replay_policy",
    "sample": "sample_freq",
    "description": "description",
}
_TYPED = ("allow_msg_ttl", "filter_subject", "subjects")
_POLICIES = ("all", "last", "new", "last_per_subject")


def is_switch(name: str) -> bool:
    return name.removeprefix("no-") in SWITCHES or name.startswith("no-")


def stream_flags(flags: Flags, size: Callable[[str], int | None], seconds: Callable[[str], float | None]) -> Settings:
    config = _switched(flags, _STREAM_SWITCHES) | _numbers(flags, _STREAM_NUMBERS)
    if most := size(flags.get("max-msg-size", "")):
        config["max_msg_size"] = most
    if flags.get("compression", "none") != "none":
        config["compression"] = flags["compression"]
    if "no-ack" in flags:
        config["no_ack"] = True
    for key, word in (("description", "description"), ("persist-mode", "persist_mode")):
        if flags.get(key):
            config[word] = flags[key]
    if marked := seconds(flags.get("subject-del-markers-ttl", "")):
        config["subject_delete_marker_ttl"] = _nanoseconds(marked)
    for head, word in (("transform", "subject_transform"), ("republish", "republish")):
        origin, target = flags.get(f"{head}-source"), flags.get(f"{head}-destination")
        if origin and target:
            config[word] = {"src": origin, "dest": target}
            if head == "republish" and "republish-headers" in flags:
                config[word]["headers_only"] = True
    limits = {
        "inactive_threshold": _nanoseconds(seconds(flags.get("limit-consumer-inactive", "")) or 0),
        "max_ack_pending": _number(flags.get("limit-consumer-max-pending", "")),
    }
    if any(limits.values()):
        config["consumer_limits"] = {key: value for key, value in limits.items() if value}
    return stream_of(config).settings.without(*_TYPED)


def consumer_flags(flags: Flags, seconds: Callable[[str], float | None]) -> Settings:
    config = _switched(flags, _CONSUMER_SWITCHES) | _numbers(flags, _CONSUMER_NUMBERS)
    for key, word in _CONSUMER_TIMES.items():
        if known := seconds(flags.get(key, "")):
            config[word] = _nanoseconds(known)
    config |= {word: flags[key] for key, word in _CONSUMER_WORDS.items() if flags.get(key)}
    config |= _delivery(flags.get("deliver", ""))
    filters = [part for part in flags.get("filter", "").split(",") if part]
    if len(filters) > 1:
        config["filter_subjects"] = filters
    return consumer_of(config).settings.without(*_TYPED)


def _delivery(word: str) -> dict[str, Any]:
    """Where it begins, by a word or a sequence. How long ago (``1h``) depends on when the script ran: not told."""
    policy = {"subject": "last_per_subject", "1": "all"}.get(word, word)
    if policy in _POLICIES:
        return {"deliver_policy": policy}
    if word.isdecimal():
        return {"deliver_policy": "by_start_sequence", "opt_start_seq": int(word)}
    return {}


def _switched(flags: Flags, switches: Mapping[str, str]) -> dict[str, Any]:
    return {
        word: f"no-{flag}" not in flags for flag, word in switches.items() if flag in flags or f"no-{flag}" in flags
    }


def _numbers(flags: Flags, numbers: Mapping[str, str]) -> dict[str, Any]:
    return {word: known for flag, word in numbers.items() if (known := _number(flags.get(flag, "")))}


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 19 else 0


def _nanoseconds(value_s: float) -> int:
    return round(value_s * 1_000_000_000)
