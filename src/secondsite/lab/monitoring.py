"""A Prometheus in each region of a lab, real and the system's own service: it scrapes the API of every region.

That of its own region it reaches directly, the others' through the WAN. It loads the rule that `publish` writes for a
region that is gone. Scrapes and evaluations come every second; how long the rule holds is as published.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from attrs import frozen

from secondsite.lab.addresses import LabAddresses, WanListener
from secondsite.lab.binaries import digest
from secondsite.lab.http_get import http_get
from secondsite.lab.supervisor import Spec
from secondsite.model.deployment import Deployment
from secondsite.model.endpoint import Endpoint
from secondsite.model.errors import MachineError
from secondsite.model.service import Role
from secondsite.strategies.observed import prometheus, region_unseen

PROGRAM = "prometheus"
_VERSION = re.compile(r"version (\S+)")
_WITHIN_S = 2.0
_CONFIG = """\
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: [{rules}]
scrape_configs:
  - job_name: {job}
    static_configs:
{targets}"""
_TARGET = "      - {{targets: ['{at}'], labels: {{region: {region}}}}}\n"
_RULES = """\
groups:
  - name: regions
    rules: [{{alert: {name}, expr: {expression}, for: {hold_s}s}}]
"""


@frozen
class Monitoring:
    """``wanted``: whether the lab has any. ``scraped``: of a region that is named here, what its Prometheus scrapes."""

    deployment: Deployment
    addresses: LabAddresses
    folder: Path
    wanted: bool
    scraped: Mapping[str, tuple[str, ...]]

    @cached_property
    def program(self) -> str:
        """Raises MachineError where this machine has none."""
        if path := shutil.which(PROGRAM):
            return path
        raise MachineError.at("lab", "there is no Prometheus on PATH", "install it (Debian: apt install prometheus)")

    @cached_property
    def version(self) -> str:
        done = subprocess.run([self.program, "--version"], capture_output=True, text=True, check=True)  # noqa: S603 - found on PATH
        match = _VERSION.search(done.stdout + done.stderr)
        return match[1] if match else ""

    def specs(self, region: str) -> tuple[Spec, ...]:
        return (self._spec(region),) if self.wanted else ()

    def digests(self) -> dict[str, str]:
        return {f"Prometheus {self.version}": digest(Path(self.program))} if self.wanted else {}

    def replaced(self) -> tuple[str, ...]:
        """What runs in the place of a version that is not at hand, in words."""
        asked = prometheus(self.deployment.system) if self.wanted else None
        if asked is None or asked.tag.lstrip("v") == self.version:
            return ()
        return (f"{asked.name} runs {asked.image}: Prometheus {self.version} is used instead",)

    def listeners(self) -> tuple[WanListener, ...]:
        """Through which each region's scrapes the API of the others."""
        names = self.addresses.regions if self.wanted else ()
        pairs = [(region, other) for region in names for other in names if region != other]
        return tuple(
            WanListener(region, other, self.addresses.api_reached_from(region, other), self.addresses.api(other))
            for region, other in pairs
        )

    def endpoints(self) -> tuple[Endpoint, ...]:
        return tuple(self.addresses.prometheus(region) for region in self.addresses.regions) if self.wanted else ()

    async def ask(self, region: str, query: str) -> float | None:
        """The value of the one series, None where there is none. Raises MachineError where nobody answers."""
        at = self.addresses.prometheus(region)
        try:
            status, body = await http_get(at, f"/api/v1/query?query={quote(query)}", _WITHIN_S)
            series = json.loads(body)["data"]["result"] if status == 200 else None
        except (OSError, TimeoutError, ValueError, KeyError, TypeError) as error:
            raise MachineError.at(str(at), f"its Prometheus does not answer: {error}", "see its log") from None
        if series is None:
            raise MachineError.at(str(at), f"its Prometheus answers {status}: {body[:200]}", "see its log")
        return float(series[0]["value"][1]) if series else None

    def _spec(self, region: str) -> Spec:
        at, home = self.addresses.prometheus(region), self.folder / f"prometheus-{region}"
        home.mkdir(exist_ok=True)
        api = self.deployment.system.with_role(Role.API)[0]
        rule = region_unseen(api)
        rules = _RULES.format(name=rule.name, expression=json.dumps(rule.expression), hold_s=rule.hold_s)
        (home / "rules.yaml").write_text(rules, encoding="utf-8")
        ends = {
            other: self.addresses.api(other) if other == region else self.addresses.api_reached_from(region, other)
            for other in self.scraped.get(region, self.addresses.regions)
        }
        targets = "".join(_TARGET.format(at=end, region=json.dumps(other)) for other, end in ends.items())
        config = _CONFIG.format(
            rules=json.dumps(str(home / "rules.yaml")), job=json.dumps(api.object_name), targets=targets
        )
        (home / "prometheus.yaml").write_text(config, encoding="utf-8")

        async def ready() -> bool:
            try:
                return await self.ask(region, "vector(1)") == 1
            except MachineError:
                return False

        options = (f"--config.file={home / 'prometheus.yaml'}", f"--storage.tsdb.path={home / 'data'}")
        command = (self.program, *options, f"--web.listen-address={at}", "--log.level=warn")
        return Spec(f"prometheus-{region}", command, ready=ready, region=region)
