"""The ways of each database to the other region, as a table of the evaluation."""

from __future__ import annotations

from secondsite.publish.content.inputs import Inputs
from secondsite.publish.content.sources import Sources
from secondsite.publish.content.store_ways import StoreWay, store_ways
from secondsite.publish.text.markdown import Md, code, strong, table, text


def store_table(inputs: Inputs, provider: str, sources: Sources) -> Md:
    """Empty where nothing is left to choose."""
    bill = inputs.evaluation.recommended.provider_usd[provider]

    def row(way: StoreWay) -> tuple[object, ...]:
        one, name = way.choice, code(str(way.choice.way))
        return (
            code(way.store) if way.store else "",
            Md(f"{strong(name) if one.in_force else name}: {text(way.meaning)}"),
            sources.figure(one.rpo, span=True),
            sources.figure(one.served, span=True),
            "–" if one.commit_ms is None else sources.figure(one.commit_ms),
            "–" if way.more is None else sources.value(bill, way.more.text),
        )

    body = [row(way) for way in store_ways(inputs.evaluation, provider)]
    if not body:
        return Md("")
    more = sources.head("More, USD/month\t", sources.mark(bill))
    return table(("Store", "Replication", "RPO", "Time to serve", "COMMIT", more), body)
