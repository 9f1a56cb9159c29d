"""Diagrams as Mermaid text, which forges draw: labels are quoted, whatever they contain."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from secondsite.publish.text.markdown import Md, fence, plain

_SHAPES = {"box": ('["', '"]'), "store": ('[("', '")]'), "round": ('(["', '"])'), "choice": ('{{"', '"}}')}
_CODED = {"#": "#35;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "&": "#amp;", "`": "#96;", ";": "#59;", "\\": "#92;"}

_LONGEST = 120


@frozen
class Node:
    """``shape``: box, store, round or choice. ``lines`` stand below one another; ``group`` frames nodes together."""

    key: str
    lines: tuple[str, ...]
    shape: str = "box"
    group: str = ""
    kind: str = ""


@frozen
class Edge:
    source: str
    target: str
    label: str = ""
    dashed: bool = False


def flowchart(nodes: Sequence[Node], edges: Sequence[Edge], *, direction: str = "LR") -> Md:
    """Edges to nodes that are not drawn are left out. Kinds: ``lone`` is drawn as a warning, ``goal`` as a goal."""
    names = {node.key: f"n{number}" for number, node in enumerate(nodes, 1)}
    lines = [f"flowchart {direction}"]
    for number, group in enumerate(dict.fromkeys(node.group for node in nodes)):
        inside = [_node(names[node.key], node) for node in nodes if node.group == group]
        if group:
            lines += [f'  subgraph g{number}["{label(group)}"]', *(f"    {line}" for line in inside), "  end"]
        else:
            lines += [f"  {line}" for line in inside]
    lines += [_edge(names, edge) for edge in dict.fromkeys(edges) if edge.source in names and edge.target in names]
    for kind, style in (("lone", "stroke:#b45309,stroke-width:3px"), ("goal", "stroke:#047857,stroke-width:3px")):
        members = [names[node.key] for node in nodes if node.kind == kind]
        if members:
            lines += [f"  classDef {kind} {style}", f"  class {','.join(members)} {kind}"]
    return fence(lines, "mermaid")


def label(value: str) -> str:
    """Mermaid breaks a long one into lines by itself."""
    shown = plain(value)
    cut = shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"
    return "".join(_CODED.get(letter, letter) for letter in cut)


def _node(name: str, node: Node) -> str:
    before, after = _SHAPES[node.shape]
    return f"{name}{before}{'<br/>'.join(label(line) for line in node.lines)}{after}"


def _edge(names: dict[str, str], edge: Edge) -> str:
    arrow = "-.->" if edge.dashed else "-->"
    caption = f'|"{label(edge.label)}"|' if edge.label else ""
    return f"  {names[edge.source]} {arrow}{caption} {names[edge.target]}"
