"""Rows of the figures file: units, distributions, and what is refused."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

import secondsite
from secondsite.catalogue.figures import load_figures, parse_figures
from secondsite.model.errors import InputError
from secondsite.model.estimate import Fixed, Lognormal, Provenance, Uniform

MEASURED = '[a]\nfixed = 1\nunit = "s"\nprovenance = "measured"\nsource = "a try"\n'
ROW = 'unit = "min"\nprovenance = "published"\nsource = "a paper"\n'


def test_minutes_become_seconds() -> None:
    rows = parse_figures(
        f"[a]\nfixed = 2\n{ROW}[b]\nuniform = [1, 3]\n{ROW}[c]\nlognormal = [1.0, 0.5]\n{ROW}"
        f"[d.e]\nbetween = [1, 10]\n{ROW}",
        "f.toml",
    )
    assert list(rows) == ["a", "b", "c", "d.e"]
    assert rows["a"].distribution == Fixed(120)
    assert rows["b"].distribution == Uniform(60, 180)
    assert rows["c"].distribution == Lognormal(1.0 + math.log(60), 0.5)
    assert rows["d.e"].quantile(0.05) == pytest.approx(60)
    assert rows["d.e"].quantile(0.95) == pytest.approx(600)
    assert {row.unit for row in rows.by_name.values()} == {"s"}
    assert rows["a"].provenance is Provenance.PUBLISHED


def test_a_measurement_says_on_what_and_when() -> None:
    rows = parse_figures(f'{MEASURED}on = "nats-server 2.15.1"\nas_of = "2026-11"\n', "f.toml")
    assert rows["a"].source == "a try; measured on nats-server 2.15.1, 2026-11"


def test_what_is_no_table_beside_figures_is_passed_over() -> None:
    assert list(parse_figures(f'title = "rates"\n[a.b]\nfixed = 1\n{ROW}', "f.toml")) == ["a.b"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"[a]\nfixed = 1\nfixd = 2\n{ROW}", r"f\.toml: a has unknown keys \['fixd'\]"),
        (f"[a]\n{ROW}", r"f\.toml: a has no distribution; write one of fixed"),
        (MEASURED, r"f\.toml: a is measured, on nobody knows what or when; write its `on` and `as_of`"),
        (f'{MEASURED}on = "2.15.1"\n', r"a is measured, on nobody knows what or when"),
    ],
)
def test_what_is_no_figure(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_figures(text, "f.toml")


def test_every_shipped_figure_has_a_source_and_doubt_only_where_it_is_assumed_or_from_others() -> None:
    figures = load_figures()
    for name in figures:
        row = figures[name]
        assert row.source, name
        assert row.mean >= 0, name
        low, high = row.plausible
        assert low <= 1 <= high, name
        if row.provenance is Provenance.MEASURED:
            assert (low, high) == (1, 1), f"{name} is measured: what is in doubt?"


def test_assumed_figures_stand_in_the_catalogue_alone() -> None:
    """A figure in code is one that no sensitivity study and no reader of the catalogue finds."""
    source = Path(secondsite.__file__).parent
    made = re.compile(r"\bProvenance\.ASSUMED,|\bKit\(")
    for layer in ("evaluate", "strategies", "drill", "lab", "publish", "cli", "operate"):
        found = [str(path) for path in (source / layer).rglob("*.py") if made.search(path.read_text("utf-8"))]
        assert not found, f"a figure or a kit of its own: {found}"


def test_the_median_of_what_people_take_to_decide_is_the_published_one() -> None:
    """32 min; the fit to all values has a median of 44, and a mean of 93 where 77.8 was found."""
    decide = load_figures()["decide.people"]
    assert decide.quantile(0.5) / 60 == pytest.approx(32, rel=0.01)
    assert decide.quantile(0.95) / 60 == pytest.approx(256, rel=0.01)
    assert decide.mean / 60 == pytest.approx(77.8, rel=0.1)
