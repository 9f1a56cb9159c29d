"""The ways of each database to the other region, for a person at a terminal: a table of 80 columns."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from secondsite.evaluate.store_choices import StoreChoice
from secondsite.model.wording import dollars, number, short_span

NOTE = (
    "> as the file says (`stores: replication:`); time to serve: of this step alone, from the fence\n"
    "commit: median, with the round trip where it waits for the other region"
)


def store_table(choices: Sequence[StoreChoice]) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("", width=1)
    table.add_column("store", no_wrap=True)
    table.add_column("replication", no_wrap=True)
    for title in ("RPO", "serves", "commit", "$/month"):
        table.add_column(title, justify="right", no_wrap=True)
    last = ""
    for one in choices:
        rpo, served = one.rpo, one.served
        style = "bold" if one.in_force else ""
        table.add_row(
            ">" if one.in_force else "",
            "" if one.store == last else one.store,
            Text(str(one.way), style=style),
            short_span(rpo.quantile(0.5), rpo.quantile(0.95)),
            short_span(served.quantile(0.5), served.quantile(0.95)),
            "–" if one.commit_ms is None else f"{number(one.commit_ms.quantile(0.5), 2)} ms",
            "" if one.in_force else f"{'+' if one.monthly_usd >= 0 else '−'}{dollars(abs(one.monthly_usd))}",
        )
        last = one.store
    return table
