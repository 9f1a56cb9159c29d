"""Everything of one watch process together, from its start until it is ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from attrs import define, field

from secondsite.nats.tasks import end_tasks
from secondsite.watch.copy_sight import CopySight
from secondsite.watch.lease_sight import LeaseSight
from secondsite.watch.listening import Listening
from secondsite.watch.notices import Notices
from secondsite.watch.process import Watch
from secondsite.watch.readiness import Readiness
from secondsite.watch.status import ContractRow, watch_status

STATUS_S = 0.5


@define
class RunningWatch:
    """``status`` is made anew each ``status_s``. ``judge_contracts`` is slow, and asked once, beside the rest.

    ``sight`` is None where no writers' lease is read, ``copies`` where no copy is looked at.
    """

    watch: Watch
    listening: Listening
    readiness: Readiness
    notices: Notices
    sight: LeaseSight | None = None
    copies: CopySight | None = None
    judge_contracts: Callable[[], tuple[ContractRow, ...]] = tuple
    contracts: tuple[ContractRow, ...] = ()
    status_s: float = STATUS_S
    status: Mapping[str, Any] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._look()

    async def keep(self) -> None:
        """Until cancelled; a part that breaks ends all of it, for whoever restarts it."""
        parts = [self.watch.keep, self.listening.keep, self.readiness.keep, self.notices.keep]
        parts += [one.keep for one in (self.sight, self.copies) if one]
        tasks = [asyncio.ensure_future(part()) for part in (*parts, self._keep_status, self._judge)]
        try:
            await asyncio.gather(*tasks)
        finally:
            await end_tasks(*tasks)

    async def _judge(self) -> None:
        self.contracts = await asyncio.to_thread(self.judge_contracts)

    async def _keep_status(self) -> None:
        while True:
            self._look()
            await asyncio.sleep(self.status_s)

    def _look(self) -> None:
        copies = self.copies.plain() if self.copies else None
        self.status = watch_status(self.watch, self.listening.silent, self.readiness.plans, self.contracts, copies)
