"""``secondsite secrets``: compare a region's secrets with what they should be, record fingerprints, refresh."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App

from secondsite.cli.options import SYSTEM_FILE
from secondsite.cli.stores import Json, option, print_json
from secondsite.model.errors import EXIT_DOES_NOT_HOLD, EXIT_HOLDS, InputError
from secondsite.model.wording import counted

if TYPE_CHECKING:
    from secondsite.secrets.door import SecretPlaces

app = App(name="secrets", help="Compare secrets of two places by keyed fingerprints; values are never shown or stored.")
SystemFile = Annotated[Path, option("The system, as written by `secondsite init`.")]
Names = Annotated[str, option("Secret to check; all by default.")]
RegionName = Annotated[str, option("Region whose cluster is read.")]


@app.command
def compare(region: RegionName, *, file: SystemFile = SYSTEM_FILE, json: Json = False) -> int:
    """Check that each secret of the region matches its source; exit 1 if one differs or is missing."""
    places = _places(file)

    async def work() -> dict[str, str]:
        key = places.run_key().secret
        expected, there = await places.reference(key), await places.fingerprints(region, key)
        return {name: _compared(expected.get(name, ""), there.get(name, "")) for name in expected}

    words = asyncio.run(work())
    if json:
        print_json({"schema": "secondsite/secrets/1", "region": region, "secrets": words})
    else:
        print("\n".join(f"{name}: {one}" for name, one in words.items()))
    return EXIT_HOLDS if set(words.values()) <= {_SAME} else EXIT_DOES_NOT_HOLD


@app.command
def record(
    region: RegionName,
    *,
    file: SystemFile = SYSTEM_FILE,
    to: Annotated[Path | None, option("The file; by default .secondsite/secret-fingerprints.json.")] = None,
) -> int:
    """Record the fingerprints of a region's secrets while it is up, for `reference: recorded`.

    The key comes from SECONDSITE_FINGERPRINT_KEY (32 bytes in hex); store it apart from the file.
    """
    import os

    from secondsite.operate.secret_places import KEY, RECORDED
    from secondsite.secrets.recorded import key_of
    from secondsite.secrets.recorded import record as recorded

    places = _places(file)
    if region not in places.regions:
        raise InputError.at(region, "has no cluster in secondsite.yaml", f"configure operate.places.{region}.kube")
    key = key_of(os.environ.get(KEY, ""), f"env:{KEY}")
    text = asyncio.run(recorded(places.regions[region], places.entries, key))
    path = to or RECORDED
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    print(f"{counted(len(places.entries), 'fingerprints')} in {path}")
    return EXIT_HOLDS


@app.command
def refresh(
    region: RegionName,
    *names: Names,
    file: SystemFile = SYSTEM_FILE,
) -> int:
    """Make External Secrets refresh secrets, and wait until it has."""
    places = _places(file)
    chosen = names or tuple(one.name for one in places.entries)
    if unknown := sorted(set(chosen) - {one.name for one in places.entries}):
        raise InputError.at("secrets", f"there is no {', '.join(unknown)}", "name one of `secrets` in secondsite.yaml")
    asyncio.run(places.refresh(region, chosen))
    print(f"{len(chosen)} refreshed in {region}: restart the services that read them at startup")
    return EXIT_HOLDS


_SAME, _DIFFERS, _MISSING, _UNKNOWN = "the same", "differs", "missing", "missing at its source"


def _compared(expected: str, there: str) -> str:
    import hmac

    if not expected or not there:
        return _MISSING if expected else _UNKNOWN
    return _SAME if hmac.compare_digest(expected, there) else _DIFFERS


def _places(file: Path) -> SecretPlaces:
    from secondsite.cli.operating_world import OperationScope, ProcedureDirection, procedure_of
    from secondsite.operate.secret_places import secret_places

    deployment, _ = procedure_of(ProcedureDirection.OVER, OperationScope(file))
    places = secret_places(deployment)
    if places is None:
        what, remedy = "no method to compare secrets is configured", "write operate: secrets: {reference: …}"
        raise InputError.at(str(file), what, f"{remedy}, see docs/secrets.md")
    return places
