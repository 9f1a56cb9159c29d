"""The policies of docs/rights.md, with names put in."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "rights.md"


def block(label: str) -> str:
    """The text between the fences that open with this label."""
    found = re.search(rf"^```{re.escape(label)}\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert found, label
    return found[1]


def policy(name: str, **names: str) -> dict[str, Any]:
    text = block(f"json iam {name}")
    for placeholder, value in names.items():
        text = text.replace(placeholder, value)
    made: dict[str, Any] = json.loads(text)
    return made
