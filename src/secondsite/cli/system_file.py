"""Which system file a run reads when none is named: SECONDSITE_FILE, else the nearest one in this folder or above.

The way up ends at the root of the repository, where there is one: a file further up belongs to something else.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from cyclopts import Token

from secondsite.cli.options import SYSTEM_FILE

if TYPE_CHECKING:
    from cyclopts import App, ArgumentCollection

_LOG = logging.getLogger(__name__)
VARIABLE = "SECONDSITE_FILE"
_WRITES_HERE = ("init",)
"""Verbs that write the file where they are called, and never over one further up."""


def name_system_file(_: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """Fill in ``--file`` of a verb that has it and was given none."""
    option = next((argument for argument in arguments if "--file" in argument.names), None)
    if option is None or option.tokens:
        return
    if named := os.environ.get(VARIABLE):
        _LOG.debug("system file %s, from %s", named, VARIABLE)
        option.append(Token(keyword=VARIABLE, value=named, source="environment"))
    elif commands[:1] not in [(verb,) for verb in _WRITES_HERE] and (above := nearest(Path.cwd())):
        _LOG.debug("system file %s, found in a folder above", above)
        option.append(Token(keyword="--file", value=str(above), source="folders above"))


def nearest(folder: Path) -> Path | None:
    """The file above ``folder``, relative to it; None where it lies in ``folder`` itself or nowhere."""
    if (folder / SYSTEM_FILE).exists():
        return None
    for above in _up(folder):
        if (above / SYSTEM_FILE).is_file():
            return Path(os.path.relpath(above / SYSTEM_FILE, folder))
    return None


def _up(folder: Path) -> Iterable[Path]:
    if (folder / ".git").exists():
        return
    for above in folder.parents:
        yield above
        if (above / ".git").exists():
            return
