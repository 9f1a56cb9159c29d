"""A lab with the shipped watch in it: observers and watches as processes, and hands for what no door does there."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2
from attrs import define, field

from secondsite.drill.play.lab_world import LabPath
from secondsite.lab.addresses import GATEWAY_HTTP_PORT
from secondsite.lab.moment import Moment
from secondsite.lab.supervisor import Spec, port_open, python
from secondsite.lab.world import Lab
from secondsite.model.endpoint import Endpoint
from secondsite.operate.observer_config import ObserverConfig, RegionTargets, observer_text
from secondsite.operate.watch_commands import observe_command, watch_command

HOME, AWAY = "us-east-1", "us-west-2"
TOKEN = "only for this laboratory"
SUBJECT = "kgent.test"
BY_HAND = ("start-services", "scale-services", "promote-stores", "verify-secrets")
HANDS = Path(__file__).parent / "lab_hands.py"


@define
class WatchedLab:
    """``every_s`` of a round, ``checks`` of them, ``window_s`` as in production, shorter."""

    lab: Lab
    file: Path
    every_s: float = 1.0
    checks: int = 3
    window_s: float = 2.0
    acknowledged: list[float] = field(factory=list)

    def _at(self, number: int) -> str:
        """Outside of every region."""
        return f"{self.lab.addresses.nowhere}.60.{number}"

    def observer(self, name: str, number: int, *, inside: str = "", blind: bool = False) -> Spec:
        """``blind``: nobody answers it anywhere, as one that is cut off."""
        regions = tuple(self._targets(region, blind=blind) for region in (HOME, AWAY))
        config = ObserverConfig(name, regions, self.every_s, self.every_s)
        path = self.lab.folder / f"observer-{name}.json"
        path.write_text(observer_text(config), encoding="utf-8")
        at = self._at(number)
        command = python("secondsite", *observe_command(str(path), Endpoint(at, 8090)))
        login = self.lab.addresses.operator
        environment = {
            "SECONDSITE_WATCH_TOKEN": TOKEN,
            "NATS_USER": login.user,
            "NATS_PASSWORD": login.password,
        }
        return Spec(name, tuple(command), lambda: port_open(at, 8090), inside, environment)

    def _targets(self, region: str, *, blind: bool) -> RegionTargets:
        if blind:
            dead = f"{self.lab.addresses.nowhere}.61.1"
            return RegionTargets(region, f"http://{dead}:1/", nats=f"nats://{dead}:2")
        urls = ",".join(self._without_login(self.lab.nats_url(region, operator=True)))
        api = f"http://{self.lab.gateway(region)}{self.lab.deployment.traffic.check_path}"
        return RegionTargets(region, api, self.lab.host, urls, domain=region)

    def _without_login(self, urls: str) -> list[str]:
        return [re.sub(r"//[^@]*@", "//", url) for url in urls.split(",")]

    def watch(self, name: str, number: int, observers: dict[str, tuple[int, str]], inside: str = AWAY) -> Spec:
        """Its orders to the other region go through the WAN."""
        places = [
            f"{region}={','.join(self._without_login(self.lab.nats_url(region, operator=True, reached_from=inside)))}"
            for region in (HOME, AWAY)
        ]
        folder = self.lab.folder / f"machine-{name}"
        folder.mkdir(exist_ok=True)
        system = folder / "secondsite.yaml"
        system.write_text(self.file.read_text("utf-8"), "utf-8")
        hands = f"{sys.executable} {HANDS} {self._hands()}"
        options = [
            *(word for one in places for word in ("--nats", one)),
            *(word for one, at in observers.items() for word in ("--observer", self._named(one, *at))),
            *(word for verb in BY_HAND for word in ("--command", f"{verb}=true")),
            *("--command", f"change-traffic={hands} set", "--command", f"converge={hands} wait"),
            *("--every-s", f"{self.every_s:g}", "--checks", str(self.checks), "--window-s", f"{self.window_s:g}"),
            *("--decide", "region", "--allow", "unfenced", "--reach-s", "1.5", "--ready-s", "600"),
        ]
        login = self.lab.addresses.operator
        environment = {
            "SECONDSITE_WATCH_TOKEN": TOKEN,
            "SECONDSITE_LAB_KEY": self.lab.options.keys[0],
            "NATS_USER": login.user,
            "NATS_PASSWORD": login.password,
        }
        at = self._at(number)
        command = python("secondsite", *watch_command(str(system), name, Endpoint(at, 8088)), *options)
        return Spec(name, tuple(command), lambda: port_open(at, 8088), inside, environment)

    def _named(self, name: str, number: int, region: str) -> str:
        return f"{name}{'@' if region else ''}{region}=http://{self._at(number)}:8090"

    def _hands(self) -> Path:
        path = self.lab.folder / "hands.json"
        names, gateway = self.lab.dns, self.lab.gateway(AWAY)
        plain = {
            "dns": [names.server.host, names.server.port],
            "control": [names.control.host, names.control.port],
            "resolver": [self.lab.resolver.host, self.lab.resolver.port],
            "zone": names.zone,
            "key": names.key,
            "host": self.lab.host,
            "address": gateway.host,
            "ttl_s": self.lab.services.ttl_s,
        }
        path.write_text(json.dumps(plain), encoding="utf-8")
        return path

    async def status(self, number: int) -> Any:
        async with httpx2.AsyncClient(trust_env=False, timeout=5) as client:
            answer = await client.get(f"http://{self._at(number)}:8088/status")
        return answer.json()

    async def write(self) -> None:
        """For ever, as a client: the name is looked up, then the write sent; when each was acknowledged."""
        path = LabPath(self.lab, GATEWAY_HTTP_PORT, SUBJECT)
        while True:
            if (await path.write()).status == 200:
                self.acknowledged.append(time.monotonic())
            await asyncio.sleep(0.05)

    async def acknowledged_after(self, moment: Moment, within_s: float = 60.0) -> float:
        """Seconds from a moment to the first acknowledged write after the writes had stopped."""
        begin = moment.monotonic_ns / 1e9

        async def there() -> bool:
            return any(at > begin + self.checks * self.every_s for at in self.acknowledged)

        await until(there, "an acknowledged write", within_s)
        return next(at for at in self.acknowledged if at > begin + self.checks * self.every_s) - begin


def watched_file(example: Path, target: Path, ttl_s: int) -> None:
    """The example with a short TTL, and how a client writes into the second region."""
    text = re.sub(r"\n  ttl: \S+", f"\n  ttl: {ttl_s}s", example.read_text("utf-8"))
    target.write_text(text, "utf-8")


def with_path(file: Path, lab: Lab) -> None:
    """How a client writes, once it is known where the gateways are."""
    gateway = lab.gateway(AWAY)
    body = json.dumps({"id": "$ID", "subject": SUBJECT, "data": "probe"})
    block = (
        f"\noperate:\n  path:\n    url: http://{gateway}/v1/events\n    body: '{body}'\n    acknowledged: [200]\n"
        f"    headers:\n      - {{name: apikey, value: env:SECONDSITE_LAB_KEY}}\n"
        f"      - {{name: Host, value: {lab.host}}}\n"
    )
    file.write_text(file.read_text("utf-8") + block, "utf-8")


async def until(done: Callable[[], Awaitable[bool]], what: str, within_s: float = 90.0) -> None:
    deadline = time.monotonic() + within_s
    while not await done():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.1)


def in_log(lab: Lab, name: str, words: str) -> Callable[[], Awaitable[bool]]:
    async def there() -> bool:
        return words in lab.supervisor.log_tail(name)

    return there
