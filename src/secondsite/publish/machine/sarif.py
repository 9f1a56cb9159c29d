"""Hazards as SARIF 2.1.0, for code scanning and editors.

Every result names its rule by id and index, and says whether it is suppressed. Places become URIs relative to
``base``; what is no file below it (an address of a live server, another folder) keeps its own name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from urllib.parse import quote

from secondsite import __version__
from secondsite.audit.rule import Rule
from secondsite.model.hazard import Hazard, Severity
from secondsite.model.place import Place

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LEVELS = {Severity.FATAL: "error", Severity.HIGH: "error", Severity.MEDIUM: "warning", Severity.LOW: "note"}


def render(hazards: Sequence[Hazard], rules: Sequence[Rule], base: PurePath) -> str:
    index = {rule.id: number for number, rule in enumerate(rules)}
    run = {
        "tool": {
            "driver": {
                "name": "secondsite",
                "version": __version__,
                "rules": [_rule(rule) for rule in rules],
            }
        },
        "columnKind": "unicodeCodePoints",
        "results": [_result(hazard, index, base) for hazard in hazards],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False)


def _rule(rule: Rule) -> dict[str, object]:
    return {
        "id": rule.id,
        "name": "".join(part.capitalize() for part in rule.id.split("-")),
        "shortDescription": {"text": f"{rule.title}."},
        "fullDescription": {"text": rule.why},
        "help": {
            "text": f"{rule.why} Remedy: {rule.remedy} Source: {rule.source}.",
            "markdown": f"{rule.why}\n\n**Remedy:** {rule.remedy}\n\n**Source:** {rule.source}",
        },
        "defaultConfiguration": {"level": LEVELS[rule.severity]},
        "properties": {"severity": str(rule.severity)},
    }


def _result(hazard: Hazard, index: Mapping[str, int], base: PurePath) -> dict[str, object]:
    endangers = f" Endangers {hazard.contract}." if hazard.contract else ""
    return {
        "ruleId": hazard.rule,
        "ruleIndex": index[hazard.rule],
        "level": LEVELS[hazard.severity],
        "message": {"text": f"{hazard.message}.{endangers}"},
        "locations": [
            {
                "physicalLocation": _location(hazard.place, base),
                "logicalLocations": [{"fullyQualifiedName": hazard.subject}],
            }
        ],
        "partialFingerprints": {"secondsite/v1": _fingerprint(hazard)},
        "suppressions": [{"kind": "external", "justification": hazard.waived}] if hazard.waived else [],
    }


def _location(place: Place, base: PurePath) -> dict[str, object]:
    artifact: dict[str, object] = {"artifactLocation": {"uri": uri_of(place.file, base)}}
    if not place.line:
        return artifact
    region = {"startLine": place.line, **({"startColumn": place.column} if place.column else {})}
    return {**artifact, "region": region}


def uri_of(file: str, base: PurePath) -> str:
    """Relative where the file lies below ``base``; URLs stay what they are."""
    if "://" in file:
        return file
    path = PurePath(file)
    if path.is_absolute():
        return quote(path.relative_to(base).as_posix()) if path.is_relative_to(base) else path.as_uri()
    return quote(path.as_posix())


def _fingerprint(hazard: Hazard) -> str:
    """Stays the same when lines move, so that a known result is not reported as new."""
    return hashlib.sha256(f"{hazard.rule}\0{hazard.subject}".encode()).hexdigest()[:32]
