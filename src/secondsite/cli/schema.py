"""``secondsite schema``: what an editor checks ``secondsite.yaml`` with, and a program what ``--json`` prints."""

from __future__ import annotations

import sys
from typing import Annotated, Literal

from cyclopts import Parameter

from secondsite.discover.system_file.json_schema import schema_text, system_schema
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

    `secondsite init` writes it to `.secondsite/secondsite.schema.json`, and a comment at the top of `secondsite.yaml`
    that leads VS Code and other users of yaml-language-server to it. In an older file, add the comment
    `# yaml-language-server: $schema=.secondsite/secondsite.schema.json`.
    """
    content = system_schema() if document == "system" else output_schema(document)
    sys.stdout.write(schema_text(content))
    return EXIT_HOLDS
