"""Fetches what tests run inside the browser, from npm into build/browser: Mermaid, as forges draw it, and axe-core.

One file of each, pinned by its digest; nothing is installed and none of their scripts is run here. Needs npm.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "build" / "browser"
TOOLS = (
    ("mermaid", "11.17.2", "dist/mermaid.min.js", "6ad2f42c3fc26bbf9e45cbb6d11898972573ea52b33a5f4ff51952899f950ffd"),
    ("axe-core", "4.14.1", "axe.min.js", "e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745"),
)
"""Package, version, the file that is used of it, digest of the package."""


def main() -> None:
    npm = shutil.which("npm")
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, version, member, digest in TOOLS:
        wanted = FOLDER / f"{name}.js"
        if wanted.is_file():
            continue
        if npm is None:
            sys.exit("npm is not installed; on Debian: apt-get install npm")
        wanted.write_bytes(fetched(npm, name, version, member, digest))


def fetched(npm: str, name: str, version: str, member: str, digest: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        command = [npm, "pack", f"{name}@{version}", "--silent", "--pack-destination", folder]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder)
        (archive,) = Path(folder).glob("*.tgz")
        found = hashlib.sha256(archive.read_bytes()).hexdigest()
        if found != digest:
            sys.exit(
                f"{name}@{version} has the digest {found}, not the pinned one: look at what changed before using it"
            )
        with tarfile.open(archive) as packed:
            packed.extract(f"package/{member}", folder, filter="data")
        return (Path(folder) / "package" / member).read_bytes()


if __name__ == "__main__":
    main()
