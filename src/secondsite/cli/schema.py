"""``secondsite schema``: what an editor checks ``secondsite.yaml`` with, and a program what ``--json`` prints."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Literal

from cyclopts import Parameter

from secondsite.discover.system_file.json_schema import system_schema
from secondsite.model.errors import EXIT_HOLDS
from secondsite.publish.machine.output_schema import output_schema

Document = Literal["system", "audit", "evaluation", "drill", "verification"]


def schema(
    document: Annotated[
        Document, Parameter(help="`system` is `secondsite.yaml`; the others are printed by --json.")
    ] = "system",
) -> int:
    """Print the JSON Schema of `secondsite.yaml`, as editors check it, or of what a verb prints with `--json`.

    Fields of `--json` are added and never renamed or removed: what a schema requires today, it requires in every
    release.

    For VS Code and others that speak to yaml-language-server: `secondsite schema --output secondsite.schema.json`, then
    `# yaml-language-server: $schema=secondsite.schema.json` as the first line of `secondsite.yaml`.
    """
    content = system_schema() if document == "system" else output_schema(document)
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    sys.stdout.write(text)
    return EXIT_HOLDS
