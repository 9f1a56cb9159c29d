"""Prints the pins, with their hashes, of what pip would install: `python script/pins_of.py REPORT PINS`."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path


def main(report: Path, pins: Path) -> None:
    blocks = re.findall(r"^[\w.-]+==.*\n(?: +--hash=.*\n)+", pins.read_text("utf-8"), re.MULTILINE)
    by_name = {_plain(block.partition("==")[0]): block for block in blocks}
    wanted = {_plain(item["metadata"]["name"]) for item in json.loads(report.read_text("utf-8"))["install"]}
    missing = sorted(wanted - by_name.keys() - {"secondsite"})
    if missing:
        sys.exit(f"not pinned: {', '.join(missing)}; run make lock")
    sys.stdout.writelines(by_name[name] for name in sorted(wanted & by_name.keys()))


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
