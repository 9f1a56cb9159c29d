"""``secondsite audit``: find what endangers the contracts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from secondsite.audit.examples import example_of
from secondsite.audit.registry import RULES, at_or_above
from secondsite.audit.registry import audit as find
from secondsite.audit.rule import Rule
from secondsite.audit.selection import named, selected
from secondsite.cli.options import SYSTEM_FILE
from secondsite.discover.own_rules import with_own
from secondsite.discover.system_file.reading import load_system
from secondsite.model.errors import EXIT_DOES_NOT_HOLD, EXIT_HOLDS
from secondsite.model.hazard import Hazard, Severity
from secondsite.publish.machine import audit as audit_json
from secondsite.publish.machine import sarif
from secondsite.publish.terminal import audit as audit_text
from secondsite.publish.terminal.console import terminal_console

Form = Literal["text", "json", "sarif"]


def audit(
    *,
    file: Path = SYSTEM_FILE,
    form: Annotated[Form, Parameter(name="--format")] = "text",
    json: Annotated[bool, Parameter(negative="")] = False,
    fail_on: Literal["fatal", "high", "medium", "low", "never"] = "high",
    select: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    ignore: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    rules: Annotated[tuple[Path, ...], Parameter(negative="")] = (),
    explain: str = "",
    list_rules: Annotated[bool, Parameter(name="--list", negative="")] = False,
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
    select
        Apply only these rules: ids or globs such as `nats-mirror-*`, with commas between or repeated.
    ignore
        Do not apply these rules: ids or globs. A hazard that you accept is better waived, with a reason.
    rules
        Also apply the rules in the Python files of this folder.
    explain
        Print one rule with a bad and a good example, and audit nothing.
    list_rules
        List every rule, and audit nothing.
    brief
        Text with a line for each hazard: where and what.
    """
    known = with_own(RULES, rules)
    if list_rules or explain:
        _describe(known, explain)
        return EXIT_HOLDS
    applied = selected(known, select, ignore)
    hazards = find(load_system(file), rules=applied, known=known)
    _print(hazards, known, "json" if json else form, brief=brief)
    failing = fail_on != "never" and at_or_above(hazards, Severity(fail_on))
    return EXIT_DOES_NOT_HOLD if failing else EXIT_HOLDS


def _describe(known: tuple[Rule, ...], rule_id: str) -> None:
    console = terminal_console()
    if rule_id:
        rule = named(known, rule_id, "--explain")
        console.print(audit_text.render_rule(rule, example_of(rule), console.width))
    else:
        console.print(audit_text.render_rules(known, console.width))


def _print(hazards: tuple[Hazard, ...], rules: tuple[Rule, ...], form: Form, *, brief: bool) -> None:
    if form == "json":
        print(audit_json.render(hazards))
    elif form == "sarif":
        print(sarif.render(hazards, rules, Path.cwd()))
    else:
        console = terminal_console()
        width = console.width
        whole = audit_text.render_brief(hazards, width) if brief else audit_text.render(hazards, rules, width)
        console.print(whole)
