"""The two small files beside an archive, as far as a restore relies on them: checked before anything is done."""

from __future__ import annotations

from typing import Any

from attrs import frozen

from secondsite.backup.strict import MisfitError, structure


@frozen
class _State:
    messages: int
    bytes: int
    first_seq: int
    last_seq: int
    consumer_count: int = 0


@frozen
class _Position:
    stream_seq: int
    consumer_seq: int


@frozen
class _Listed:
    """What CONSUMER.LIST tells of a consumer."""

    name: str
    config: dict[str, Any]
    ack_floor: _Position
    delivered: _Position


_LISTS = ("subjects", "sources")
_OBJECTS = ("mirror", "placement", "republish", "metadata", "subject_transform")


def check_document(file: str, content: Any) -> None:
    """Raises MisfitError for what is not the content of such a file."""
    if file == "consumers.json":
        _check_consumers(content)
        return
    if not isinstance(content, dict) or not isinstance(config := content.get("config"), dict):
        raise MisfitError("it has no configuration")
    if not isinstance(state := content.get("state"), dict):
        raise MisfitError("it has no state")
    structure(state, _State)
    if not isinstance(config.get("name"), str):
        raise MisfitError("the stream has no name")
    for key in _LISTS:
        if not isinstance(config.get(key) or [], list):
            raise MisfitError(f"{key} is not a list")
    for key in _OBJECTS:
        if not isinstance(config.get(key) or {}, dict):
            raise MisfitError(f"{key} is not an object")
    if not all(isinstance(subject, str) for subject in config.get("subjects") or []):
        raise MisfitError("a subject is not a text")
    age = config.get("max_age") or 0
    if isinstance(age, bool) or not isinstance(age, int):
        raise MisfitError("max_age is not a number")


def _check_consumers(content: Any) -> None:
    if content is None:  # they could not be listed
        return
    if not isinstance(content, list):
        raise MisfitError("it is not a list")
    for item in content:
        structure(item, _Listed)
