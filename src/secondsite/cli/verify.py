"""``secondsite verify``: do the contracts hold, by what was drilled?"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from secondsite.cli.options import SYSTEM_FILE

if TYPE_CHECKING:
    from secondsite.drill.verdict.verification import EvidenceVerification


def verify(
    *,
    file: Annotated[Path, Parameter(help="The system.")] = SYSTEM_FILE,
    evidence: Annotated[
        tuple[Path, ...], Parameter(help="Evidence folder, or the folder of one run; judged from the raw files.")
    ] = (),
    strategy: Annotated[tuple[str, ...], Parameter(help="Judge only this strategy's evidence; all by default.")] = (),
    key: Annotated[
        tuple[Path, ...],
        Parameter(help="Require a signature of this ed25519 public key on every campaign.", negative=""),
    ] = (),
    head: Annotated[
        tuple[str, ...],
        Parameter(help="Register head that you stored earlier; fails if any run before it is missing.", negative=""),
    ] = (),
    junit: Annotated[Path | None, Parameter(help="Also write JUnit XML to this file.")] = None,
    pack: Annotated[bool, Parameter(negative="", help="Compress each valid run into one file.")] = False,
    json_: Annotated[bool, Parameter(name="--json", negative="", help="Print JSON.")] = False,
) -> int:
    """Judge every contract: met, breached or unproven, at its confidence, with the age of the evidence.

    Evidence that is too old, or of another system, strategy, server or procedure than today's, proves nothing.
    Exit code 0 when every contract is met, 1 when one is breached or evidence was changed, 3 when one is unproven.
    """
    from secondsite.drill.evidence.folder import usual_folders
    from secondsite.publish.terminal.console import terminal_console
    from secondsite.publish.terminal.verification import render_text

    verification = _verification(file, evidence, strategy, key, head)
    if junit:
        from secondsite.publish.machine.junit import junit as render_junit

        junit.write_text(render_junit(verification), encoding="utf-8")
        print(f"written: {junit}", file=sys.stderr)
    if json_:
        from secondsite.publish.machine.verification import verification_json

        print(json.dumps(verification_json(verification), indent=2, allow_nan=False))
    else:
        render_text(verification, terminal_console())
    if pack:
        _pack(evidence or usual_folders(file.parent))
    return verification.exit_code


def _pack(roots: tuple[Path, ...]) -> None:
    """What was changed stays as it is: it is told above."""
    from secondsite.drill.evidence.folder import evidence_below
    from secondsite.drill.evidence.packed import check_chain, is_packed, pack

    for path in [path for root in roots for path in evidence_below(root).ended]:
        if not (is_packed(path) or path.is_symlink() or check_chain(path)):
            print(f"packed: {pack(path)}", file=sys.stderr)


def _verification(
    file: Path, evidence: tuple[Path, ...], strategy: tuple[str, ...], key: tuple[Path, ...], head: tuple[str, ...]
) -> EvidenceVerification:
    """Single drills are judged by what lies in their folders, even where the system file is gone."""
    from secondsite.backup.signing import read_signer
    from secondsite.catalogue.bundle import load_catalogue
    from secondsite.catalogue.table import USER_FOLDER
    from secondsite.discover.system_file.reading import load_system
    from secondsite.drill.evidence.folder import is_single, usual_folders
    from secondsite.drill.verdict.verification import recompute, verify
    from secondsite.model.errors import InputError

    for path in evidence:
        if not path.exists():
            raise InputError.at(str(path), "no evidence found there", "give a folder that `secondsite drill` wrote")
    now = datetime.now(UTC)
    if evidence and all(is_single(path) for path in evidence):
        return recompute(evidence, now)
    roots = evidence or usual_folders(file.parent)
    keys = [read_signer(path) for path in key]
    return verify(load_system(file), load_catalogue(file.parent / USER_FOLDER), roots, now, strategy, keys, head)
