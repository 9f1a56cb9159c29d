"""The command that installs an optional part, as it has to be typed for the installation that runs.

secondsite may come from a clone, a wheel file, a git URL or an index; only the last is found by its name alone.
"""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from shlex import quote
from urllib.parse import unquote, urlsplit

_NAME = "secondsite"


def install(extra: str) -> str:
    return f"pip install {requirement(extra, _origin(), Path.cwd())}"


def requirement(extra: str, origin: str, here: Path) -> str:
    """``origin``: the `direct_url.json` that an installer left (PEP 610); empty where it came from an index."""
    direct = json.loads(origin) if origin else {}
    url = direct.get("url", "")
    if "dir_info" in direct:
        folder = Path(unquote(urlsplit(url).path))
        path = quote(f"{'.' if folder == here else folder}[{extra}]")
        return f"-e {path}" if direct["dir_info"].get("editable") else path
    if vcs := direct.get("vcs_info"):
        url = f"{vcs['vcs']}+{url}@{vcs['commit_id']}"
    return quote(f"{_NAME}[{extra}] @ {url}" if url else f"{_NAME}[{extra}]")


def _origin() -> str:
    try:
        return distribution(_NAME).read_text("direct_url.json") or ""
    except PackageNotFoundError:  # run from the source folder
        return ""
