"""The evaluation for machines: ``secondsite/evaluation/1``. Fields are added, never renamed."""

from __future__ import annotations

import math
from typing import Any

from secondsite.evaluate.complexity import Complexity
from secondsite.evaluate.evaluation import Assessment, ContractOutcome, Evaluation, Recommendation
from secondsite.model.estimate import Estimate
from secondsite.model.procedure import Procedure

SCHEMA = "secondsite/evaluation/1"


def evaluation_json(evaluation: Evaluation) -> dict[str, Any]:
    """Plain values only; null where a figure is unbounded."""
    return {
        "schema": SCHEMA,
        "system": evaluation.system.name,
        "seed": evaluation.seed,
        "years": evaluation.years,
        "strategies": [_strategy(assessment) for assessment in evaluation.assessments],
        "pareto": [strategy.id for strategy in evaluation.pareto],
        "recommendation": _recommendation(evaluation.recommendation),
    }


def estimate_json(estimate: Estimate) -> dict[str, Any]:
    """p05, p50, p95, whether it is unbounded, unit, provenance and source."""
    quantiles = {name: _finite(estimate.quantile(p)) for name, p in (("p05", 0.05), ("p50", 0.5), ("p95", 0.95))}
    return {
        **quantiles,
        "mean": _finite(estimate.mean),
        "unbounded": estimate.unbounded,
        "unit": estimate.unit,
        "provenance": str(estimate.provenance),
        "source": estimate.source,
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _strategy(assessment: Assessment) -> dict[str, Any]:
    strategy = assessment.strategy
    effort, speed = assessment.complexity, assessment.latency
    return {
        "id": strategy.id,
        "pattern": str(strategy.pattern),
        "link": str(strategy.link),
        "switch": str(strategy.switch),
        "contracts": [_outcome(outcome) for outcome in assessment.outcomes],
        "availability": estimate_json(assessment.availability),
        "downtime_minutes_per_year": estimate_json(assessment.downtime_minutes),
        "expected_loss_usd_per_year": estimate_json(assessment.expected_loss_usd),
        "owning_usd_per_year": estimate_json(assessment.owning_usd),
        "cost": {
            provider: {
                "monthly_usd": estimate_json(assessment.monthly_usd[provider]),
                **({"failed_over_usd": estimate_json(away)} if (away := assessment.away_usd.get(provider)) else {}),
                "items": [
                    {
                        "name": item.name,
                        "monthly_usd": _finite(item.monthly_usd.mean),
                        "provenance": str(item.provenance),
                        "source": item.source,
                    }
                    for item in items
                ],
            }
            for provider, items in assessment.bills.items()
        },
        "latency_ms": {
            "user_p50": estimate_json(speed.user_p50_ms),
            "user_p99": estimate_json(speed.user_p99_ms),
            "user_after_p50": estimate_json(speed.user_after_p50_ms),
            "publish_p50": estimate_json(speed.publish_p50_ms),
            "publish_p99": estimate_json(speed.publish_p99_ms),
            **({"commit_p50": estimate_json(speed.commit_p50_ms)} if speed.commit_p50_ms else {}),
            **({"commit_p99": estimate_json(speed.commit_p99_ms)} if speed.commit_p99_ms else {}),
        },
        "complexity": _complexity(effort),
        "hazards": [hazard.rule for hazard in assessment.hazards if not hazard.waived],
        "excluded": assessment.excluded or None,
        "requirements": [
            {
                "id": need.id,
                "what": need.what,
                "why": need.why,
                "hours": estimate_json(need.hours),
                "without": need.without or None,
            }
            for need in assessment.deployment.requirements
        ],
        "unprepared": assessment.unprepared or None,
        "writers": [
            {
                "policy": str(each.policy),
                "in_force": each.in_force,
                "rto_region": estimate_json(each.lost),
                "rto_wan_partition": estimate_json(each.cut_off),
                "both_sides": estimate_json(each.both_sides),
            }
            for each in assessment.policies
        ],
        "procedures": [_procedure(procedure) for procedure in assessment.procedures.values()],
    }


def _complexity(effort: Complexity) -> dict[str, Any]:
    return {
        "components": effort.components,
        "component_regions": effort.component_regions,
        "cross_region_links": effort.cross_region_links,
        "manual_steps": effort.manual_steps,
        "way_back": effort.way_back,
        "irreversible_steps": effort.irreversible_steps,
        "open_hazards": effort.open_hazards,
        "hours_per_month": estimate_json(effort.hours_per_month),
    }


def _outcome(outcome: ContractOutcome) -> dict[str, Any]:
    contract = outcome.contract
    return {
        "subject": contract.about,
        "fault": str(contract.fault),
        "rto_limit_s": contract.rto_s,
        "rpo_limit_s": contract.rpo_s,
        "confidence": contract.confidence,
        "rto": estimate_json(outcome.rto),
        "rpo": estimate_json(outcome.rpo),
        "messages_at_risk": estimate_json(outcome.messages_at_risk),
        "probability_met": outcome.probability_met,
        "verdict": None if outcome.verdict is None else str(outcome.verdict),
        "unknown": outcome.unknown or None,
    }


def _procedure(procedure: Procedure) -> dict[str, Any]:
    return {
        "name": procedure.name,
        "fault": str(procedure.fault),
        "milestones": {str(subject): step for subject, step in procedure.milestones.items()},
        "steps": [
            {
                "id": step.id,
                "verb": str(step.verb),
                "title": step.title,
                "check": step.check,
                "duration": estimate_json(step.duration),
                "limit_s": step.limit_s,
                "after": list(step.after),
                "reversible": step.reversible,
                "approval": step.approval,
                "by_person": step.by_person,
                "blocked": step.blocked or None,
            }
            for step in procedure.steps
        ],
    }


def _recommendation(recommendation: Recommendation) -> dict[str, Any]:
    return {
        "id": None if recommendation.withheld else recommendation.strategy.id,
        "withheld": recommendation.withheld or None,
        "reasons": list(recommendation.reasons),
        "stability": recommendation.stability,
        "stability_interval": [recommendation.stability_low, recommendation.stability_high],
        "pattern_stability": recommendation.pattern_stability,
        "runners_up": [{"id": r.strategy.id, "share": r.share} for r in recommendation.runners_up],
        "breached_share": recommendation.breached,
        "regret_usd_per_year": recommendation.regret_usd,
        "by_provider": {provider: strategy.id for provider, strategy in recommendation.by_provider.items()},
        "sensitivities": [
            {"name": i.name, "index": i.index, "source": i.source, "settle": i.settle}
            for i in recommendation.influences
        ],
        "flips": [
            {"name": f.name, "unit": f.unit, "today": f.today, "threshold": f.threshold, "to": f.to.id, "text": str(f)}
            for f in recommendation.flips
        ],
        "tornado": {
            "owning_usd": _finite(recommendation.tornado.owning_usd),
            "swings": [
                {
                    "name": s.name,
                    "unit": s.unit,
                    "today": s.today,
                    "low": {"value": s.low, "owning_usd": _finite(s.low_usd), "to": s.low_to.id},
                    "high": {"value": s.high, "owning_usd": _finite(s.high_usd), "to": s.high_to.id},
                }
                for s in recommendation.tornado.swings
            ],
        },
        "stores": [
            {
                "store": one.store,
                "replication": str(one.way),
                "in_force": one.in_force,
                "rpo": estimate_json(one.rpo),
                "served": estimate_json(one.served),
                **({"commit_ms": estimate_json(one.commit_ms)} if one.commit_ms else {}),
                "monthly_usd_more": one.monthly_usd,
            }
            for one in recommendation.stores
        ],
        "follow_ups": [
            {"track": f.track, "condition": f.condition, "holds": f.holds, "what": f.what}
            for f in recommendation.follow_ups
        ],
        "blockers": list(recommendation.blockers),
        "migration": [
            {
                "name": step.name,
                "strategy": step.strategy.id,
                "monthly_usd": estimate_json(step.monthly_usd),
                "added_usd": estimate_json(step.added_usd),
                "added_new_usd": estimate_json(step.added_new_usd),
                "added_people_usd": estimate_json(step.added_people_usd),
                "hours": estimate_json(step.hours),
                "requirements": list(step.requirements),
                "gains": list(step.gains),
                "beyond": step.beyond,
            }
            for step in recommendation.migration
        ],
    }
