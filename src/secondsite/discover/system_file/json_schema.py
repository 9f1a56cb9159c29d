"""``secondsite.yaml`` as a JSON Schema, derived from the nouns: for editors, and for programs that write the file.

It knows keys, types, choices and the spelling of quantities. What one value requires of another (a mirror's stream
has to exist) is checked when the file is read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, get_args, get_origin

from secondsite.discover.system_file.schema import SCHEMA, Field, FieldShape, Noun, fields_of
from secondsite.discover.system_file.teaching import SECTIONS
from secondsite.model.settings import Settings
from secondsite.model.system import System
from secondsite.model.units import Bytes, Cores, Seconds

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_QUANTITIES: dict[Any, dict[str, Any]] = {
    Seconds: {
        "type": "string",
        "pattern": r"^\s*([0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h|d|w))+\s*$",
        "examples": ["90s", "1h30m"],
    },
    Bytes: {"type": ["integer", "number", "string"], "pattern": r"^\s*[0-9]", "examples": ["512Mi", "10Gi"]},
    Cores: {"type": ["integer", "number", "string"], "pattern": r"^\s*[0-9]", "examples": ["250m", 2]},
}
_SCALARS: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    Settings: {"type": "object"},
    **_QUANTITIES,
}


def system_schema() -> dict[str, Any]:
    """The schema of the whole file; each noun stands once under ``$defs``, by the name of its class."""
    definitions: dict[str, dict[str, Any]] = {}
    whole = _noun(System, definitions)
    whole["properties"] = {"schema": {"const": SCHEMA}, **whole["properties"]}
    whole["required"] = ["schema", *whole["required"]]
    for key, text in SECTIONS.items():
        whole["properties"][key] = {"description": text, **whole["properties"][key]}
    return {"$schema": DIALECT, "title": "secondsite.yaml", **whole, "$defs": dict(sorted(definitions.items()))}


def schema_text(schema: Mapping[str, Any]) -> str:
    """As it is printed, and as it lies beside a file for its editor."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _noun(noun: type[Noun], definitions: dict[str, dict[str, Any]]) -> dict[str, Any]:
    fields = fields_of(noun)
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {field.key: _field(field, definitions) for field in fields},
        "required": [field.key for field in fields if field.required],
    }


def _field(field: Field, definitions: dict[str, dict[str, Any]]) -> dict[str, Any]:
    value = _value(field, definitions)
    return {"anyOf": [value, {"type": "null"}]} if field.optional else value


def _value(field: Field, definitions: dict[str, dict[str, Any]]) -> dict[str, Any]:
    if field.noun:
        name = field.noun.__name__
        if name not in definitions:
            definitions[name] = {}  # holds the place: a noun may hold its own kind
            definitions[name] = _noun(field.noun, definitions)
        reference = {"$ref": f"#/$defs/{name}"}
        return {"type": "array", "items": reference} if field.kind is FieldShape.NOUNS else reference
    if get_origin(field.hint) is tuple:
        return {"type": "array", "items": _leaf(get_args(field.hint)[0])}
    return _leaf(field.hint)


def _leaf(hint: Any) -> dict[str, Any]:
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return {"enum": [str(member) for member in hint]}
    return dict(_SCALARS[hint])
