"""The shipped watch in a lab: an observer in each of two regions and one outside, and a watch that starts nothing.

What a region holds of it is lost with the region. An observer looks from where it is: at another region's servers
through the WAN, at its API along the clients' way.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

from attrs import field, frozen

from secondsite.lab.addresses import LabAddresses
from secondsite.lab.options import JudgingOptions, LabOptions
from secondsite.lab.services import DEFAULT_HOST
from secondsite.lab.supervisor import Spec, port_open, python
from secondsite.model.deployment import Deployment
from secondsite.model.endpoint import Endpoint
from secondsite.model.service import Role
from secondsite.model.watching import WatchObserver
from secondsite.operate.observer_config import ObserverConfig, RegionTargets, observer_text
from secondsite.operate.watch_commands import JudgedBy, judge_command, observe_command

OUTSIDE = "outside"
LEAST_SIGNALS = 2
"""As the watch has it: one alone may fail for a cause of its own."""


@frozen
class Observing:
    """``urls`` gives a region's servers as another region reaches them, without a login. ``token`` is shared by all of
    them, and worth nothing elsewhere."""

    deployment: Deployment
    addresses: LabAddresses
    folder: Path
    options: JudgingOptions
    urls: Callable[[str, str], str]
    token: str = field(factory=lambda: secrets.token_hex(32), repr=False)

    @property
    def regions(self) -> tuple[str, ...]:
        """The one that serves first, and the one that would take over."""
        away = self.deployment.standby or self.deployment.sites[-1]
        return tuple(dict.fromkeys((self.deployment.primary.region.name, away.region.name)))

    @property
    def host(self) -> str:
        """Empty where no API runs."""
        return (self.deployment.traffic.host or DEFAULT_HOST) if self.deployment.system.with_role(Role.API) else ""

    @property
    def judge(self) -> Endpoint:
        return self.addresses.judge

    def specs(self, region: str) -> tuple[Spec, ...]:
        """The region's own observer; ``region`` empty for the one outside."""
        if region and region not in self.regions:
            return ()
        name = f"observer-{region or OUTSIDE}"
        config = ObserverConfig(
            region or OUTSIDE,
            tuple(self._targets(of, region) for of in self.regions),
            self.options.every_s,
            self.options.every_s,
        )
        path = self.folder / f"{name}.json"
        path.write_text(observer_text(config), encoding="utf-8")
        at = self._at(region)
        return (self._spec(name, at, region, observe_command(str(path), at)),)

    def judging(self) -> Spec:
        """Outside of every region."""
        options = self.options
        observers = (*((of, of) for of in self.regions), (OUTSIDE, ""))
        by = JudgedBy(
            self.regions,
            tuple(WatchObserver(name, region, f"http://{self._at(region)}") for name, region in observers),
            options.window_s,
            every_s=options.every_s,
            checks=options.checks,
        )
        return self._spec("watch-judge", self.judge, "", judge_command(by, "judge", self.judge))

    def _spec(self, name: str, at: Endpoint, region: str, arguments: tuple[str, ...]) -> Spec:
        command = python("secondsite", *arguments)
        login = self.addresses.operator
        environment = {
            "SECONDSITE_WATCH_TOKEN": self.token,
            "NATS_USER": login.user,
            "NATS_PASSWORD": login.password,
        }
        return Spec(name, tuple(command), lambda: port_open(at.host, at.port), region, environment)

    def _at(self, region: str) -> Endpoint:
        return self.addresses.observer(region)

    def _targets(self, of: str, viewpoint: str) -> RegionTargets:
        domains = {one.region: one.domain for one in self.deployment.clusters if one.domain}
        api = f"http://{self.addresses.gateway(of)}{self.deployment.traffic.check_path}" if self.host else ""
        return RegionTargets(of, api, self.host, self.urls(of, viewpoint), domains.get(of, ""))


def observing(
    deployment: Deployment,
    addresses: LabAddresses,
    folder: Path,
    options: LabOptions,
    urls: Callable[[str, str], str],
) -> Observing | None:
    """None where no watch was asked for."""
    return Observing(deployment, addresses, folder, options.judging, urls) if options.judging else None


def unwatchable(deployment: Deployment) -> str:
    """Why observers could never agree that the first region is lost; empty where they can."""
    home, away = deployment.primary.region.name, (deployment.standby or deployment.sites[-1]).region.name
    if home == away:
        return "there is no second region"
    mine = [one for one in deployment.clusters if one.region == home]
    ways = (deployment.system.with_role(Role.API), mine, any(one.domain for one in mine))
    if sum(map(bool, ways)) < LEAST_SIGNALS:
        return f"{home} can be observed by one signal only, and a quorum needs {LEAST_SIGNALS}"
    if not any(one.region == away for one in deployment.clusters):
        return f"there are no servers in {away}, so an observer cannot tell a lost {home} from its own network"
    return ""
