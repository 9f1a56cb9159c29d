"""``compliance.md``: which part of a standard or regulation is answered by what here, and what is not answered at all.

The requirements are told in our words, by clause; whoever audits reads the text itself.
"""

from __future__ import annotations

from attrs import frozen

from secondsite.publish.content.board import board
from secondsite.publish.content.inputs import Inputs
from secondsite.publish.documents.contracts import counts
from secondsite.publish.text.markdown import Md, table, text
from secondsite.publish.text.templates import render

NAME = "compliance.md"
_CONTRACTS = "[contracts](dr-contracts.md)"
_RUNBOOK = "[runbook](runbook.md)"
_SCHEDULE = "[drill schedule](dr-test-schedule.md)"
_ARCHITECTURE = "[architecture](architecture-current.md)"
_EVALUATION = "[evaluation](multi-region-evaluation.md)"
_ROADMAP = "[roadmap](multi-region-roadmap.md)"
_VERIFY = "`secondsite verify`, from hash-chained evidence; signed where `drill --sign` was used"
_YOURS = "**yours**"


@frozen
class AuditedClause:
    """``answer`` is Markdown of ours; ``missing`` is what the documents do not hold."""

    clause: str
    what: str
    answer: str
    missing: str = ""


ISO_22301 = (
    AuditedClause("7.5", "documented information is controlled", "document control at the end of each document"),
    AuditedClause("8.2.2", "business impact analysis", f"RTO and RPO of each service: {_CONTRACTS}", "impact in money"),
    AuditedClause("8.2.3", "risk assessment", f"{_ARCHITECTURE}, single points of failure; `secondsite audit`"),
    AuditedClause("8.3", "strategies and solutions are chosen by analysis", _EVALUATION),
    AuditedClause("8.3.4", "resource requirements", f"{_ROADMAP}, [costs](cost-estimate.md)"),
    AuditedClause("8.4.2", "response structure: who declares, who acts", f"{_RUNBOOK}, Severity and Roles", "names"),
    AuditedClause("8.4.3", "warning and communication", f"{_RUNBOOK}, Communication; `dr-alerts.yaml`"),
    AuditedClause("8.4.4", "business continuity plans", f"{_RUNBOOK}, a chapter for each fault"),
    AuditedClause("8.4.5", "return to normal", f"{_RUNBOOK}, Failback"),
    AuditedClause("8.5", "exercise programme", _SCHEDULE),
    AuditedClause("8.6", "evaluation of plans and capabilities", _VERIFY),
    AuditedClause("9.1", "monitoring and measurement", "`dr-alerts.yaml`, `dr-dashboard.json`"),
    AuditedClause("9.3", "management review", "[summary](summary.md), with signatures", "minutes of the review"),
    AuditedClause("10", "nonconformity and improvement", f"{_SCHEDULE}, After a drill", "the record of corrections"),
)
SOC_2 = (
    AuditedClause("A1.1", "capacity is monitored and planned", f"capacity at peak: {_EVALUATION}", "use over time"),
    AuditedClause(
        "A1.2", "backup and recovery infrastructure", f"{_ARCHITECTURE}, What is backed up; `secondsite backup`"
    ),
    AuditedClause("A1.2", "environmental protections of the data centre", "", "the provider's own report"),
    AuditedClause("A1.3", "recovery procedures are tested", f"{_VERIFY}; {_SCHEDULE}"),
)
DORA = (
    AuditedClause("5, 6", "management body approves the framework", "[summary](summary.md), with signatures"),
    AuditedClause(
        "8",
        "identification of functions, assets and dependencies",
        _ARCHITECTURE,
        "third parties nobody listed",
    ),
    AuditedClause(
        "9(4)", "protection: access, keys, change control", "docs/rights.md; rendered Roles", "your policies"
    ),
    AuditedClause("10", "detection", "`secondsite watch`, `dr-alerts.yaml`"),
    AuditedClause("11(1)-(3)", "continuity policy, response and recovery plans", f"{_RUNBOOK}; {_CONTRACTS}"),
    AuditedClause("11(5)", "business impact analysis", f"RTO and RPO: {_CONTRACTS}", "impact in money"),
    AuditedClause("11(6)", "plans are tested at least once a year", f"{_SCHEDULE}; {_VERIFY}"),
    AuditedClause("11(7)", "crisis management", f"{_RUNBOOK}, Severity, Roles and Communication", "names"),
    AuditedClause("12(1)-(3)", "backup policies, restoration on separate systems", "`secondsite backup verify`"),
    AuditedClause("12(6)", "RTO and RPO for each function", _CONTRACTS),
    AuditedClause("12(7)", "data integrity after recovery", "drills count lost, repeated and altered writes"),
    AuditedClause("13", "learning from tests and incidents", f"{_SCHEDULE}, After a drill", "the record of lessons"),
    AuditedClause("14", "communication plans", f"{_RUNBOOK}, Communication"),
    AuditedClause("17-19", "incident management, classification and reporting", f"{_RUNBOOK}, Severity", "reporting"),
    AuditedClause("24, 25", "testing programme, scenario-based tests", f"{_SCHEDULE}; drills of {{faults}} faults"),
    AuditedClause("26, 27", "threat-led penetration testing", "", "the test"),
    AuditedClause("28-30", "third-party risk", f"{_RUNBOOK}, What both regions depend on", "contracts, exit plans"),
)


def document(inputs: Inputs) -> str:
    return render(
        "compliance.md.j2",
        system=inputs.system,
        as_of=inputs.as_of.isoformat(),
        counts=counts(board(inputs)),
        iso=_rows(inputs, ISO_22301),
        soc=_rows(inputs, SOC_2),
        dora=_rows(inputs, DORA),
    )


def _rows(inputs: Inputs, requirements: tuple[AuditedClause, ...]) -> Md:
    faults = str(len({one.fault for one in inputs.measurements}))
    rows = [
        (
            one.clause,
            text(one.what),
            Md(one.answer.replace("{faults}", faults)) if one.answer else "–",
            Md(f"{_YOURS}: {text(one.missing)}") if one.missing else "",
        )
        for one in requirements
    ]
    return table(("Clause", "Asks for", "Answered by", "Not answered here"), rows)
