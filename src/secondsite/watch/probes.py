"""One look along each way into a region. Nothing that answers is silent, and no refusal of us is a loss.

A refused or unanswered connection is ``no``: a region without servers looks like both. A name that nobody has, a
certificate that does not fit, a login or a rate that is refused are ``unknown``: somebody, or nobody, was asked.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence

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
from secondsite.operate.references import followed
from secondsite.operate.world import ClientPath
from secondsite.watch.signals import Sight, Signal, SignalAnswer

Look = Callable[[], Awaitable[Sight]]
_REFUSALS = (401, 403, 407, 429)
_MAX_BYTES = 2**20
_BEST = (SignalAnswer.YES, SignalAnswer.UNKNOWN, SignalAnswer.NO)
_WELL = "none"
"""The indicator of a Statuspage on which nothing is wrong."""


@frozen
class HttpWay:
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
            return Sight(SignalAnswer.UNKNOWN, "the status page cannot be read")
        return (
            Sight(SignalAnswer.YES)
            if indicator == _WELL
            else Sight(SignalAnswer.NO, f"the provider says: {indicator[:40]}")
        )

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
        return Sight(SignalAnswer.UNKNOWN, f"it answers and rejects the request ({status})")
    if status < 500:
        return Sight(SignalAnswer.YES)
    return Sight(SignalAnswer.NO, f"it answers {status}")


def http_failure(error: BaseException) -> Sight:
    """A chain of causes that ends in TLS or in a name is no silence."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return Sight(SignalAnswer.UNKNOWN, "it answers, but TLS fails")
        if isinstance(cause, OSError) and type(cause).__name__ == "gaierror":
            return Sight(SignalAnswer.UNKNOWN, "no such name")
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx2.InvalidURL | httpx2.UnsupportedProtocol | httpx2.ProtocolError):
        return Sight(SignalAnswer.UNKNOWN, f"it cannot be reached ({type(error).__name__})")
    return Sight(SignalAnswer.NO, f"no answer ({type(error).__name__})")


async def nats_sight(place: NatsPlace) -> Sight:
    """Whether any of the servers lets us in; each is asked by itself, as one that stands still answers none of us."""
    sights = await asyncio.gather(*(_server_sight(evolve(place, addresses=(one,))) for one in place.addresses))
    return min(sights, key=lambda one: _BEST.index(one.answer))


async def _server_sight(place: NatsPlace) -> Sight:
    try:
        async with place.open():
            return Sight(SignalAnswer.YES)
    except RejectedError as error:
        return Sight(SignalAnswer.UNKNOWN, f"it answers and rejects the request: {error.problems[0].what}")
    except (InputError, ValueError) as error:
        return Sight(SignalAnswer.UNKNOWN, f"it cannot be reached ({type(error).__name__})")
    except (MachineError, TimeoutError) as error:
        return Sight(
            SignalAnswer.NO, error.problems[0].what if isinstance(error, MachineError) else "no answer in time"
        )


async def heard_sight(others: Sequence[NatsPlace], domain: str, within_s: float) -> Sight:
    """Whether the servers of another region still hear this one; unknown where none of them can be asked."""
    for place in others:
        try:
            async with place.open() as jetstream:
                there = await _reaches(StreamApi(jetstream), domain, within_s)
        except (MachineError, InputError, TimeoutError):
            continue
        return Sight(SignalAnswer.YES) if there else Sight(SignalAnswer.NO, f"{place.shown} does not hear {domain}")
    return Sight(SignalAnswer.UNKNOWN, "no other region's servers can be asked")


async def _reaches(streams: StreamApi, domain: str, within_s: float) -> bool:
    """Those who let us in and get no answer from there in time do not hear it."""
    try:
        async with asyncio.timeout(within_s):
            return await streams.reaches(domain)
    except TimeoutError:
        return False


async def path_sight(path: ClientPath) -> Sight:
    written = await path.write()
    if written.status == 200:
        return Sight(SignalAnswer.YES)
    if written.status in _REFUSALS:
        return Sight(SignalAnswer.UNKNOWN, f"it answers and rejects the request ({written.status})")
    return Sight(SignalAnswer.NO, written.why or f"it answers {written.status}, which is not an acknowledgement")


def looks(config: ObserverConfig) -> Mapping[str, Mapping[Signal, Look]]:
    """By region. Raises InputError for a reference that leads nowhere."""
    options = ConnectOptions(timeout_s=config.timeout_s / 2).with_environment(os.environ)
    places = {one.region: nats_place(one.nats, options) for one in config.regions if one.nats}
    ways = {one.region: _looks(one, config, places) for one in config.regions}
    if config.path is not None:
        path = client_path(config.path)
        ways.setdefault(config.home, {})[Signal.PATH] = lambda: path_sight(path)
    return ways


def _looks(one: RegionTargets, config: ObserverConfig, places: Mapping[str, NatsPlace]) -> dict[Signal, Look]:
    made: dict[Signal, Look] = {}
    others = [place for region, place in places.items() if region != one.region]
    if one.api:
        made[Signal.API] = HttpWay(one.api, ssl.create_default_context(), config.timeout_s, one.host).sight
    if one.region in places:
        place = places[one.region]
        made[Signal.NATS] = lambda: nats_sight(place)
    if one.domain and others:
        made[Signal.HEARD] = lambda: heard_sight(others, one.domain, config.timeout_s / 2)
    if one.kube:
        token = followed(one.kube_token, f"{one.region}.kube_token") if one.kube_token else ""
        url = f"{one.kube.rstrip('/')}/readyz"
        made[Signal.KUBE] = HttpWay(url, _trusting(one.kube_ca), config.timeout_s, token=token).sight
    if one.status:
        made[Signal.STATUS] = HttpWay(one.status, ssl.create_default_context(), config.timeout_s).status_page
    return made


def _trusting(ca: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca or None)
    except (OSError, ssl.SSLError):
        raise InputError.at(ca, "holds no certificate of an authority", "name its PEM file") from None
