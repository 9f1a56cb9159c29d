"""Runs first the tests that touch the mutated line, then all of the group: most mutants are noticed within a second.

Stands in the copy that is mutated, beside ``before/``, the code as it was, and ``near.db``, which tests run which
lines. Exits with 0 only where the whole group passed: what the first tests do not notice, another may.
"""

from __future__ import annotations

import difflib
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from coverage import CoverageData

BEFORE = Path("before")
NEAR = "near.db"
MOST = 40
_FAILED, _INTERRUPTED = 1, 2
"""Other codes of pytest may mean that a test has another name in the mutant: only the whole group tells then."""


def main(pytest: Sequence[str]) -> int:
    command, tests = [*pytest[: pytest.index("--")]], [*pytest[pytest.index("--") + 1 :]]
    if near := nearest():
        Path("near.txt").write_text("\n".join(near) + "\n")
        code = subprocess.run([*command, "@near.txt"], check=False).returncode
        if code in {_FAILED, _INTERRUPTED} or code < 0:
            return 1
    return subprocess.run([*command, *tests], check=False).returncode


def nearest() -> list[str]:
    """The tests that ran the changed lines, those first that run the fewest lines of the module."""
    data = CoverageData(NEAR)
    data.read()
    for module, lines in changed():
        by_line = data.contexts_by_lineno(str(module.resolve()))
        run: dict[str, int] = {}
        for names in by_line.values():
            for name in {name.partition("|")[0] for name in names if name}:
                run[name] = run.get(name, 0) + 1
        wanted = {name.partition("|")[0] for line in lines for name in _at(by_line, line) if name}
        return sorted(wanted, key=lambda name: (run[name], name))[:MOST]
    return []


def changed() -> Iterator[tuple[Path, list[int]]]:
    for old in sorted(BEFORE.rglob("*.py")):
        new = old.relative_to(BEFORE)
        before, after = old.read_text("utf-8").splitlines(), new.read_text("utf-8").splitlines()
        if before != after:
            steps = difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
            yield (
                new,
                [
                    line + 1
                    for tag, start, end, *_ in steps
                    if tag != "equal"
                    for line in range(start, max(end, start + 1))
                ],
            )


def _at(by_line: dict[int, list[str]], line: int) -> list[str]:
    """Who ran the line, or the one that the statement begins on."""
    return next((by_line[at] for at in range(line, max(line - 12, 0), -1) if any(by_line.get(at, ()))), [])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
