"""The entry point: finds the verb, and ends every run with an exit code and, on failure, what to do about it.

Verbs are named by import path so that ``secondsite --help`` loads none of them.
"""

from __future__ import annotations

import errno
import sys
import tempfile
import traceback

from cyclopts import App

from secondsite import __version__
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

app = App(
    name="secondsite",
    version=__version__,
    help="If we lose a region, do we get the service and the data back in time? Run the plan and see.",
    suppress_keyboard_interrupt=False,  # `run` says what an interrupt means
    config=name_system_file,
)
app.command("secondsite.cli.demo:demo", name="demo", help="Run the whole job on the example: two minutes.")
app.command("secondsite.cli.init:init", name="init", help="Discover the system and write secondsite.yaml.")
app.command("secondsite.cli.audit:audit", name="audit", help="Find what endangers the contracts.")
app.command("secondsite.cli.evaluate:evaluate", name="evaluate", help="Compare the multi-region strategies.")
app.command("secondsite.cli.diff:diff", name="diff", help="Show what a change does to contracts, cost and hazards.")
app.command("secondsite.cli.publish:publish", name="publish", help="Write the documents, or check them.")
app.command("secondsite.cli.render:render", name="render", help="Write what to deploy, or check it.")
app.command("secondsite.cli.lab:app", name="lab", help="Run a strategy as real servers on this machine.")
app.command("secondsite.cli.verify:verify", name="verify", help="Judge the contracts by what was drilled.")
app.command("secondsite.cli.plan:plan", name="plan", help="Print a step of the roadmap as task lists.")
app.command("secondsite.cli.drill:drill", name="drill", help="Run the plan on real servers and count what is lost.")
app.command("secondsite.cli.catalogue:app", name="catalogue", help="Look up and extend prices and round-trip times.")
app.command("secondsite.cli.failover:app", name="failover", help="Move to the other region, step by step.")
app.command("secondsite.cli.failback:app", name="failback", help="Move back, with what only the first region had.")
app.command("secondsite.cli.gate:gate", name="gate", help="Keep a region that returns from writing unasked.")
app.command("secondsite.cli.agent:agent", name="agent", help="Copy consumers' positions to the other region.")
app.command("secondsite.cli.backup:app", name="backup", help="Save streams with their messages, elsewhere.")
app.command("secondsite.cli.restore:restore", name="restore", help="Bring streams back from a backup, and prove it.")
app.command("secondsite.cli.completion:completion", name="completion", help="Print a shell's completion script.")
app.command("secondsite.cli.schema:schema", name="schema", help="Print the JSON Schema of secondsite.yaml.")


def main() -> None:
    """Run one verb; never a traceback for what a user can mend."""
    open_streams()
    sys.exit(_written(run(sys.argv[1:])))


def run(arguments: list[str]) -> int:
    """The exit code of one run."""
    try:
        code = app(arguments, result_action="return_value", exit_on_error=False, print_error=True)
    except SecondsiteError as error:
        return _exit_code(error)
    except KeyboardInterrupt:
        print("interrupted: nothing was left half written", file=sys.stderr)
        return EXIT_INTERRUPTED
    except Exception as error:
        if type(error).__module__.startswith("cyclopts"):
            return EXIT_BAD_INPUT
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            print(_no_room(error), file=sys.stderr)
            return EXIT_ENVIRONMENT
        return _internal(error)
    return code if isinstance(code, int) else 0


def _exit_code(error: SecondsiteError) -> int:
    for problem in error.problems:
        print(problem, file=sys.stderr)
    return error.exit_code


def _written(code: int) -> int:
    """The exit code once all output is where it belongs: what is lost on the way was not said."""
    try:
        sys.stdout.flush()
    except SecondsiteError as error:
        return _exit_code(error)
    return code


def _internal(error: Exception) -> int:
    """A defect of ours. Its exit code is none that a pipeline could take for a verdict."""
    print(redacted("".join(traceback.format_exception(error))), file=sys.stderr)
    what = f"internal error: {type(error).__name__}: a defect of secondsite, which says nothing about your system"
    print(f"{what}; report it with the lines above (SECURITY.md says where, if it is a weakness)", file=sys.stderr)
    return EXIT_INTERNAL


def _no_room(error: OSError) -> Problem:
    """Of a copy, its target; what is written without a name lies in the temporary folder."""
    what = f"could not be written: {error.strerror}"
    remedy = "make room on that disk; TMPDIR says where labs lie, --evidence where evidence does"
    return Problem(Place(str(error.filename2 or error.filename or tempfile.gettempdir())), what, remedy)


if __name__ == "__main__":
    main()
