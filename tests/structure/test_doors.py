"""No action asks whether a world has a door: `operate.action.through` does, and what a person does is the other way."""

from __future__ import annotations

import ast
from pathlib import Path

ACTIONS = Path(__file__).resolve().parents[2] / "src" / "secondsite" / "operate" / "actions"
DOORS = {"dns", "services", "secrets", "path", "sites", "restorer", "origins", "manual_steps"}


def asked(folder: Path) -> list[str]:
    """Comparisons of a door with None, or a door taken for a truth value."""
    places = []
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            tested: list[ast.expr] = []
            if isinstance(node, ast.Compare):
                tested = [node.left] if any(isinstance(one, (ast.Is, ast.IsNot)) for one in node.ops) else []
            elif isinstance(node, (ast.If, ast.IfExp)):
                tested = [node.test]
            elif isinstance(node, ast.BoolOp):
                tested = node.values
            places += [f"{path.name}: {ast.unparse(one)}" for one in tested if _is_door(one)]
    return places


def _is_door(node: ast.expr) -> bool:
    of_world = isinstance(node, ast.Attribute) and ast.unparse(node.value).rpartition(".")[2] == "world"
    return (of_world or isinstance(node, ast.Name)) and ast.unparse(node).rpartition(".")[2] in DOORS


def test_no_action_asks_for_a_door_that_may_be_none() -> None:
    assert asked(ACTIONS) == []


def test_a_question_is_seen(tmp_path: Path) -> None:
    (tmp_path / "fence.py").write_text(
        "def run(context, dns):\n    if context.world.sites is None:\n        return\n    return dns or 1\n",
        encoding="utf-8",
    )
    assert asked(tmp_path) == ["fence.py: context.world.sites", "fence.py: dns"]
