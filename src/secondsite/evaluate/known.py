"""What the tables have to know of a system before it can be evaluated, asked for all at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from secondsite.catalogue.bundle import Catalogue
from secondsite.catalogue.regions import PROVIDERS
from secondsite.catalogue.table import USER_FOLDER
from secondsite.model.contract import Subject
from secondsite.model.errors import InputError, Problem
from secondsite.model.place import Place
from secondsite.model.region import Region
from secondsite.model.service import Role
from secondsite.model.system import System


def require(system: System, catalogue: Catalogue) -> None:
    """Raises InputError with everything that no table knows and nothing stands in for, each with its remedy."""
    unknown = tuple(region for region in _regions(system) if not _known(region, catalogue))
    problems = [*_unpriced(unknown, system.file), *_unmeasured(system, catalogue, unknown)]
    if problems:
        raise InputError(problems)


def _unpriced(unknown: Sequence[Region], file: str) -> Iterator[Problem]:
    if not unknown:
        return
    names = ", ".join(f"{region.provider or '(no provider)'} {region.name}" for region in unknown)
    commands = "; ".join(
        f"secondsite catalogue add-counterpart {region.provider or 'PROVIDER'} {region.name} AWS-REGION GCP-REGION "
        "AZURE-REGION --source TEXT"
        for region in unknown
    )
    yield Problem(
        Place(file),
        f"no prices and no round-trip times are known for {names}",
        "write `premises:` with its own prices, round trips and a region that it is like (docs/evaluate.md), or name "
        f"the regions that stand in for them, in {USER_FOLDER}: {commands}",
    )


def _unmeasured(system: System, catalogue: Catalogue, unknown: Sequence[Region]) -> Iterator[Problem]:
    """Pairs that are neither in a table nor have stand-ins that are."""
    known = [region for region in _regions(system) if region not in unknown]
    for a, b in combinations(known, 2):
        try:
            catalogue.round_trips.of(a, b)
        except InputError as error:
            yield from error.problems


def has_api(system: System) -> bool:
    """Whether there is one, or one is promised: else the streams are what comes back."""
    promised = any(contract.subject is Subject.API for contract in system.contracts)
    return promised or not system.nats or bool(system.with_role(Role.API))


def served_subject(system: System) -> Subject:
    """Whose RTO clients wait for: the API's, or the streams' of a system whose clients speak NATS."""
    return Subject.API if has_api(system) else Subject.NATS


def unseen_streams(system: System) -> str:
    """Why nothing can be said of the streams; empty where some are known, or where there can be none."""
    with_jetstream = [cluster.name for cluster in system.nats if cluster.jetstream]
    if not with_jetstream or any(cluster.streams for cluster in system.nats):
        return ""
    return f"JetStream is on in {', '.join(with_jetstream)}, and no stream is known: read them with `init --nats URL`"


def _regions(system: System) -> tuple[Region, ...]:
    return tuple(dict.fromkeys(region for region in (system.region, system.second, system.third) if region))


def _known(region: Region, catalogue: Catalogue) -> bool:
    regions = catalogue.prices.regions
    return region.provider in PROVIDERS or (region.provider, region.name) in regions.counterparts
