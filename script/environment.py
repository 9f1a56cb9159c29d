"""Makes .venv with the pinned packages; needs Python 3.11 and nothing else.

Debian's python3 comes without ensurepip (package python3-venv). There pip is taken from PyPI itself, as the
wheel that is pinned below, and run from the wheel to install itself.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request
import venv
from pathlib import Path

PIP = "pip-26.3-py3-none-any.whl"
PIP_SHA256 = "f3b60b20ffaadd4415ed7957212a38ac63fa4c5fa375bd0f4a797777940fad13"
INDEX = "https://pypi.org/simple/pip/"
ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    target = ROOT / ".venv"
    if sys.version_info < (3, 11):
        sys.exit(f"Python {sys.version.split()[0]} is too old: 3.11 or newer is needed; try `make PYTHON=python3.12 …`")
    python = target / "bin" / "python"
    if not has_pip(python):
        make(target, python)
    stamp = target / ".installed"
    wanted = hashlib.sha256((ROOT / "requirements" / "dev.txt").read_bytes() + (ROOT / "pyproject.toml").read_bytes())
    if stamp.exists() and stamp.read_text() == wanted.hexdigest():
        return
    print("installing the pinned packages into .venv (once, about a minute)", flush=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    # The pins are whole, so nothing is resolved: what they do not name is not installed.
    pins = [*pip, "--no-deps", "--require-hashes", "--requirement"]
    at_home = homed(target)
    subprocess.run([*pins, str(ROOT / "requirements" / "dev.txt")], check=True, env=at_home)
    # What builds it is among them: an isolated build would fetch it again, and no hash is checked there.
    subprocess.run([*pip, "--no-deps", "--no-build-isolation", "--editable", str(ROOT)], check=True, env=at_home)
    stamp.write_text(wanted.hexdigest())


def homed(folder: Path) -> dict[str, str]:
    """The environment; where a user has no home, as in a container, ``folder``: packages that are built ask for one."""
    try:
        Path.home()
    except RuntimeError:
        return {**os.environ, "HOME": str(folder)}
    return dict(os.environ)


def has_pip(python: Path) -> bool:
    if not python.exists():
        return False
    return subprocess.run([str(python), "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0


def make(target: Path, python: Path) -> None:
    try:
        venv.create(target, with_pip=True, clear=True)
    except (subprocess.CalledProcessError, ModuleNotFoundError):
        venv.create(target, with_pip=False, clear=True)
        with tempfile.TemporaryDirectory() as folder:
            wheel = Path(folder) / PIP
            wheel.write_bytes(fetch_pip())
            subprocess.run([str(python), f"{wheel}/pip", "install", "--quiet", "--no-index", str(wheel)], check=True)


def fetch_pip() -> bytes:
    """The pinned wheel; ends the program with a remedy where it cannot be had."""
    try:
        with urllib.request.urlopen(INDEX, timeout=60) as reply:
            found = re.search(rf'href="([^"]*{re.escape(PIP)})[#"]', reply.read().decode())
        address = found[1] if found else PIP
        with urllib.request.urlopen(urllib.parse.urljoin(INDEX, address), timeout=60) as reply:
            content: bytes = reply.read()
    except OSError as error:
        sys.exit(f"cannot fetch pip from PyPI ({error}); install it: apt-get install python3-venv")
    if hashlib.sha256(content).hexdigest() != PIP_SHA256:
        sys.exit(f"{PIP} is not the pinned file; install pip: apt-get install python3-venv")
    return content


if __name__ == "__main__":
    main()
