"""Plain values -> nouns, strictly: no value is bent into another type, and every fault is told with its path.

A faulty value is replaced by one that its field can hold, so that the rest of the file can still be judged in
the same run; the result of a faulty file is never handed out.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from difflib import get_close_matches
from enum import StrEnum
from functools import cache, partial
from typing import Any, TypeVar, get_args, get_origin

import attrs
from attrs import frozen
from cattrs import Converter
from cattrs.errors import BaseValidationError, ClassValidationError, IterableValidationError
from cattrs.gen import make_dict_structure_fn, override

from secondsite.discover.system_file.schema import Field, FieldShape, Noun, fields_of, keys_of
from secondsite.discover.yaml_source import Plain
from secondsite.model.contract import Contract
from secondsite.model.jetstream_config import CONSUMER_DEFAULTS, STREAM_DEFAULTS, USUAL
from secondsite.model.nats import StreamKind
from secondsite.model.settings import Settings
from secondsite.model.system import System
from secondsite.model.units import Bytes, Cores, Seconds, parse_bytes, parse_cores, parse_seconds

Path = tuple[str | int, ...]
T = TypeVar("T")

_SERVER_WORDS = {
    "max_bytes": "max",
    "max_msgs": "max_messages",
    "max_msgs_per_subject": "max_messages_per_subject",
    "num_replicas": "replicas",
    "allow_msg_ttl": "message_ttl",
    "durable_name": "name",
}
"""Words of JetStream's own configuration that have another name in the file."""
_SUBSTITUTES: dict[Any, Plain] = {
    str: "?",
    int: 1,
    float: 1.0,
    bool: False,
    Seconds: "1s",
    Bytes: "1",
    Cores: "1",
    Settings: {},
}


@frozen
class FileProblem:
    """``path`` leads through keys and positions. ``of_key``: the key is at fault, not its value."""

    path: Path
    what: str
    remedy: str
    of_key: bool = False


class _UnfitError(ValueError):
    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.remedy = remedy


def structure(plain: dict[str, Plain]) -> tuple[System, list[FileProblem]]:
    """The System, and the faults that were mended to get it; with any fault it is good for further checks only."""
    faults = list(_key_faults(plain, System, ()))
    for fault in faults:
        _mend_key(plain, fault)
    try:
        return _converter().structure(plain, System), faults
    except BaseValidationError as error:
        values = list(_value_faults(error, System, ()))
    for fault in sorted(values, key=lambda fault: len(fault.path)):
        _mend_value(plain, fault.path)
    return _converter().structure(plain, System), faults + values


def suggest(word: str, words: list[str]) -> str:
    close = get_close_matches(word, words, 1)
    return f"did you mean {close[0]!r}?" if close else ""


def _of_the_server(word: str, known: Container[str]) -> str:
    """Where a word of JetStream's own configuration belongs: under another name, or among the other settings."""
    ours = _SERVER_WORDS.get(word, "")
    if ours in known:
        return f"write it as `{ours}`"
    if word in STREAM_DEFAULTS or word in CONSUMER_DEFAULTS or word in USUAL[StreamKind.STREAM]:
        return f"write it under `settings`, as `settings: {{{word}: ...}}`"
    return ""


@cache
def _converter() -> Converter:
    converter = Converter(detailed_validation=True)
    converter.register_structure_hook_factory(attrs.has, partial(_noun_hook, converter))
    converter.register_structure_hook_factory(_is_tuple, partial(_list_hook, converter))
    for hint, hook in ((str, _text), (int, _whole), (float, _number), (bool, _truth)):
        converter.register_structure_hook(hint, hook)
    converter.register_structure_hook(Settings, _settings)
    # The nearer class wins: without this, the hook of str would take enums of strings too.
    converter.register_structure_hook(StrEnum, _enum)
    converter.register_structure_hook(Seconds, partial(_quantity, parse_seconds, "90s, 5m or 1h30m"))
    converter.register_structure_hook(Bytes, partial(_quantity, parse_bytes, "512Mi or 10Gi"))
    converter.register_structure_hook(Cores, partial(_quantity, parse_cores, "250m or 2"))
    return converter


def _noun_hook(converter: Converter, noun: type[Noun]) -> Callable[[Any, Any], Noun]:
    renames: dict[str, Any] = {field.attribute: override(rename=field.key) for field in fields_of(noun)}
    if noun is System:
        renames["marks"] = override(omit=True)
    inner = make_dict_structure_fn(noun, converter, **renames)

    def hook(value: Any, hint: Any) -> Noun:
        if not isinstance(value, dict):
            keys = ", ".join(field.key for field in fields_of(noun)[:4])
            raise _UnfitError(f"{_shown(value)} is not a mapping", f"write keys and values here, such as {keys}")
        return inner(_with_part(value) if noun is Contract else value, hint)

    return hook


def _with_part(contract: dict[str, Plain]) -> dict[str, Plain]:
    """``nats/ORDERS`` is a subject, and a part of it."""
    subject = contract.get("subject")
    if not isinstance(subject, str) or "/" not in subject:
        return contract
    whole, _, part = subject.partition("/")
    return {**contract, "subject": whole, "part": part}


def _list_hook(converter: Converter, hint: Any) -> Callable[[Any, Any], tuple[Any, ...]]:
    item = get_args(hint)[0]

    def hook(value: Any, _: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise _UnfitError(f"{_shown(value)} is not a list", "write a list: one item a line after `- `, or [a, b]")
        return tuple(converter.structure(value, list[item]))  # type: ignore[valid-type] # the item's type is a value

    return hook


def _text(value: Any, _: Any) -> str:
    if not isinstance(value, str):
        raise _UnfitError(
            f"{_shown(value)} is not text", f'write "{value}" in quotes' if value is not None else "write text"
        )
    return value


def _whole(value: Any, _: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _UnfitError(f"{_shown(value)} is not a whole number", "write a whole number, such as 3")
    return value


def _number(value: Any, _: Any) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise _UnfitError(f"{_shown(value)} is not a number", "write a number, such as 0.9 or 40")
    if not abs(value) < 1e300:  # nan is not either
        raise _UnfitError(f"{_shown(value)} is not a finite number", "write a finite number")
    return float(value)


def _truth(value: Any, _: Any) -> bool:
    if not isinstance(value, bool):
        raise _UnfitError(f"{_shown(value)} is neither true nor false", "write true or false")
    return value


def _settings(value: Any, _: Any) -> Settings:
    if not isinstance(value, dict):
        raise _UnfitError(f"{_shown(value)} is not a mapping", "write the fields as the JetStream API names them")
    return Settings(value)


def _is_tuple(hint: Any) -> bool:
    return get_origin(hint) is tuple


def _is_enum(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, StrEnum)


def _enum(value: Any, hint: type[StrEnum]) -> StrEnum:
    allowed = [str(member) for member in hint]
    if value not in allowed:
        guess = suggest(str(value), allowed)
        raise _UnfitError(f"{_shown(value)} is not known here", f"{guess} write one of {', '.join(allowed)}".lstrip())
    return hint(value)


def _quantity(parse: Callable[[Any], T], examples: str, value: Any, _: Any) -> T:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise _UnfitError(f"{_shown(value)} is not a quantity", f"write a number and a unit, such as {examples}")
    if str(value).lstrip().startswith("-"):
        raise _UnfitError(f"{value!r} is negative", f"write a positive quantity, such as {examples}")
    try:
        return parse(value)
    except ValueError as error:
        what, _, remedy = str(error).partition("; ")
        raise _UnfitError(what, remedy) from None


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, (dict, list)):
        return "a mapping" if isinstance(value, dict) else "a list"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _key_faults(plain: Plain, noun: type[Noun], path: Path) -> Iterator[FileProblem]:
    """Unknown and missing keys, all the way down; what is no mapping or list is left to the converter."""
    if not isinstance(plain, dict):
        return
    known = keys_of(noun)
    for key in plain:
        if key not in known:
            allowed = [name for name in known if name not in plain]
            own = _of_the_server(str(key), known) if "settings" in known else ""
            remedy = own or suggest(key, allowed) or f"known here: {', '.join(known)}"
            yield FileProblem((*path, key), f"{key!r} is not a key of {_name(path)}", remedy, of_key=True)
    for field in known.values():
        if field.required and field.key not in plain:
            yield FileProblem(
                (*path, field.key), f"{field.key!r} is missing in {_name(path)}", f"write `{field.key}: ...`"
            )
    for key, field in known.items():
        value = plain.get(key)
        if field.kind is FieldShape.NOUN and field.noun:
            yield from _key_faults(value, field.noun, (*path, key))
        elif field.kind is FieldShape.NOUNS and field.noun and isinstance(value, list):
            for position, item in enumerate(value):
                yield from _key_faults(item, field.noun, (*path, key, position))


def _name(path: Path) -> str:
    names = [str(part) for part in path if isinstance(part, str)]
    return f"`{names[-1]}`" if names else "the system"


def _value_faults(error: BaseException, noun: type[Noun] | None, path: Path) -> Iterator[FileProblem]:
    if isinstance(error, ClassValidationError) and noun:
        by_attribute = {field.attribute: field for field in fields_of(noun)}
        for inner, note in error.group_exceptions()[0]:
            field = by_attribute[note.name]
            yield from _value_faults(inner, field.noun, (*path, field.key))
    elif isinstance(error, IterableValidationError):
        for inner, position in error.group_exceptions()[0]:
            yield from _value_faults(inner, noun, (*path, int(position.index)))
    elif isinstance(error, _UnfitError):
        yield FileProblem(path, str(error), error.remedy)
    else:
        raise error


def _mend_key(plain: Plain, fault: FileProblem) -> None:
    parent = _at(plain, fault.path[:-1])
    if isinstance(parent, dict):
        key = str(fault.path[-1])
        if fault.of_key:
            del parent[key]
        else:
            parent[key] = _substitute(_field_at(fault.path), fault.path)


def _mend_value(plain: Plain, path: Path) -> None:
    parent, last = _at(plain, path[:-1]), path[-1]
    if isinstance(parent, list) and isinstance(last, int):
        field = _field_at(path)
        hint = get_args(field.hint)[0]
        choice = str(next(iter(hint))) if _is_enum(hint) else None
        parent[last] = _filled(field.noun, path) if field.noun else choice or _SUBSTITUTES[hint]
    elif isinstance(parent, dict):
        field = _field_at(path)
        if field.required:
            parent[str(last)] = _substitute(field, path)
        else:
            parent.pop(str(last), None)


def _filled(noun: type[Noun], path: Path) -> dict[str, Plain]:
    return {field.key: _substitute(field, (*path, field.key)) for field in fields_of(noun) if field.required}


def _substitute(field: Field, path: Path) -> Plain:
    if field.kind is FieldShape.NOUNS or get_origin(field.hint) is tuple:
        return []
    if field.noun:
        return _filled(field.noun, path)
    if _is_enum(field.hint):
        return str(next(iter(field.hint)))
    if field.hint is str:
        return "?" + "".join(str(part) for part in path)
    return _SUBSTITUTES[field.hint]


def _at(plain: Plain, path: Path) -> Plain:
    for part in path:
        plain = plain[part]  # type: ignore[index] # the path was made from this very tree
    return plain


def _field_at(path: Path) -> Field:
    noun: type[Noun] | None = System
    for part in path:
        if isinstance(part, str) and noun:
            field = keys_of(noun)[part]
            noun = field.noun
    return field
