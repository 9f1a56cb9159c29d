"""Messages to people, sent beside the decision: a receiver that hangs delays nothing, a full queue drops its oldest.

A webhook is sent by ourselves: JSON by POST. Any other kind of address (slack://, mailto://, pagerduty://, …) goes
through Apprise, where the extra `notify` is installed.
"""

from __future__ import annotations

import asyncio
import importlib.util
from collections import deque
from collections.abc import Callable
from typing import Any

import httpx2
from attrs import define, field, frozen

from secondsite.extras import install
from secondsite.model.errors import MachineError

MOST_WAITING = 50
_SECONDS = 10.0
_TRIES = 3
_AGAIN_S = 2.0


@frozen
class Notice:
    """``kind`` is for machines: `asks`, `begins`, `ended`, …"""

    kind: str
    title: str
    text: str


@define
class Notices:
    """``targets`` are addresses; they are secrets, and never repeated."""

    source: str
    targets: tuple[str, ...]
    report: Callable[[str], None]
    again_s: float = _AGAIN_S
    _waiting: deque[Notice] = field(factory=lambda: deque(maxlen=MOST_WAITING))
    _some: asyncio.Event = field(factory=asyncio.Event)

    def __attrs_post_init__(self) -> None:
        if any(not _is_webhook(one) for one in self.targets) and importlib.util.find_spec("apprise") is None:
            what = "a target of `operate: watch: notify` is not a webhook, and Apprise is not installed"
            raise MachineError.at("notify", what, f"run: {install('notify')}")

    def say(self, notice: Notice) -> None:
        """At once; what it says is sent later, or never."""
        self._waiting.append(notice)
        self._some.set()

    async def keep(self) -> None:
        """Until cancelled."""
        while True:
            await self._some.wait()
            self._some.clear()
            while self._waiting:
                notice = self._waiting.popleft()
                await asyncio.gather(*(self._sent(number, notice) for number in range(len(self.targets))))

    async def _sent(self, number: int, notice: Notice) -> None:
        why = ""
        for left in reversed(range(_TRIES)):
            try:
                async with asyncio.timeout(_SECONDS):
                    why = await self._to(self.targets[number], notice)
            except Exception as error:
                why = type(error).__name__
            if not why:
                return
            if left:
                await asyncio.sleep(self.again_s)
        self.report(f"notice {notice.kind} was not accepted by target {number + 1}: {why}")

    async def _to(self, target: str, notice: Notice) -> str:
        if _is_webhook(target):
            async with httpx2.AsyncClient(timeout=_SECONDS, trust_env=False) as client:
                answer = await client.post(target, json=self._plain(notice))
            return "" if answer.is_success else f"it answers {answer.status_code}"
        return await asyncio.to_thread(_by_apprise, target, notice)

    def _plain(self, notice: Notice) -> dict[str, Any]:
        """``text`` is what a Slack-like receiver shows."""
        return {
            "schema": "secondsite/notice/1",
            "from": self.source,
            "kind": notice.kind,
            "title": notice.title,
            "text": f"{notice.title}\n{notice.text}",
        }


def _is_webhook(target: str) -> bool:
    return target.startswith(("https://", "http://"))


def _by_apprise(target: str, notice: Notice) -> str:
    import apprise

    sender = apprise.Apprise()
    if not sender.add(target):
        return "Apprise does not know this kind of address"
    return "" if sender.notify(body=notice.text, title=notice.title) else "it was not sent"
