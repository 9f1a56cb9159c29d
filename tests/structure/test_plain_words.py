"""No private dialect where a user reads: messages, help, templates, README, docs, and what the example publishes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "secondsite"
DIALECT = (
    *("unasked", "its own words", "mend that", "all without", "default: ()", "nothing to hurry", "nobody told"),
    *("services of others", "ask who it is", "how far an operation is", "undo what is due", "one of --from without"),
    *("of asked", "have to turn red", "has to turn red", "on and on", "there is no such", "look whether", "see to it"),
    *("is there already", "is not there,", "nobody said how", "takes no writes", "gave it up", "say the same again"),
    *("lost on the way", "told by nobody", "what only it has was", "was lifted meanwhile", "as we are:", "our login"),
    *(
        "by lot",
        "two looks",
        "takes as long as it takes",
        "an own authority",
        "get to its end",
        "of no intent",
        "own matter",
    ),
    *(
        "does not get what",
        "nobody was seen",
        "stands there already",
        "be looked at",
        "approves something else",
        "as no package",
    ),
    *(
        "ask for a longer rpo",
        "lay its replica",
        "is played in the lab",
        "was done already",
        "escalate after 0 s",
        "of its end",
    ),
    *(
        "comes as no",
        "with no json",
        "runs in its place",
        "puts back",
        "one way only",
        "is compared with no",
        "knows nothing of it",
    ),
    *("we may not", "are called like", "is called like", "in earnest", "the least to own", "at its most", "a stranger"),
)
"""Phrases that an engineer of the field would not write; each stood in an interface once."""
_ANY = re.compile("|".join(rf"(?<!\w){re.escape(phrase)}(?!\w)" for phrase in DIALECT))
PAGES = ("README.md", "docs/*.md", "docs/publish/*.md", "examples/kgents/docs/saas/*.md", "charts/**/*")


def messages(path: Path) -> Iterator[tuple[int, str]]:
    """Strings of a module; docstrings only where they are help."""
    tree = ast.parse(path.read_text("utf-8"))
    help_too = path.parent.name == "cli"
    documented = (ast.FunctionDef, ast.AsyncFunctionDef) if help_too else ()
    for node in ast.walk(tree):
        if isinstance(node, documented) and (text := ast.get_docstring(node)):
            yield node.lineno, text
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node.lineno, node.value


@cache
def read_by_users() -> tuple[tuple[str, int, str], ...]:
    return tuple(_read_by_users())


def _read_by_users() -> Iterator[tuple[str, int, str]]:
    for path in SOURCE.rglob("*.py"):
        yield from ((str(path.relative_to(ROOT)), line, text) for line, text in messages(path))
    pages = [page for pattern in PAGES for page in ROOT.glob(pattern) if page.is_file()]
    for path in [*SOURCE.rglob("*.j2"), *pages]:
        for line, text in enumerate(path.read_text("utf-8").splitlines(), 1):
            yield str(path.relative_to(ROOT)), line, text


def test_no_phrase_of_the_dialect_is_left() -> None:
    found = [
        (path, line, phrase)
        for path, line, text in read_by_users()
        for phrase in _ANY.findall(" ".join(text.lower().split()))
    ]
    assert not found


def test_it_reads_messages_help_templates_and_pages() -> None:
    """What is looked through is what users see; a phrase that is put there is found."""
    told = {path for path, _, _ in read_by_users()}
    assert {
        "src/secondsite/cli/watch.py",
        "README.md",
        "docs/operate.md",
        "examples/kgents/docs/saas/runbook.md",
    } <= told
    shown = [text for path, _, text in read_by_users() if path == "src/secondsite/cli/lab.py"]
    assert any(re.search("Start a lab, wait until it serves", text) for text in shown)
