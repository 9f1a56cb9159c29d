"""Rules of a user's own: every ``*.py`` of a folder, and what installed packages offer as ``secondsite.rules``.

Rules are Python and are run: a folder is named on the command line, never by a system file that somebody sent. What
goes wrong in such a rule is told with its file and line, and never passes for a silent rule.
"""

from __future__ import annotations

import importlib.util
import traceback
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from attrs import evolve

from secondsite.audit.audited import Audited
from secondsite.audit.rule import Finding, Rule, rules_of
from secondsite.model.errors import InputError
from secondsite.model.place import Place

GROUP = "secondsite.rules"


def with_own(shipped: Sequence[Rule], folders: Iterable[Path] = ()) -> tuple[Rule, ...]:
    """The shipped rules, those of installed packages, and those of the folders. Raises `InputError`."""
    rules = list(shipped)
    for where, added in (*_installed(), *(pair for folder in folders for pair in _of_folder(folder))):
        for rule in added:
            if any(rule.id == known.id for known in rules):
                raise InputError.at(where, f"there is a rule {rule.id!r} already", "give this one another id")
            rules.append(evolve(rule, check=partial(_checked, rule, where)))
    return tuple(rules)


def _installed() -> Iterator[tuple[str, tuple[Rule, ...]]]:
    for point in entry_points(group=GROUP):
        where = f"entry point {GROUP} {point.name} ({point.value})"
        try:
            loaded = point.load()
        except Exception as error:
            raise _failed(error, where, "cannot be loaded", "repair or uninstall that package") from error
        yield where, _rules(loaded, where)


def _of_folder(folder: Path) -> Iterator[tuple[str, tuple[Rule, ...]]]:
    if not folder.is_dir():
        raise InputError.at(str(folder), "is no folder", "name a folder with rules, one `.py` file or more")
    files = sorted(path for path in folder.glob("*.py") if not path.name.startswith("_"))
    if not files:
        raise InputError.at(str(folder), "holds no `.py` file", "name the folder in which the rules are")
    for path in files:
        yield str(path), _rules(_module(path), str(path))


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"secondsite_own_rules_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise InputError.at(str(path), "cannot be loaded as Python", "name a folder of `.py` files")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise _failed(error, str(path), "cannot be loaded", "correct the file") from error
    return module


def _rules(loaded: object, where: str) -> tuple[Rule, ...]:
    """Of a module, a rule, or a sequence of them; none at all is an error, as nobody asks for nothing."""
    loaded_rules = (
        rules_of(loaded) if isinstance(loaded, ModuleType) else (loaded,) if isinstance(loaded, Rule) else loaded
    )
    if (
        not isinstance(loaded_rules, (tuple, list))
        or not loaded_rules
        or not all(isinstance(one, Rule) for one in loaded_rules)
    ):
        raise InputError.at(where, "defines no rule", "decorate a function with `@secondsite.audit.rule.rule(…)`")
    return tuple(loaded_rules)


def _checked(rule: Rule, where: str, audited: Audited) -> tuple[Finding, ...]:
    try:
        findings = tuple(rule.check(audited))
    except Exception as error:
        remedy = f"correct the rule, or leave it out with `--ignore {rule.id}`"
        raise _failed(error, where, f"rule {rule.id} failed", remedy) from error
    if not all(isinstance(one, Finding) for one in findings):
        raise InputError.at(where, f"rule {rule.id} yields something that is not a Finding", "yield `Finding(…)` only")
    return findings


def _failed(error: Exception, where: str, what: str, remedy: str) -> InputError:
    """At the line of that file that raised, where it is one of the traceback."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == where]
    line = error.lineno if isinstance(error, SyntaxError) and error.filename == where else (lines or [0])[-1]
    return InputError.at(Place(where, line or 0), f"{what}: {type(error).__name__}: {error}", remedy)
