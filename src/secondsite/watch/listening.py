"""Asks every observer for its last round, each by itself: one that hangs delays no other."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping

import httpx2
from attrs import define, field

from secondsite.nats.http_read import PLAIN, read_body
from secondsite.nats.tasks import end_tasks
from secondsite.watch.observer import PATH
from secondsite.watch.probes import http_failure
from secondsite.watch.shared_token import ASKED, NONCE, PROOF, answer_proof, fresh_nonce, proves, question_proof
from secondsite.watch.signals import ObserverRound, read_observation

_MAX_BYTES = 2**18


@define
class Listening:
    """``addresses``: by observer, where it is asked. ``silent``: why nothing is heard of one now, by its name."""

    addresses: Mapping[str, str]
    token: str
    every_s: float
    timeout_s: float
    hear: Callable[[ObserverRound], None]
    secure: ssl.SSLContext = field(factory=ssl.create_default_context)
    silent: dict[str, str] = field(factory=dict)

    async def keep(self) -> None:
        """Until cancelled."""
        tasks = [asyncio.ensure_future(self._ask_again(name)) for name in self.addresses]
        try:
            await asyncio.gather(*tasks)
        finally:
            await end_tasks(*tasks)

    async def _ask_again(self, name: str) -> None:
        async with httpx2.AsyncClient(verify=self.secure, timeout=self.timeout_s, trust_env=False) as client:
            while True:
                await self.ask(client, name)
                await asyncio.sleep(self.every_s)

    async def ask(self, client: httpx2.AsyncClient, name: str) -> None:
        nonce = fresh_nonce()
        headers = {**PLAIN, NONCE: nonce, ASKED: question_proof(self.token, nonce)}
        try:
            async with (
                asyncio.timeout(self.timeout_s),
                client.stream("GET", f"{self.addresses[name].rstrip('/')}{PATH}", headers=headers) as answer,
            ):
                body = await read_body(answer, _MAX_BYTES) or b""
        except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError, OSError) as error:
            self.silent[name] = http_failure(error).why
            return
        self.silent[name] = self._why_not(name, answer, nonce, body)

    def _why_not(self, name: str, answer: httpx2.Response, nonce: str, body: bytes) -> str:
        if answer.status_code != 200:
            return f"it answers {answer.status_code}" + (": another token?" if answer.status_code == 403 else "")
        if not proves(answer.headers.get(PROOF, ""), answer_proof(self.token, nonce, body)):
            return "its answer does not prove that it holds the token"
        observation = read_observation(body)
        if observation is None or observation.observer != name:
            return f"what answers there is not the observer {name}"
        self.hear(observation)
        return ""
