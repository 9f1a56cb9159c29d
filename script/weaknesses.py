"""Looks for published weaknesses of the pinned packages; exit code 0: none, 1: some, 3: not all could be looked up.

pip-audit asks a service on the internet: osv.dev, or PyPI's own pages where that cannot be reached. What was not looked
up is counted and said: a list that was not read is no clean bill. pip-audit is installed by its pins into build/, apart
from .venv.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TOOL = ROOT / "build" / "pip-audit"
SERVICES = {
    "osv": "https://api.osv.dev/v1/vulns/PYSEC-2021-66",
    "pypi": "https://pypi.org/pypi/jinja2/2.11.2/json",
}
"""Each with an address where it tells of a weakness that everybody knows: one that answers there can be asked."""
FOUND, UNPROVEN = 1, 3


def main() -> None:
    service = next((name for name, known in SERVICES.items() if reached(known)), None)
    if service is None:
        print(f"unproven: {' and '.join(map(host, SERVICES.values()))} tell nothing here, so nothing was looked up")
        sys.exit(UNPROVEN)
    install()
    codes = [told(path.relative_to(ROOT), audited(path, service)) for path in sorted(ROOT.glob("requirements/*.txt"))]
    sys.exit(FOUND if FOUND in codes else max(codes))


def host(url: str) -> str:
    return url.split("/")[2]


def reached(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=10) as reply:
            return bool(reply.status == 200)
    except (OSError, ValueError):
        return False


def install() -> None:
    if not (TOOL / "pip_audit").is_dir():
        pins = ROOT / "requirements" / "audit.txt"
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", str(TOOL)]
        subprocess.run([*pip, "--no-deps", "--require-hashes", "--requirement", str(pins)], check=True)


def audited(path: Path, service: str, *more: str) -> list[Mapping[str, Any]]:
    """What pip-audit says of each pin. Only what the file names is looked up; nothing is resolved or installed."""
    command = [sys.executable, "-m", "pip_audit", "--vulnerability-service", service, "--no-deps", "--disable-pip"]
    command += ["--progress-spinner", "off", "--format", "json", *more, "--requirement", str(path)]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(TOOL)}, capture_output=True, text=True, check=False
    )
    try:
        found: list[Mapping[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        reason = (done.stderr.strip() or "it said nothing").splitlines()[-1]
        return [{"name": path.name, "skip_reason": f"pip-audit failed: {reason}"}]
    return found


def told(path: Path, found: list[Mapping[str, Any]]) -> int:
    """Exit code of one file, after a line for each weakness and each pin that was not looked up."""
    weak = [(one, each) for one in found for each in one.get("vulns", ())]
    skipped = [one for one in found if "skip_reason" in one]
    print(f"{path}: {len(found) - len(skipped)} of {len(found)} pins looked up, {len(weak)} weaknesses", flush=True)
    for one, each in weak:
        mended = ", ".join(each.get("fix_versions", ())) or "no release yet"
        print(f"  {one['name']} {one['version']}: {each['id']}, mended in {mended}")
    for one in skipped:
        print(f"  not looked up: {one['name']}: {one['skip_reason']}")
    return FOUND if weak else UNPROVEN if skipped or not found else 0


if __name__ == "__main__":
    main()
