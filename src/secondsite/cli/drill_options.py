"""The world around a drill, as options: which servers, how fast it turns, who arrives."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from attrs import evolve, frozen
from cyclopts.types import NonNegativeInt, PositiveFloat
from cyclopts.validators import Number

from secondsite.cli.stores import option
from secondsite.model.errors import InputError

if TYPE_CHECKING:
    from secondsite.catalogue.bundle import Catalogue
    from secondsite.drill.play.setup import Setup
    from secondsite.model.system import System

SHORTEST_SOAK_S = 30.0


@frozen
class DrillWorld:
    """``ignoring_ttl`` None: as the drill has it. ``fault``: the drill's name, where it is given as it once was."""

    profile: Annotated[
        str, option("quick: health checks every 1 s and a TTL of 2 s; production: the strategy's own values.")
    ] = "quick"
    seed: Annotated[NonNegativeInt, option("Random seed; the same seed gives the same schedule of faults.")] = 1
    rate: Annotated[PositiveFloat, option("Load, in writes a second.")] = 100.0
    nats_version: Annotated[
        tuple[str, ...], option("nats-server version for all servers, or `today`; repeat to compare.", negative="")
    ] = ()
    nats_server: Annotated[Path | None, option("Use this nats-server binary for all servers.")] = None
    one_address: Annotated[
        bool, option("Use 127.0.0.1 only, as on machines that have no other loopback address.", negative="")
    ] = False
    ignoring_ttl: Annotated[
        float | None,
        option("Share of users whose resolver never drops the old address.", validator=Number(gte=0, lte=1)),
    ] = None

    reach: Annotated[
        str,
        option(
            "Age of the oldest write at the fault, so that a breach of an RPO this long shows; "
            "with `--runs`, the longest RPO by default."
        ),
    ] = ""
    trigger: Annotated[
        str,
        option(
            "Who detects and decides. checks: the drill's own health checks; watch: the shipped observers and watch; "
            "on staging also the URL of your own watch."
        ),
    ] = "checks"
    duration: Annotated[str, option("Length of a soak, such as 2m, 1h or 24h.")] = ""
    fault: Annotated[str, option("The old way to name DRILL.", show=False)] = ""

    def versions(self, strategy: str) -> tuple[str, ...]:
        """The strategy on each version asked for, as ``pattern/link@VERSION``; one that names its own keeps it."""
        if self.nats_server is not None:
            return (f"{strategy}@{self._version_of(self.nats_server, strategy)}",)
        if "@" in strategy or not self.nats_version:
            return (strategy,)
        return tuple(f"{strategy}@{version}" for version in self.nats_version)

    def _version_of(self, binary: Path, strategy: str) -> str:
        from secondsite.lab.nats_binary import version_of

        if self.nats_version or "@" in strategy:
            what = "--nats-server and --nats-version exclude each other"
            raise InputError.at("--nats-server", what, "give one of the two")
        return version_of(binary.resolve())

    def setup(self, system: System, catalogue: Catalogue, fault: str, text: str) -> Setup:
        from secondsite.drill.play.setup import make_setup
        from secondsite.evaluate.explain import parse_strategy

        name, _, version = text.partition("@")
        made = make_setup(
            system,
            catalogue,
            parse_strategy(name),
            profile_name=self.profile,
            seed=self.seed,
            nats_version=version,
            rate_per_s=self.rate,
            soak_s=self._soak_s(fault),
        )
        trigger = self.trigger if self.trigger.startswith(("http://", "https://")) else self._trigger()
        return evolve(
            made,
            nats_server=self.nats_server,
            one_address=self.one_address,
            ignoring_ttl=self.ignoring_ttl,
            trigger=trigger,
        )

    def _trigger(self) -> str:
        from secondsite.drill.play.setup import CHECKS, WATCH

        if self.trigger not in (CHECKS, WATCH):
            what = f"unknown trigger {self.trigger}"
            raise InputError.at("--trigger", what, f"give {CHECKS} or {WATCH}; on staging also the URL of a watch")
        return self.trigger

    def reaching(self, fault: str, setup: Setup, runs: int) -> Setup:
        """As old as somebody said, or in a series as old as its contracts need it."""
        from secondsite.drill.play.timings import reach_s
        from secondsite.drill.registry import find_drill
        from secondsite.model.units import parse_seconds

        if not self.reach:
            return evolve(setup, reach_s=reach_s(find_drill(fault), setup) if runs > 1 else 0.0)
        try:
            return evolve(setup, reach_s=float(parse_seconds(self.reach)))
        except ValueError as error:
            raise InputError.at("--reach", str(error), "such as 60s or 5m") from None

    def _soak_s(self, fault: str) -> float | None:
        """None where no duration is given."""
        from secondsite.model.units import parse_seconds

        text = self.duration
        if not text:
            return None
        if fault != "soak":
            raise InputError.at("--duration", f"{fault} has no length to choose", "give it with soak only")
        try:
            seconds = parse_seconds(text)
        except ValueError as error:
            raise InputError.at("--duration", str(error), "such as 2m, 1h or 24h") from None
        if seconds < SHORTEST_SOAK_S:
            what = f"{text} is too short to show a trend"
            raise InputError.at("--duration", what, f"give {SHORTEST_SOAK_S:g}s or more")
        return seconds


AS_IT_IS = DrillWorld()
