"""A verification as JUnit XML: a test case for each contract, which CI systems show without being taught.

Breached is a failure; unproven an error, as nobody knows; changed evidence an error of its own. Only what the common
schema knows is written.
"""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from secondsite.drill.verdict.verification import ContractVerdict, EvidenceVerification
from secondsite.model.contract import Verdict
from secondsite.model.errors import Problem
from secondsite.publish.content.verification import limits, measured

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(verification: EvidenceVerification, name: str = "secondsite") -> str:
    breached = sum(row.verdict is Verdict.BREACHED for row in verification.rows)
    unproven = sum(row.verdict is Verdict.UNPROVEN for row in verification.rows)
    counts = {
        "tests": str(len(verification.rows) + len(verification.problems)),
        "failures": str(breached),
        "errors": str(unproven + len(verification.problems)),
    }
    root = Element("testsuites", {"name": name, **counts})
    suite = SubElement(root, "testsuite", {"name": f"{name} contracts", **counts, "skipped": "0", "time": "0"})
    for row in verification.rows:
        _contract(suite, row)
    for problem in verification.problems:
        _problem(suite, problem)
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _contract(suite: Element, row: ContractVerdict) -> None:
    name = row.contract.name if not row.drill else f"{row.contract.name} [{row.drill}, {row.strategy}]"
    case = SubElement(suite, "testcase", _clean({"name": name, "classname": "secondsite.contracts", "time": "0"}))
    scope = f"{row.measurement.scope}; " if row.measurement else ""
    text = _plain(f"{scope}limit {limits(row.contract)}; measured {measured(row)}; {row.why}")
    if row.verdict is Verdict.BREACHED:
        SubElement(case, "failure", _clean({"message": row.why, "type": "breached"})).text = text
    elif row.verdict is Verdict.UNPROVEN:
        SubElement(case, "error", _clean({"message": row.why, "type": "unproven"})).text = text
    else:
        SubElement(case, "system-out").text = text


def _problem(suite: Element, problem: Problem) -> None:
    attributes = {"name": problem.place.file, "classname": "secondsite.evidence", "time": "0"}
    case = SubElement(suite, "testcase", _clean(attributes))
    SubElement(case, "error", _clean({"message": problem.what, "type": "evidence"})).text = _plain(str(problem))


def _clean(attributes: dict[str, str]) -> dict[str, str]:
    return {name: _plain(value) for name, value in attributes.items()}


def _plain(text: str) -> str:
    """A server's error may hold what XML cannot."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
