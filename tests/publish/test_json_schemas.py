"""What ``--json`` prints fits its schema, the schema knows every field of it, and no field is ever taken away."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from output_fit import misfits

from secondsite.audit.registry import audit
from secondsite.cli.__main__ import run
from secondsite.evaluate.evaluation import Evaluation
from secondsite.publish.machine.audit import entry
from secondsite.publish.machine.evaluation import evaluation_json
from secondsite.publish.machine.output_schema import output_schema

DOCUMENTS = ("audit", "drill", "evaluation", "verification")
PROMISED = Path(__file__).parent / "promised_fields.txt"


def promised(schema: dict[str, Any], path: str, root: dict[str, Any]) -> Iterator[str]:
    """Every field that has to be there, with what it may be."""
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    for name in schema.get("required", ()):
        field = schema["properties"][name]
        kinds = field.get("type") or field.get("enum") or field.get("const") or field["$ref"]
        yield f"{path}.{name} {json.dumps(sorted(map(str, kinds)) if isinstance(kinds, list) else kinds)}"
        yield from promised(field, f"{path}.{name}", root)
    for key, sign in (("items", "[]"), ("additionalProperties", "{}")):
        if isinstance(schema.get(key), dict):
            yield from promised(schema[key], f"{path}{sign}", root)


def test_what_is_evaluated_and_audited_fits(evaluation: Evaluation) -> None:
    assert misfits("evaluation", evaluation_json(evaluation)) == []
    withheld = attrs.evolve(evaluation.recommendation, withheld="no stream is known")
    assert misfits("evaluation", evaluation_json(attrs.evolve(evaluation, recommendation=withheld))) == []
    hazards = [entry(hazard) for hazard in audit(evaluation.system)]
    waived = [{**hazards[0], "waived": "a.person until 2027-01-01: known"}]
    assert misfits("audit", {"schema": "secondsite/audit/1", "hazards": [*hazards, *waived]}) == []


@pytest.mark.slow
@pytest.mark.parametrize("system", ["kgents", "parcels", "harbour"])
def test_what_other_systems_print_fits(
    system: str, pytestconfig: pytest.Config, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = pytestconfig.rootpath / "examples" / system
    for document, verb in (("audit", "audit"), ("verification", "verify")):
        kept = folder / "evidence" if (folder / "evidence").is_dir() else tmp_path
        evidence = ("--evidence", str(kept)) if verb == "verify" else ()
        run([verb, "--file", str(folder / "secondsite.yaml"), *evidence, "--json"])
        assert misfits(document, json.loads(capsys.readouterr().out)) == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_field_that_is_missing_or_not_known_is_found(document: str, evaluation: Evaluation) -> None:
    assert misfits(document, {})
    assert any("unheard" in one for one in misfits(document, {"schema": f"secondsite/{document}/1", "unheard": 1}))


def test_no_promised_field_is_renamed_or_taken_away() -> None:
    """To promise a new field, add the line that is missing; a line that is there stays."""
    now = {
        line for document in DOCUMENTS for line in promised(output_schema(document), document, output_schema(document))
    }
    then = set(PROMISED.read_text("utf-8").splitlines())
    assert then - now == set(), "taken away"
    assert now - then == set(), "new"


def test_the_verb_prints_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema", "drill"]) == 0
    assert json.loads(capsys.readouterr().out) == output_schema("drill")
