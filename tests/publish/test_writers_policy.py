"""Both policies of writers stand side by side: no writer for how long, and two for how long."""

from __future__ import annotations

import io

from rich.console import Console

from secondsite.evaluate.evaluation import Evaluation
from secondsite.model.estimate import Provenance
from secondsite.model.operate import Writers
from secondsite.publish.content.sources import Sources
from secondsite.publish.documents.writers_policy import writers_section
from secondsite.publish.machine.evaluation import evaluation_json
from secondsite.publish.terminal.evaluation import render_text


def test_what_both_sides_took_is_measured_and_published(evaluation: Evaluation) -> None:
    chosen = evaluation.recommended
    both = {each.policy: each.both_sides for each in chosen.policies}
    assert set(both) == set(Writers)
    assert all(each.provenance is Provenance.MEASURED for each in both.values())
    assert (both[Writers.ONE].mean, both[Writers.AVAILABLE].mean > 0) == (0, True)

    shown = str(writers_section(chosen, Sources(evaluation.system)))
    assert "Both write" in shown
    assert f"{both[Writers.AVAILABLE].mean:g}" in shown

    told = next(one for one in evaluation_json(evaluation)["strategies"] if one["id"] == chosen.strategy.id)
    assert {one["policy"]: one["both_sides"]["p50"] for one in told["writers"]} == {"one": 0.0, "available": 4.6}

    console = Console(file=io.StringIO(), width=10_000)
    render_text(evaluation, console)
    assert "never two in that drill" in console.file.getvalue()  # type: ignore[attr-defined] # a StringIO
