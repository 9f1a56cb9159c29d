"""Writes build/sbom.cdx.json: every package that secondsite runs with, as a CycloneDX 1.6 bill of materials.

What is installed is read, not what a file asks for: versions, licences and who needs whom come from the packages' own
metadata, hashes of their files from requirements/. Same packages, same bytes, but for the time, which SOURCE_DATE_EPOCH
sets as everywhere.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
SBOM = ROOT / "build" / "sbom.cdx.json"
EXTRAS = ("aws", "dask", "lab")
_PIN = re.compile(r"^([\w.-]+)==(\S+)((?: \\\n    --hash=sha256:[0-9a-f]{64})*)", re.MULTILINE)

Component = dict[str, Any]


def main() -> None:
    target = Path(sys.argv[1]) if sys.argv[1:] else SBOM
    target.parent.mkdir(parents=True, exist_ok=True)
    made = sbom(int(os.environ.get("SOURCE_DATE_EPOCH") or time.time()))
    target.write_text(json.dumps(made, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    print(f"{len(made['components'])} packages in {target}")


def sbom(made_at_s: int) -> dict[str, Any]:
    root = distribution("secondsite")
    found = dict(sorted(_needed(root).items()))
    hashes = _hashes((ROOT / "requirements" / "dev.txt").read_text("utf-8"))
    components = [_component(one, "library", hashes) for one in found.values()]
    whole = [_component(root, "application", {})]
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps([*whole, *components], sort_keys=True))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(made_at_s, UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "component": whole[0],
        },
        "components": components,
        "dependencies": [
            {"ref": _url(one), "dependsOn": sorted(_url(found[name]) for name in _direct(one) if name in found)}
            for one in (root, *found.values())
        ],
    }


def _needed(root: Distribution) -> Mapping[str, Distribution]:
    """By name, whatever the root needs, and those need, as far as it is installed."""
    found: dict[str, Distribution] = {}
    waiting = list(_direct(root))
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            continue
        waiting += _direct(found[name])
    return found


def _direct(package: Distribution) -> Iterator[str]:
    extras = EXTRAS if _name(package) == "secondsite" else ()
    for text in package.requires or ():
        wanted = Requirement(text)
        marker = wanted.marker
        if marker is None or marker.evaluate({"extra": ""}) or any(marker.evaluate({"extra": one}) for one in extras):
            yield _normal(wanted.name)


def _component(package: Distribution, kind: str, hashes: Mapping[tuple[str, str], Iterable[str]]) -> Component:
    version, known = package.version, hashes.get((_name(package), package.version), ())
    made: Component = {"type": kind, "bom-ref": _url(package), "name": _name(package), "version": version}
    made |= {"purl": _url(package)}
    made |= {"licenses": [{"license": {"name": licence}}]} if (licence := _licence(package)) else {}
    # A hash in CycloneDX is of the component; a release has a file for each platform, and they are told as such.
    files = [{"alg": "SHA-256", "content": digest} for digest in known]
    if files:
        url = f"https://pypi.org/project/{_name(package)}/{version}/"
        made["externalReferences"] = [{"type": "distribution", "url": url, "hashes": files}]
    return made


def _licence(package: Distribution) -> str:
    told = package.metadata
    expression = told.get("License-Expression") or ""
    trove = [one.rpartition(" :: ")[2] for one in told.get_all("Classifier") or () if one.startswith("License :: ")]
    return str(expression or ", ".join(trove) or (told.get("License") or "").partition("\n")[0][:80]).strip()


def _hashes(text: str) -> Mapping[tuple[str, str], Iterable[str]]:
    return {(_normal(name), version): re.findall(r"[0-9a-f]{64}", rest) for name, version, rest in _PIN.findall(text)}


def _url(package: Distribution) -> str:
    return f"pkg:pypi/{_name(package)}@{package.version}"


def _name(package: Distribution) -> str:
    return _normal(package.metadata["Name"])


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    main()
