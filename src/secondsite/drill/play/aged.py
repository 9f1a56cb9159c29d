"""Writes that are old when a run begins: clients' own, acknowledged by a real server, and kept with its streams.

They are written once for a machine and a design. Each run's origin begins with these streams, at their places and with
the times at which they were stored; mirrors copy them anew. A database begins with the files that its server left when
it was shut down, and its standby with a copy of them, as a base backup makes one. Their ledgers go to the evidence of
each run, so a copy that never got them has lost them.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from secondsite.lab.aged import AgedStream

_FACTS, _LEDGERS, _SUMMARIES = "aged.json", "*.ledger", "*.summary.json"
_BOOT = Path("/proc/sys/kernel/random/boot_id")


@frozen
class AgedWrites:
    """``run`` stands in the ids of the messages. ``newest_ns``: when the last was sent, by the clock of this boot;
    ``stored_at`` the same in UTC. ``digest`` is over the ledgers and all that is kept.
    ``stores``: the files of each database, by its name.
    """

    folder: Path
    run: str
    newest_ns: int
    stored_at: str
    acknowledged: int
    digest: str
    streams: tuple[AgedStream, ...]
    stores: Mapping[str, Path] = {}

    @property
    def age_s(self) -> float:
        return (time.monotonic_ns() - self.newest_ns) / 1e9

    def until_s(self, reach_s: float) -> float:
        """How long it takes until all are that old."""
        return max(0.0, reach_s - self.age_s)

    def hand_over(self, ledgers: Path) -> list[Path]:
        """The clients' ledgers and summaries, as evidence of a run; where the ledgers are now."""
        for path in sorted(self.folder.glob(_SUMMARIES)):
            shutil.copy(path, ledgers)
        return [Path(shutil.copy(path, ledgers)) for path in sorted(self.folder.glob(_LEDGERS))]


def boot_id() -> str:
    """The monotonic clock begins anew with each boot; empty where nobody tells."""
    return _BOOT.read_text(encoding="utf-8").strip() if _BOOT.exists() else ""


def save_aged(
    folder: Path,
    run: str,
    newest_ns: int,
    stored_at: str,
    streams: tuple[AgedStream, ...],
    stores: Mapping[str, Path] = {},
) -> None:
    """Beside the ledgers and the archives that are in the folder already."""
    facts = {
        "run": run,
        "boot": boot_id(),
        "newest_ns": newest_ns,
        "stored_at": stored_at,
        "streams": [{"name": each.name, "state": dict(each.state), "archive": each.archive.name} for each in streams],
        "stores": {name: path.name for name, path in sorted(stores.items())},
        "digest": _digest(folder),
    }
    (folder / _FACTS).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def read_aged(folder: Path, most_s: float) -> AgedWrites | None:
    """None where there are none of this boot, they are older than ``most_s``, or something in the folder changed."""
    try:
        facts = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
        summaries = [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob(_SUMMARIES)]
        streams = tuple(
            AgedStream(str(each["name"]), each["state"], folder / str(each["archive"])) for each in facts["streams"]
        )
        writes = AgedWrites(
            folder,
            str(facts["run"]),
            int(facts["newest_ns"]),
            str(facts["stored_at"]),
            sum(int(summary["acknowledged"]) for summary in summaries),
            str(facts["digest"]),
            streams,
            {str(name): folder / str(file) for name, file in facts["stores"].items()},
        )
        same = facts["boot"] == boot_id() and facts["digest"] == _digest(folder)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return writes if same and 0 <= writes.age_s <= most_s else None


def _digest(folder: Path) -> str:
    whole = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.name != _FACTS:
            whole.update(f"{path.name} {path.stat().st_size}\n".encode() + path.read_bytes())
    return whole.hexdigest()
