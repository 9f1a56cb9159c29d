"""Writes docs/audit.md from the records of the rules; `--check` says whether it is stale.

Run it from .venv (`make docs`). The rules are the source: a text of a rule is changed there, an example in
src/secondsite/audit/rule_examples.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from attrs import evolve

from secondsite.audit.examples import example_of
from secondsite.audit.registry import RULES, THEMES, audit
from secondsite.audit.rule import Rule
from secondsite.discover.manifests import discover
from secondsite.discover.system_file.reading import load_system
from secondsite.model.hazard import Hazard
from secondsite.publish.text.markdown import code, fence, prose, table, text

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "audit.md"
EXAMPLE = ROOT / "examples" / "kgents"

PREFACE = """\
<!-- Written by script/audit_page.py from the rules in src/secondsite/audit. Do not edit: run `make docs`. -->
# secondsite audit

Finds what endangers your contracts.

    secondsite audit                         text, worst first
    secondsite audit --brief                 a line each
    secondsite audit --list                  every rule with its severity
    secondsite audit --explain RULE          one rule, with a bad and a good example
    secondsite audit --select 'nats-*'       these rules only; --ignore leaves rules out
    secondsite audit --rules DIR             your own rules as well
    secondsite audit --format sarif > audit.sarif      for code scanning
    secondsite audit --fail-on medium        exit code 1 from this severity on (default: high)

Each hazard has a stable rule id, the place in your manifests, why it matters, the contracts it endangers, its source
and a remedy. *fatal* means that a contract cannot hold while it stands.

A hazard that you accept is waived with a reason, in `secondsite.yaml`:

    waivers:
      - {rule: image-latest, reason: staging only until the release train starts, at: kgent-api}

It stays in the output, marked, and does not count. A waiver without effect is a hazard itself.

`evaluate` audits every strategy's deployment in the same way: a strategy shows the hazards that it would have.

## Rules of your own

A rule is a function with its record above it. Put it into a `.py` file of a folder and name the folder with `--rules`,
or ship it in a package under the entry point `secondsite.rules` (a module, a rule, or a list of rules): then every
`secondsite audit` applies it. Rules are Python and are run as you, so take them from nobody you would not take a script
from.

```python
from secondsite.audit.rule import Finding, rule
from secondsite.model.hazard import Severity


@rule(
    id="shop-owner",
    severity=Severity.HIGH,
    title="A contract that nobody answers for",
    why="At 3 a.m. somebody has to decide, and nobody knows who.",
    source="our operations handbook, chapter 4",
    remedy="Write the owning team into the contract.",
    bad="contracts: [{subject: api, fault: region, rto: 5m}]",
    good="contracts: [{subject: api, fault: region, rto: 5m, owner: team-api}]",
)
def shop_owner(audited):
    for contract in audited.system.contracts:
        if not contract.owner:
            yield Finding(f"contracts.{contract.name}", f"nobody owns {contract.name}", (contract.name,))
```

A finding names what is at fault by its path in the system file, and `audit` finds the line. A rule that fails ends the
audit with exit code 2 and its file and line: a rule that crashed has not looked.
"""

RULES_HEAD = """\
The examples are parts of a `secondsite.yaml`; a test reads them, and the rule fires on the bad one and is silent on the
good one. `procedures`, `copies` and `links` stand in no file: they are what a strategy adds, as `evaluate` audits it.
"""

EXAMPLE_HEAD = """\
Every weakness of `examples/kgents` that a manifest can show, where it stands:
"""


def main() -> None:
    whole = page()
    if "--check" in sys.argv[1:]:
        if not PAGE.exists() or PAGE.read_text("utf-8") != whole:
            sys.exit("docs/audit.md is stale: run `make docs`")
    else:
        PAGE.write_text(whole, "utf-8")


def page() -> str:
    return "\n".join([PREFACE, *_rules(), "## What it finds in the example\n", EXAMPLE_HEAD, f"{_found(_hazards())}\n"])


def _rules() -> Iterator[str]:
    yield f"## The {len(RULES)} rules\n"
    yield RULES_HEAD
    yield "\n".join(f"- {theme}: {_listed(rules)}" for theme, rules in THEMES.items()) + "\n"
    for theme, rules in THEMES.items():
        yield f"### {theme}\n"
        for rule in rules:
            yield from _entry(rule)


def _listed(rules: Iterable[Rule]) -> str:
    return ", ".join(f"[{rule.id}](#{rule.id})" for rule in rules)


def _entry(rule: Rule) -> Iterator[str]:
    yield f"#### {rule.id}\n"
    yield f"*{rule.severity}*: {prose(rule.title)}. {prose(rule.why)}\n"
    yield f"- **Remedy:** {prose(rule.remedy)}"
    yield f"- **Source:** {prose(rule.source)}\n"
    example = example_of(rule)
    if example:
        yield f"Bad:\n\n{fence(example.bad.splitlines(), 'yaml')}\n"
        yield f"Good:\n\n{fence(example.good.splitlines(), 'yaml')}\n"


def _hazards() -> tuple[Hazard, ...]:
    """Of the manifests alone: what a person adds to the system file is not what a manifest shows."""
    found = discover([EXAMPLE / "manifests"], name="kgents", base=EXAMPLE / "manifests").system
    return audit(evolve(found, contracts=load_system(EXAMPLE / "secondsite.yaml").contracts))


def _found(hazards: Iterable[Hazard]) -> str:
    rows = [[text(hazard.message), code(hazard.rule), _place(hazard)] for hazard in hazards]
    return table(["weakness", "rule", "where"], rows)


def _place(hazard: Hazard) -> str:
    """The default of what no manifest says has no place in one."""
    if hazard.place.line:
        return code(f"{hazard.place.file}:{hazard.place.line}")
    return text("no manifest says otherwise")


if __name__ == "__main__":
    main()
