"""The JSON Schemas of what verbs print with ``--json``: files, so that programs and tests hold the output to them."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any


def output_schema(document: str) -> dict[str, Any]:
    """By the middle of the schema's name: ``audit`` of ``secondsite/audit/1``."""
    text = files("secondsite.publish.machine").joinpath("schemas", f"{document}.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema
