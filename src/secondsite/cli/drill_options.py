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
    from secondsite.drill.setup import Setup
    from secondsite.model.system import System


@frozen
class World:
    """``ignoring_ttl`` None: as the drill has it."""

    profile: Annotated[str, option("quick: checks of 1 s, TTL 2 s; production: the strategy's own.")] = "quick"
    seed: Annotated[NonNegativeInt, option("Same seed, same schedule of faults.")] = 1
    rate: Annotated[PositiveFloat, option("Writes a second.")] = 100.0
    nats_version: Annotated[
        tuple[str, ...], option("Of every server; today: what the system runs. Several: side by side.", negative="")
    ] = ()
    nats_server: Annotated[Path | None, option("Run this binary as every server.")] = None
    ignoring_ttl: Annotated[
        float | None,
        option("Share of users that keep the first address for ever.", validator=Number(gte=0, lte=1)),
    ] = None

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
            what = "is a binary of its own version, and a version is named besides"
            raise InputError.at("--nats-server", what, "give one of the two")
        return version_of(binary.resolve())

    def setup(self, system: System, catalogue: Catalogue, text: str) -> Setup:
        from secondsite.drill.setup import make_setup
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
        )
        return evolve(made, nats_server=self.nats_server, ignoring_ttl=self.ignoring_ttl)


AS_IT_IS = World()
