"""``secondsite audit``: find what endangers the contracts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from secondsite.audit.registry import RULES, at_or_above
from secondsite.audit.registry import audit as find
from secondsite.cli.options import SYSTEM_FILE
from secondsite.discover.system_file.reading import load_system
from secondsite.model.errors import EXIT_DOES_NOT_HOLD, EXIT_HOLDS
from secondsite.model.hazard import Hazard, Severity
from secondsite.publish.machine import audit as audit_json
from secondsite.publish.machine import sarif
from secondsite.publish.terminal import audit as audit_text

Form = Literal["text", "json", "sarif"]


def audit(
    *,
    file: Path = SYSTEM_FILE,
    form: Annotated[Form, Parameter(name="--format")] = "text",
    json: Annotated[bool, Parameter(negative="")] = False,
    fail_on: Literal["fatal", "high", "medium", "low", "never"] = "high",
    rules: Annotated[bool, Parameter(negative="")] = False,
    brief: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Find what endangers the contracts: each hazard with its place, why, and what to do.

    Parameters
    ----------
    file
        The system, as written by `secondsite init`.
    form
        How to print the hazards.
    json
        The same as `--format json`.
    fail_on
        Exit with 1 when a hazard is at least this severe and not waived.
    rules
        List every rule, and audit nothing.
    brief
        Text with a line for each hazard: where and what.
    """
    if rules:
        console = audit_text.console()
        console.print(audit_text.render_rules(RULES, console.width))
        return EXIT_HOLDS
    hazards = find(load_system(file))
    _print(hazards, "json" if json else form, brief=brief)
    failing = fail_on != "never" and at_or_above(hazards, Severity(fail_on))
    return EXIT_DOES_NOT_HOLD if failing else EXIT_HOLDS


def _print(hazards: tuple[Hazard, ...], form: Form, *, brief: bool) -> None:
    if form == "json":
        print(audit_json.render(hazards))
    elif form == "sarif":
        print(sarif.render(hazards, RULES, Path.cwd()))
    else:
        console = audit_text.console()
        width = console.width
        whole = audit_text.render_brief(hazards, width) if brief else audit_text.render(hazards, RULES, width)
        console.print(whole)
