"""Looks for published weaknesses of the pinned packages; exit code 0: none, 1: some, 3: nobody could be asked.

pip-audit asks a service on the internet (osv.dev). Where that cannot be reached nothing was looked up, and it is said
so: a list that was not read is no clean bill. pip-audit is installed by its pins into build/, apart from .venv.
"""

from __future__ import annotations

import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOL = ROOT / "build" / "pip-audit"
SERVICE = "https://api.osv.dev/v1/vulns/PYSEC-2021-66"
"""A weakness that everybody knows: a service that answers it can be asked."""
UNPROVEN = 3


def main() -> None:
    if not reached(SERVICE):
        print(f"unproven: {SERVICE.partition('/v1')[0]} cannot be reached from here, so nothing was looked up")
        sys.exit(UNPROVEN)
    if not (TOOL / "pip_audit").is_dir():
        pins = ROOT / "requirements" / "audit.txt"
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", str(TOOL)]
        subprocess.run([*pip, "--no-deps", "--require-hashes", "--requirement", str(pins)], check=True)
    looked = [audited(path) for path in sorted((ROOT / "requirements").glob("*.txt"))]
    sys.exit(max(looked))


def reached(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=10) as reply:
            return bool(reply.status == 200)
    except (OSError, ValueError):
        return False


def audited(path: Path) -> int:
    """Only what the file names is looked up; nothing is resolved or installed."""
    command = [sys.executable, "-m", "pip_audit", "--vulnerability-service", "osv", "--no-deps", "--disable-pip"]
    print(f"{path.relative_to(ROOT)}:", flush=True)
    return subprocess.run([*command, "--requirement", str(path)], env={"PYTHONPATH": str(TOOL)}, check=False).returncode


if __name__ == "__main__":
    main()
