"""How firmly a pod's replicas are kept apart, from affinity and topology spread."""

from __future__ import annotations

from attrs import frozen

from secondsite.discover.resources import YamlNode
from secondsite.model.service import Spreading

_NODE = "kubernetes.io/hostname"
_ZONES = ("topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone")
_RANK = (Spreading.NONE, Spreading.PREFERRED, Spreading.REQUIRED)


@frozen(eq=False)
class SpreadRule:
    """The firmest rule for nodes and for zones, and where it stands (None: no rule)."""

    nodes: Spreading
    nodes_at: YamlNode
    zones: Spreading
    zones_at: YamlNode


def spread_of(pod: YamlNode) -> SpreadRule:
    """``pod`` is a pod's spec. Replicas kept on different zones are on different nodes too."""
    rules = [*_affinity_rules(pod["affinity"]["podAntiAffinity"]), *_spread_rules(pod["topologySpreadConstraints"])]
    zones, zones_at = _firmest(rules, _ZONES)
    nodes, nodes_at = _firmest(rules, (_NODE, *_ZONES) if zones is Spreading.REQUIRED else (_NODE,))
    return SpreadRule(nodes, nodes_at, zones, zones_at)


def spread_of_constraint(when_unsatisfiable: str, max_skew: int | None) -> Spreading:
    """A skew above 1 lets replicas share while others stand empty: no more than a preference."""
    if when_unsatisfiable == "ScheduleAnyway" or (max_skew or 1) > 1:
        return Spreading.PREFERRED
    return Spreading.REQUIRED


def _affinity_rules(anti: YamlNode) -> list[tuple[str, Spreading, YamlNode]]:
    required = [
        (term["topologyKey"].text, Spreading.REQUIRED, term["topologyKey"])
        for term in anti["requiredDuringSchedulingIgnoredDuringExecution"].items
    ]
    terms = [item["podAffinityTerm"] for item in anti["preferredDuringSchedulingIgnoredDuringExecution"].items]
    return required + [(term["topologyKey"].text, Spreading.PREFERRED, term["topologyKey"]) for term in terms]


def _spread_rules(constraints: YamlNode) -> list[tuple[str, Spreading, YamlNode]]:
    return [
        (
            item["topologyKey"].text,
            spread_of_constraint(item["whenUnsatisfiable"].text, item["maxSkew"].whole),
            item["topologyKey"],
        )
        for item in constraints.items
    ]


def _firmest(rules: list[tuple[str, Spreading, YamlNode]], keys: tuple[str, ...]) -> tuple[Spreading, YamlNode]:
    best, at = Spreading.NONE, YamlNode(None)
    for key, firmness, where in rules:
        if key in keys and _RANK.index(firmness) > _RANK.index(best):
            best, at = firmness, where
    return best, at
