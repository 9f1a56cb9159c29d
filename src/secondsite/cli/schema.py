"""``secondsite schema``: what an editor checks ``secondsite.yaml`` with."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from secondsite.discover.system_file.json_schema import system_schema
from secondsite.model.errors import EXIT_HOLDS


def schema(
    *, output: Annotated[Path | None, Parameter(help="Write it to this file instead of standard output.")] = None
) -> int:
    """Print the JSON Schema of `secondsite.yaml`: keys, types and choices, as editors complete and check them.

    For VS Code and others that speak to yaml-language-server: `secondsite schema --output secondsite.schema.json`, then
    `# yaml-language-server: $schema=secondsite.schema.json` as the first line of `secondsite.yaml`.
    """
    text = json.dumps(system_schema(), indent=2, ensure_ascii=False) + "\n"
    if output:
        output.write_text(text, encoding="utf-8")
        print(f"written: {output}", file=sys.stderr)
    else:
        sys.stdout.write(text)
    return EXIT_HOLDS
