"""Each guard that a plan can show stands in the documents' table of guards, and nothing else does."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TABLE = "docs/operate.md"


def test_each_guard_is_in_the_table_and_nothing_else_is() -> None:
    chapter = (ROOT / TABLE).read_text("utf-8").partition("\n## Guards\n")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in chapter.splitlines() if line.startswith("| `")]
    assert sorted(re.findall(r"`([a-z-]+)`", " ".join(rows))) == sorted(_guards())


def _guards() -> set[str]:
    """The first argument of every ``Guard(…)``."""
    texts = [path.read_text("utf-8") for path in (ROOT / "src/secondsite").rglob("*.py")]
    trees = [ast.parse(text) for text in texts if "Guard(" in text]
    calls = [call for tree in trees for call in ast.walk(tree) if isinstance(call, ast.Call)]
    made = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "Guard"]
    names = {one.args[0].value for one in made if one.args and isinstance(one.args[0], ast.Constant)}
    assert all(isinstance(name, str) for name in names)
    return {str(name) for name in names}
