"""What `operate: writers:` costs either way: how long no region accepts writes, and how long both regions do."""

from __future__ import annotations

from secondsite.evaluate.evaluation import Assessment
from secondsite.publish.content.sources import Sources
from secondsite.publish.text.markdown import Md, code, table


def writers_section(chosen: Assessment, sources: Sources) -> Md:
    """Empty where the strategy has no gate that could hold a lease."""
    if not chosen.policies:
        return Md("")
    rows = [
        (
            Md(f"{code(str(each.policy))}{' (as the file says)' if each.in_force else ''}"),
            sources.figure(each.lost),
            sources.figure(each.cut_off) if each.cut_off.mean else Md("none"),
            sources.figure(each.both_sides),
        )
        for each in sorted(chosen.policies, key=lambda each: not each.in_force)
    ]
    head = (
        code("operate: writers:"),
        "No writer, region lost",
        "No writer, cut off",
        "Both write, promoted over a cut",
    )
    return table(head, rows)
