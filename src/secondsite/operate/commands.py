"""What no door can do, done by a command that somebody wrote for it: exit code 0 means done.

The command gets the step in its environment: SECONDSITE_STEP, _VERB, _REGION, _TARGETS (with commas between). The
region is the step's own, or the one that clients are moved to.
It may be run again after an interruption, so it has to be one that ends the same.
"""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import Process
from collections.abc import Mapping
from contextlib import suppress

from attrs import frozen

from secondsite.model.procedure import Step
from secondsite.operate.action import failed
from secondsite.operate.live import ReportedManualSteps
from secondsite.operate.world import ManualSteps

_TAIL = 400


@frozen
class Commands:
    """``by_name``: a shell command by step, or else by verb; ``otherwise`` does what has none."""

    by_name: Mapping[str, str]
    otherwise: ManualSteps = ReportedManualSteps({})
    target: str = ""

    async def carry_out(self, step: Step) -> str | None:
        command = self._command(step)
        if command is None:
            return await self.otherwise.carry_out(step)
        await _run(command, step, step.region or self.target)
        return f"command for {step.id}"

    def has_command(self, step: Step) -> bool:
        return self._command(step) is not None

    def _command(self, step: Step) -> str | None:
        return self.by_name.get(step.id) or self.by_name.get(str(step.verb))


async def _run(command: str, step: Step, region: str) -> None:
    making = asyncio.ensure_future(_started(command, step, region))
    try:
        process = await asyncio.shield(making)
        output, _ = await process.communicate()
    except asyncio.CancelledError:
        process = await making  # the shell may have started something before it is known here
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        raise
    if process.returncode:
        output_tail = output.decode("utf-8", "replace").strip()[-_TAIL:]
        what = f"the command for {step.id} ended with {process.returncode}: {output_tail or 'no output'}"
        raise failed(what, "fix the cause, then resume; the command runs again")


async def _started(command: str, step: Step, region: str) -> Process:
    return await asyncio.create_subprocess_shell(
        command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, **_environment(step, region)},
        start_new_session=True,
    )


def _environment(step: Step, region: str) -> dict[str, str]:
    return {
        "SECONDSITE_STEP": step.id,
        "SECONDSITE_VERB": str(step.verb),
        "SECONDSITE_REGION": region,
        "SECONDSITE_TARGETS": ",".join(step.targets),
    }
