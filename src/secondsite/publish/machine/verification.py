"""A verification for machines: ``secondsite/verification/1``."""

from __future__ import annotations

from typing import Any

from attrs import asdict

from secondsite.drill.verdict.verification import ContractVerdict, EvidenceVerification


def verification_json(verification: EvidenceVerification) -> dict[str, Any]:
    return {
        "schema": "secondsite/verification/1",
        "contracts": [_row(row) for row in verification.rows],
        "problems": [
            {"file": problem.place.file, "what": problem.what, "remedy": problem.remedy}
            for problem in verification.problems
        ],
        "unfinished": [str(path) for path in verification.unfinished],
        "unsigned": [str(path) for path in verification.unsigned],
        "registers": [
            {"file": str(each.path), "campaigns": len(each.campaigns), "head": each.head}
            for each in verification.registers
        ],
    }


def _row(row: ContractVerdict) -> dict[str, Any]:
    one = row.measurement
    return {
        "subject": row.contract.about,
        "fault": str(row.contract.fault),
        "strategy": row.strategy or None,
        "verdict": str(row.verdict),
        "of": str(one.of) if one else None,
        "where": str(one.where) if one else None,
        "measured": one
        and {
            "rto_s": dict(one.rto_s) if one.rto_s else None,
            "upper_rto_s": one.upper_rto_s,
            "rpo": asdict(one.loss) if one.loss else None,
            "projected": one.projected,
            "unrehearsed": {"steps": list(one.unrehearsed), "seconds": one.unrehearsed_s},
        },
        "limit": {
            "rto_s": row.contract.rto_s,
            "rpo_s": row.contract.rpo_s,
            "confidence": row.contract.confidence,
        },
        "apart": {one.limit.lower(): {"verdict": str(one.verdict), "why": one.why} for one in row.apart},
        "age_s": row.age_s,
        "why": row.why,
        "drill": row.drill or None,
        "profile": one.profile if one else None,
        "runs": one.runs if one else 0,
        "evidence": one.evidence if one else None,
    }
