"""What is assumed stands in `catalogue/data/figures.toml`, with a source, and in no code."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from attrs import fields
from source_trees import SOURCE, nodes_of

from secondsite.catalogue.figures import load_figures
from secondsite.model.economics import Economics
from secondsite.model.estimate import Provenance

ROOMS = ("discover", "strategies", "evaluate")
SUSPICIOUS = re.compile(r"ASSUMED|DEFAULT|WIDE|SETTLED|PLAUSIBLE|GUESS")
ESTIMATES = ("Assumption", "Estimate", "fixed")
SERVERS_OWN = {"DEFAULT_SYNC_INTERVAL_S"}
"""Published: what nats-server does where its configuration says nothing."""


def assumed_in_code(source: Path) -> list[str]:
    """Constants that are called an assumption, ranges of an `Assumption`, and numbers in an assumed `Estimate`."""
    places = []
    for path, node in nodes_of(source, ROOMS):
        if isinstance(node, ast.Assign) and any(map(_is_number, ast.walk(node.value))):
            names = {target.id for target in node.targets if isinstance(target, ast.Name)} - SERVERS_OWN
            places += [f"{path.name}: {name}" for name in names if SUSPICIOUS.search(name)]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ESTIMATES:
            inner = ast.walk(node) if node.func.id != "Assumption" else iter(node.args)
            numbers = [text for text in map(ast.unparse, filter(_is_number, inner)) if text != "1.0"]
            assumed = node.func.id == "Assumption" or ("Provenance.ASSUMED" in ast.unparse(node))
            places += [f"{path.name}: {node.func.id} with {numbers[0]}"] if assumed and numbers else []
    return sorted(places)


def _is_number(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, (int, float)) and not isinstance(node.value, bool)


def test_no_assumed_figure_stands_in_code() -> None:
    assert assumed_in_code(SOURCE) == []


def test_an_assumed_figure_in_code_is_seen(tmp_path: Path) -> None:
    (tmp_path / "evaluate").mkdir()
    (tmp_path / "evaluate" / "axes.py").write_text(
        '_WIDE = {"outage": (0.1, 10.0)}\n'
        'work = Assumption("work", "h", 1.0, 0.5, 2.5)\n'
        'cost = Estimate("cost", "USD", Fixed(7.0), Provenance.ASSUMED, "a guess")\n',
        encoding="utf-8",
    )
    assert assumed_in_code(tmp_path) == ["axes.py: Assumption with 0.5", "axes.py: Estimate with 7.0", "axes.py: _WIDE"]


def test_every_assumption_has_a_source_and_a_way_to_settle_it_where_it_is_in_doubt() -> None:
    assumed = [figure for figure in load_figures().by_name.values() if figure.provenance is Provenance.ASSUMED]
    assert len(assumed) > 40
    assert [figure.name for figure in assumed if not figure.source] == []
    unsettled = {figure.name for figure in assumed if figure.plausible != (1.0, 1.0) and not figure.settle}
    assert unsettled == {"duration.wan-partition", "duration.capacity"}


def test_the_defaults_of_the_economics_are_the_figures() -> None:
    figures = load_figures()
    defaults = {field.name: field.default for field in fields(Economics)}
    assert defaults["outage_usd_per_hour"] == figures["money.outage"].mean
    assert defaults["lost_message_usd"] == figures["money.lost-write"].mean
    assert defaults["engineer_usd_per_hour"] == figures["money.engineer"].mean
