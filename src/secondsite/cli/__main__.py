"""The entry point: finds the verb, and ends every run with an exit code and, on failure, what to do about it.

Verbs are named by import path so that ``secondsite --help`` loads none of them.
"""

from __future__ import annotations

import errno
import sys
import tempfile
import traceback

from cyclopts import App, Parameter

from secondsite import __version__
from secondsite.cli.everywhere import EPILOGUE, common_options
from secondsite.cli.secrets_on_the_line import refuse_secrets
from secondsite.cli.streams import open_streams
from secondsite.cli.system_file import name_system_file
from secondsite.model.errors import (
    EXIT_BAD_INPUT,
    EXIT_ENVIRONMENT,
    EXIT_INTERNAL,
    EXIT_INTERRUPTED,
    Problem,
    SecondsiteError,
)
from secondsite.model.place import Place
from secondsite.model.redact import redacted

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def _default(value: object) -> str | None:
    """As a person would give it; what stands for nothing is no default to tell."""
    if value is None or value is False or value in ("", ()):
        return None
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


app = App(
    name="secondsite",
    version=__version__,
    help="If a region is lost, are the service and the data back in time? Rehearse the plan and measure.",
    help_epilogue=EPILOGUE,
    suppress_keyboard_interrupt=False,  # `run` says what an interrupt means
    config=name_system_file,
    default_parameter=Parameter(show_default=_default, negative_iterable=()),
)
app.command(
    "secondsite.cli.demo:demo", name="demo", help="Run every step on the bundled example; takes two to four minutes."
)
app.command("secondsite.cli.init:init", name="init", help="Discover the system and write secondsite.yaml.")
app.command("secondsite.cli.audit:audit", name="audit", help="Find hazards: anything that would make a contract fail.")
app.command(
    "secondsite.cli.evaluate:evaluate", name="evaluate", help="Compare multi-region strategies and recommend one."
)
app.command("secondsite.cli.diff:diff", name="diff", help="Show what a change does to contracts, cost and hazards.")
app.command(
    "secondsite.cli.publish:publish",
    name="publish",
    help="Write the runbook, contracts, roadmap, cost estimate and report; --check tests them.",
)
app.command(
    "secondsite.cli.render:render",
    name="render",
    help="Write the manifests and configuration to deploy; --check tests them.",
)
app.command("secondsite.cli.lab:app", name="lab", help="Run a strategy on this machine, with real servers.")
app.command("secondsite.cli.verify:verify", name="verify", help="Judge the contracts against the evidence of drills.")
app.command("secondsite.cli.plan:plan", name="plan", help="Print a step of the roadmap as task lists.")
app.command(
    "secondsite.cli.drill:app", name="drill", help="Rehearse a failover on real servers and count what is lost."
)
app.command(
    "secondsite.cli.catalogue:app", name="catalogue", help="Look up prices and round-trip times, and add your own."
)
app.command("secondsite.cli.failover:app", name="failover", help="Fail over to the standby region, step by step.")
app.command("secondsite.cli.failback:app", name="failback", help="Fail back to the home region without losing data.")
app.command("secondsite.cli.repair:app", name="repair", help="Restore deleted or overwritten streams in place.")
app.command("secondsite.cli.operate:app", name="operate", help="Check that a failover could run now.")
app.command(
    "secondsite.cli.gate:gate", name="gate", help="Block writes in a region that has come back until they are safe."
)
app.command(
    "secondsite.cli.watch:app", name="watch", help="Detect the loss of a region, then fail over or ask for approval."
)
app.command("secondsite.cli.agent:agent", name="agent", help="Copy consumer positions to the standby region.")
app.command(
    "secondsite.cli.backup:app", name="backup", help="Back up streams, with their messages, to an object store."
)
app.command(
    "secondsite.cli.archive:app",
    name="archive",
    help="Ship new messages of every stream to an object store, continuously.",
)
app.command(
    "secondsite.cli.restore:restore",
    name="restore",
    help="Restore streams from a backup or an archive and verify every message.",
)
app.command(
    "secondsite.cli.postgres:app",
    name="postgres",
    help="Inspect, fence, promote and re-attach a PostgreSQL server.",
)
app.command(
    "secondsite.cli.redis:app",
    name="redis",
    help="Inspect, fence, promote and re-attach a Redis or Valkey server.",
)
app.command(
    "secondsite.cli.qdrant:app",
    name="qdrant",
    help="Count, save and restore the collections of a Qdrant server.",
)
app.command(
    "secondsite.cli.secrets:app",
    name="secrets",
    help="Compare secrets of two places by keyed fingerprints; values are never shown or stored.",
)
app.command("secondsite.cli.completion:completion", name="completion", help="Print the completion script for a shell.")
app.command("secondsite.cli.schema:schema", name="schema", help="Print the JSON Schema of secondsite.yaml.")


def main() -> None:
    """Run one verb; never a traceback for what a user can mend."""
    open_streams()
    sys.exit(_written(run(_as_paths(sys.argv[1:]))))


def _as_paths(arguments: list[str]) -> list[str]:
    """A lone dash is standard input to `init`, and would be an option without a name."""
    return ["./-" if each == "-" else each for each in arguments] if arguments[:1] == ["init"] else arguments


def run(arguments: list[str]) -> int:
    """The exit code of one run."""
    try:
        refuse_secrets(arguments)
        return common_options(arguments).run(_verb)
    except SecondsiteError as error:
        return _exit_code(error)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except Exception as error:
        if type(error).__module__.startswith("cyclopts"):
            return _usage(error)
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            _complain(str(_no_room(error)))
            return EXIT_ENVIRONMENT
        return _internal(error)


def _verb(arguments: list[str]) -> int:
    code = app(arguments, result_action="return_value", exit_on_error=False, print_error=False)
    return code if isinstance(code, int) else 0


def _usage(error: Exception) -> int:
    """What was typed is repeated; by a console of ours, as it may have come from somewhere else."""
    from cyclopts import CycloptsPanel

    from secondsite.publish.terminal.console import PrintableConsole

    PrintableConsole(stderr=True).print(CycloptsPanel(redacted(str(error))))
    return EXIT_BAD_INPUT


def _exit_code(error: SecondsiteError) -> int:
    for problem in error.problems:
        _complain(str(problem))
    return error.exit_code


def _complain(text: str) -> None:
    """As wide as the terminal; a quotation keeps its lines."""
    from secondsite.publish.terminal.console import folded

    print("\n".join(folded(line, stderr=True) for line in text.split("\n")), file=sys.stderr)


def _written(code: int) -> int:
    """The exit code once all output is where it belongs: what was lost was not said."""
    try:
        sys.stdout.flush()
    except SecondsiteError as error:
        return _exit_code(error)
    return code


def _internal(error: Exception) -> int:
    """A defect of ours. Its exit code is none that a pipeline could take for a verdict."""
    print(redacted("".join(traceback.format_exception(error))), file=sys.stderr)
    what = f"internal error: {type(error).__name__}: a defect of secondsite, which says nothing about your system"
    _complain(f"{what}; report it with the lines above (SECURITY.md says where, if it is a weakness)")
    return EXIT_INTERNAL


def _no_room(error: OSError) -> Problem:
    """Of a copy, its target; what is written without a name lies in the temporary folder."""
    what = f"could not be written: {error.strerror}"
    remedy = "free space on that disk, or move labs with TMPDIR and evidence with --evidence"
    return Problem(Place(str(error.filename2 or error.filename or tempfile.gettempdir())), what, remedy)


if __name__ == "__main__":
    main()
