"""YAML as the documents have it: one value a line, none folded."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any


def yaml_text(content: Mapping[str, Any]) -> str:
    from ruamel.yaml import YAML

    text = io.StringIO()
    writer = YAML()
    writer.default_flow_style = False
    writer.width = 10_000
    writer.indent(mapping=2, sequence=4, offset=2)
    writer.dump(content, text)
    return text.getvalue()
