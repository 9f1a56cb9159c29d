"""One look along each way into a region. Nothing that answers is silent, and no refusal of us is a loss.

A refused or unanswered connection is ``no``: a region without servers looks like both. A name that nobody has, a
certificate that does not fit, a login or a rate that is refused are ``unknown``: somebody, or nobody, was asked.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import httpx2
from attrs import evolve, frozen

from secondsite.model.errors import InputError, MachineError
from secondsite.nats.connection import RejectedError
from secondsite.nats.http_read import PLAIN, json_object, read_body
from secondsite.nats.options import ConnectOptions
from secondsite.nats.place import NatsPlace, nats_place
from secondsite.nats.streams import StreamApi
from secondsite.operate.http_path import client_path
from secondsite.operate.observer_config import ObserverConfig, RegionTargets
from secondsite.operate.world import ClientPath
from secondsite.watch.signals import Answer, Sight, Signal

Look = Callable[[], Awaitable[Sight]]
_REFUSALS = (401, 403, 407, 429)
_MAX_BYTES = 2**20
_BEST = (Answer.YES, Answer.UNKNOWN, Answer.NO)
_WELL = "none"
"""The indicator of a Statuspage on which nothing is wrong."""


@frozen
class HttpTarget:
    """``secure`` is made once: it reads the authorities of the whole system. Each look opens its own connection."""

    url: str
    secure: ssl.SSLContext
    timeout_s: float
    host: str = ""
    token: str = ""

    async def sight(self) -> Sight:
        """Whether it is answered and serves."""
        status, _ = await self._asked()
        return status if isinstance(status, Sight) else http_sight(status)

    async def status_page(self) -> Sight:
        """What a provider says of itself; ``no`` where it says that something is wrong."""
        status, body = await self._asked()
        page = (json_object(body) or {}).get("status")
        indicator = page.get("indicator") if isinstance(page, dict) else None
        if isinstance(status, Sight) or not isinstance(indicator, str):
            return Sight(Answer.UNKNOWN, "the status page cannot be read")
        return Sight(Answer.YES) if indicator == _WELL else Sight(Answer.NO, f"the provider says: {indicator[:40]}")

    async def _asked(self) -> tuple[int | Sight, bytes | None]:
        headers = {**PLAIN, **({"Host": self.host} if self.host else {})}
        headers |= {"Authorization": f"Bearer {self.token}"} if self.token else {}
        extensions = {"sni_hostname": self.host} if self.host else {}
        try:
            async with (
                asyncio.timeout(self.timeout_s),
                httpx2.AsyncClient(verify=self.secure, timeout=self.timeout_s, trust_env=False) as client,
                client.stream("GET", self.url, headers=headers, extensions=extensions) as answer,
            ):
                return answer.status_code, await read_body(answer, _MAX_BYTES)
        except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError, OSError) as error:
            return http_failure(error), None


def http_sight(status: int) -> Sight:
    if status in _REFUSALS:
        return Sight(Answer.UNKNOWN, f"it answers and refuses us ({status})")
    if status < 500:
        return Sight(Answer.YES)
    return Sight(Answer.NO, f"it answers {status}")


def http_failure(error: BaseException) -> Sight:
    """A chain of causes that ends in TLS or in a name is no silence."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return Sight(Answer.UNKNOWN, "somebody answers, and TLS fails")
        if isinstance(cause, OSError) and type(cause).__name__ == "gaierror":
            return Sight(Answer.UNKNOWN, "there is no such name")
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx2.InvalidURL | httpx2.UnsupportedProtocol | httpx2.ProtocolError):
        return Sight(Answer.UNKNOWN, f"it cannot be asked ({type(error).__name__})")
    return Sight(Answer.NO, f"no answer ({type(error).__name__})")


async def nats_sight(place: NatsPlace) -> Sight:
    """Whether any of the servers lets us in; each is asked by itself, as one that stands still answers none of us."""
    sights = await asyncio.gather(*(_server_sight(evolve(place, addresses=(one,))) for one in place.addresses))
    return min(sights, key=lambda one: _BEST.index(one.answer))


async def _server_sight(place: NatsPlace) -> Sight:
    try:
        async with place.open():
            return Sight(Answer.YES)
    except RejectedError as error:
        return Sight(Answer.UNKNOWN, f"it answers and refuses us: {error.problems[0].what}")
    except (InputError, ValueError) as error:
        return Sight(Answer.UNKNOWN, f"it cannot be asked ({type(error).__name__})")
    except (MachineError, TimeoutError) as error:
        return Sight(Answer.NO, error.problems[0].what if isinstance(error, MachineError) else "no answer in time")


async def heard_sight(others: Sequence[NatsPlace], domain: str) -> Sight:
    """Whether the servers of another region still hear this one; unknown where none of them can be asked."""
    for place in others:
        try:
            async with place.open() as jetstream:
                there = await StreamApi(jetstream).reaches(domain)
        except (MachineError, InputError, TimeoutError):
            continue
        return Sight(Answer.YES) if there else Sight(Answer.NO, f"{place.shown} does not hear {domain}")
    return Sight(Answer.UNKNOWN, "no other region's servers can be asked")


async def path_sight(path: ClientPath) -> Sight:
    written = await path.write()
    if written.status == 200:
        return Sight(Answer.YES)
    if written.status in _REFUSALS:
        return Sight(Answer.UNKNOWN, f"it answers and refuses us ({written.status})")
    return Sight(Answer.NO, written.why or f"it answers {written.status}, which acknowledges nothing")


def looks(config: ObserverConfig, environment: Mapping[str, str] = os.environ) -> Mapping[str, Mapping[Signal, Look]]:
    """By region. Raises InputError for a reference that leads nowhere."""
    options = ConnectOptions(timeout_s=config.timeout_s / 2).with_environment(environment)
    places = {one.region: nats_place(one.nats, options) for one in config.regions if one.nats}
    found = {one.region: _looks(one, config, places, environment) for one in config.regions}
    if config.path is not None:
        path = client_path(config.path)
        found.setdefault(config.home, {})[Signal.PATH] = lambda: path_sight(path)
    return found


def _looks(
    one: RegionTargets, config: ObserverConfig, places: Mapping[str, NatsPlace], environment: Mapping[str, str]
) -> dict[Signal, Look]:
    made: dict[Signal, Look] = {}
    others = [place for region, place in places.items() if region != one.region]
    if one.api:
        made[Signal.API] = HttpTarget(one.api, ssl.create_default_context(), config.timeout_s, one.host).sight
    if one.region in places:
        place = places[one.region]
        made[Signal.NATS] = lambda: nats_sight(place)
    if one.domain and others:
        made[Signal.HEARD] = lambda: heard_sight(others, one.domain)
    if one.kube:
        token = resolved(one.kube_token, f"{one.region}.kube_token", environment)
        url = f"{one.kube.rstrip('/')}/readyz"
        made[Signal.KUBE] = HttpTarget(url, _trusting(one.kube_ca), config.timeout_s, token=token).sight
    if one.status:
        made[Signal.STATUS] = HttpTarget(one.status, ssl.create_default_context(), config.timeout_s).status_page
    return made


def resolved(reference: str, place: str, environment: Mapping[str, str]) -> str:
    """What ``env:NAME`` or ``file:PATH`` leads to; raises InputError. An empty reference is an empty text."""
    kind, _, name = reference.partition(":")
    if not reference:
        return ""
    if kind == "env" and environment.get(name):
        return environment[name]
    if kind == "file" and name:
        try:
            return Path(name).expanduser().read_text("utf-8").strip()
        except (OSError, ValueError, RuntimeError):
            raise InputError.at(place, f"{reference} cannot be read", "name a file that you may read") from None
    if kind == "env":
        raise InputError.at(place, f"{reference} is not set", "set it where this runs")
    raise InputError.at(place, "is no reference", "name where it is: env:NAME or file:PATH")


def _trusting(ca: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca or None)
    except (OSError, ssl.SSLError):
        raise InputError.at(ca, "holds no certificate of an authority", "name its PEM file") from None
