"""Options of every verb: ``--output FILE`` for its result, ``--quiet`` for errors alone, ``--verbose`` for more.

They are taken off the line before the verb is looked for, so that no verb has them in its own way. A result takes the
place of the file when it is whole: a run that fails leaves what was there.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from pathlib import Path

from attrs import frozen

from secondsite.cli.streams import PrintableStream
from secondsite.cli.verbose import verbose_lines
from secondsite.model.errors import EXIT_DOES_NOT_HOLD, EXIT_HOLDS, EXIT_UNPROVEN, InputError, MachineError

EPILOGUE = (
    "Every command also takes --output FILE (write the result to a file), --quiet (show errors only) and "
    "--verbose (show the files and servers it reads)."
)
_OWN_VERBOSE = ("init",)
"""Verbs that tell more of their own then."""
_WHOLE = (EXIT_HOLDS, EXIT_DOES_NOT_HOLD, EXIT_UNPROVEN)
"""A verdict is a result, whatever it is."""


@frozen
class CommonOptions:
    arguments: tuple[str, ...]
    output: Path | None = None
    quiet: bool = False
    verbose: bool = False

    def run(self, verb: Callable[[list[str]], int]) -> int:
        """What the verb ends with; raises what it raises, and MachineError where the file cannot be written."""
        with ExitStack() as stack:
            if self.quiet:
                nowhere = stack.enter_context(Path(os.devnull).open("w", encoding="utf-8"))
                stack.enter_context(redirect_stderr(nowhere))
            stack.enter_context(verbose_lines(verbose=self.verbose))
            if self.output is None:
                return verb(list(self.arguments))
            return self._written(self.output, verb)

    def _written(self, output: Path, verb: Callable[[list[str]], int]) -> int:
        try:
            descriptor, name = tempfile.mkstemp(prefix=f".{output.name}-", dir=output.parent)
        except OSError as error:
            raise MachineError.at(str(output), f"cannot be written: {error.strerror}", "name another file") from None
        unfinished = Path(name)
        try:
            with (
                os.fdopen(descriptor, "w", encoding="utf-8") as file,
                redirect_stdout(PrintableStream(file, messages=False)),
            ):
                code = verb(list(self.arguments))
            if code in _WHOLE:
                unfinished.chmod(0o666 & ~_mask())
                unfinished.replace(output)
            return code
        finally:
            unfinished.unlink(missing_ok=True)


def common_options(arguments: Sequence[str]) -> CommonOptions:
    """Raises InputError where no file is named, or two."""
    rest: list[str] = []
    files: list[str] = []
    quiet = verbose = False
    given = iter(arguments)
    for argument in given:
        if argument == "--":
            rest += [argument, *given]
        elif argument == "--quiet":
            quiet = True
        elif argument == "--verbose":
            verbose = True
            rest += [argument] if arguments[0] in _OWN_VERBOSE else []
        elif argument == "--output":
            files.append(next(given, ""))
        elif argument.startswith("--output="):
            files.append(argument.partition("=")[2])
        else:
            rest.append(argument)
    if len(files) > 1 or "" in files:
        what = "is given twice" if len(files) > 1 else "names no file"
        raise InputError.at("--output", what, "write --output FILE, once")
    return CommonOptions(tuple(rest), Path(files[0]) if files else None, quiet, verbose)


def _mask() -> int:
    """What new files are not to be; it can be read by setting it alone."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
