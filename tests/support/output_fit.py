"""What ``--json`` prints, held to its schema: each field is there and of its kind, and none is unknown."""

from __future__ import annotations

import json
from typing import Any

from jsonschema import Draft202012Validator

from secondsite.publish.machine.output_schema import output_schema


def closed(schema: Any) -> Any:
    """The same, refusing fields that it does not name."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: closed(value) for key, value in schema.items()}
    return {**inner, "additionalProperties": False} if isinstance(inner.get("properties"), dict) else inner


def misfits(document: str, printed: object) -> list[str]:
    found = Draft202012Validator(closed(output_schema(document))).iter_errors(json.loads(json.dumps(printed)))
    return [f"{'/'.join(map(str, error.path))}: {error.message[:200]}" for error in found]
