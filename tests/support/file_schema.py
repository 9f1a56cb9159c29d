"""What the JSON Schema says of a system file's text."""

from __future__ import annotations

from jsonschema import Draft202012Validator

from secondsite.discover.system_file.json_schema import system_schema
from secondsite.discover.yaml_source import load_documents, to_plain

_VALIDATOR = Draft202012Validator(system_schema())


def faults(text: str) -> list[str]:
    """None where it is valid."""
    [root] = load_documents(text, "s.yaml")
    return [error.message for error in _VALIDATOR.iter_errors(to_plain(root))]
