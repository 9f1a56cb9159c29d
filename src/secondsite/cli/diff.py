"""``secondsite diff``: what a change of the system file does to contracts, cost and hazards."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.types import NonNegativeInt, PositiveInt

from secondsite.cli.evaluations import HELP, NO_CACHE
from secondsite.cli.options import SYSTEM_FILE
from secondsite.model.errors import EXIT_DOES_NOT_HOLD, EXIT_HOLDS, InputError


def diff(
    base: str,
    /,
    *,
    file: Path = SYSTEM_FILE,
    strategy: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    years: PositiveInt = 200_000,
    seed: NonNegativeInt = 1,
    json_: Annotated[bool, Parameter(name="--json", negative="")] = False,
    no_cache: Annotated[bool, Parameter(help=HELP, env_var=NO_CACHE, negative="")] = False,
) -> int:
    """Compare the system with an earlier one: contracts, cost and hazards, as Markdown for a pull request.

    Exit code 0; 1 when a contract that was expected to hold no longer is, or a fatal or high hazard is new.

    Parameters
    ----------
    base
        The system before: a file, or a git revision such as `main` or `HEAD~1`, in which `--file` is read.
    file
        The system after.
    strategy
        Consider only these strategies (pattern/link); all by default.
    years
        Years to simulate, on both sides.
    seed
        Random seed for both sides; the same seed gives the same figures.
    json_
        For machines.
    """
    from secondsite.audit.registry import audit
    from secondsite.catalogue.bundle import load_catalogue
    from secondsite.catalogue.table import USER_FOLDER
    from secondsite.cli.evaluations import evaluated
    from secondsite.discover.system_file.reading import load_system, load_text, read_system
    from secondsite.evaluate.difference import difference
    from secondsite.evaluate.explain import parse_strategy
    from secondsite.publish.machine.difference import difference_json, difference_markdown

    system = load_system(file)
    earlier = read_system(load_text(Path(base)), base) if Path(base).exists() else read_system(*_committed(base, file))
    tables = load_catalogue(file.parent / USER_FOLDER)
    chosen = tuple(parse_strategy(text) for text in strategy)
    before, after = (
        evaluated(each, tables, years=years, seed=seed, strategies=chosen, anew=no_cache) for each in (earlier, system)
    )
    changed = difference(before, after, audit(earlier), audit(system))
    if json_:
        print(json.dumps(difference_json(changed), indent=2, allow_nan=False))
    else:
        print(difference_markdown(changed), end="")
    return EXIT_DOES_NOT_HOLD if changed.worse else EXIT_HOLDS


def _committed(revision: str, file: Path) -> tuple[str, str]:
    """The text of the file in a revision of its repository, and what it is called. Raises InputError."""
    name = f"{revision}:./{file.name}"
    if revision.startswith("-"):
        raise InputError.at(
            revision, "is neither a file nor a git revision", "name the file or revision to compare with"
        )
    command = ["git", "-C", str(file.resolve().parent), "show", name]
    try:
        shown = subprocess.run(  # noqa: S603 - no shell, and a revision that looks like an option was refused
            command, capture_output=True, text=True, check=True, timeout=60
        )
    except FileNotFoundError:
        raise InputError.at(name, "git is not installed", "install git, or name a file") from None
    except subprocess.CalledProcessError as error:
        output = error.stderr.strip().splitlines()
        remedy = "name a file, or a revision that holds it (a shallow clone holds one: fetch the base first)"
        raise InputError.at(
            revision, f"is no file, and git has no {name}: {output[-1] if output else ''}", remedy
        ) from None
    return shown.stdout, name
