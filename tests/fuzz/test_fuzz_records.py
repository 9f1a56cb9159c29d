"""What the tool wrote and somebody changed: journals, timelines and evidence, read or refused, never a traceback."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

from mutations import changed_bytes, changed_text, changed_value, seeds, survives

from secondsite.drill.evidence.campaign import CampaignRecord, read_campaign
from secondsite.drill.evidence.chained_lines import FIRST, append_line
from secondsite.drill.evidence.events import milestones, read_events, step_runs
from secondsite.drill.evidence.folder import read_evidence
from secondsite.drill.evidence.manifest import from_text
from secondsite.drill.evidence.packed import check_chain
from secondsite.drill.evidence.register import CampaignSeries, read_register
from secondsite.operate import journal

EVIDENCE = Path(__file__).parents[2] / "examples" / "kgents" / "evidence"
PACKED = min(EVIDENCE.glob("*.evidence"), key=lambda path: path.stat().st_size)


def entries() -> list[dict[str, Any]]:
    """A journal of two steps, as it would be read."""
    begun = {"steps": [{"id": "fence"}, {"id": "promote"}], "operation": {"id": "failover-1"}}
    told = [("begin", "", begun), ("intent", "fence", {"facts": {}}), ("outcome", "fence", {"state": "done"})]
    kinds = {str(kind) for kind in journal.EntryKind}
    return [
        {"number": number, "kind": kind if kind in kinds else min(kinds), "step": step, "wall": 1.0, "monotonic": 1.0}
        | {"data": data}
        for number, (kind, step, data) in enumerate(told)
    ]


def chained(bodies: list[Any]) -> bytes:
    """With hashes that fit: a forger can compute them too."""
    lines, previous = [], journal._FIRST
    for body in bodies:
        whole = {**body, "previous": previous} if isinstance(body, Mapping) else {"previous": previous}
        line = journal._line(whole)
        previous = json.loads(line)["hash"]
        lines.append(line)
    return b"".join(lines)


def known(path: Path) -> None:
    found = journal.read_journal(path)
    journal.unfenced(journal.records(found))
    journal.end_of(found)


def test_journals_with_hashes_that_fit(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    for chance in seeds():
        bodies = changed_value(entries(), chance)
        path.write_bytes(chained(bodies if isinstance(bodies, list) else []))
        survives(lambda: known(path))


def test_journals(tmp_path: Path) -> None:
    """Without hashes that fit, nothing is read but what was written: a beginning of it, where its end was torn off."""
    path = tmp_path / "journal.jsonl"
    whole = chained(entries())
    path.write_bytes(whole)
    known(path)
    written = journal.read_journal(path)
    for chance in seeds():
        path.write_bytes(changed_bytes(whole, chance))
        survives(lambda: known(path))
        read = survives(lambda: journal.read_journal(path))
        assert read is None or read == written[: len(read)]


def test_manifests_of_evidence() -> None:
    evidence = read_evidence(PACKED)
    plain = json.loads((evidence.folder / "manifest.json").read_text("utf-8"))
    for chance in seeds():
        text = json.dumps(changed_value(plain, chance))
        survives(lambda text=text: from_text(text, "manifest.json"))  # type: ignore[misc]
        text = changed_text(json.dumps(plain), chance)
        survives(lambda text=text: from_text(text, "manifest.json"))  # type: ignore[misc]


def test_timelines_of_evidence(tmp_path: Path) -> None:
    evidence = read_evidence(PACKED)
    lines = [json.loads(line) for line in (evidence.folder / "timeline.jsonl").read_text("utf-8").splitlines()]
    path = tmp_path / "timeline.jsonl"

    def told() -> None:
        events = read_events(path)
        step_runs(events)
        milestones(events, evidence.manifest)

    for chance in seeds():
        some = changed_value(lines, chance)
        path.write_text("\n".join(json.dumps(line) for line in some), "utf-8")
        survives(told)


def test_packed_evidence(tmp_path: Path) -> None:
    content, numbers = PACKED.read_bytes(), count()
    for chance in seeds():
        path = tmp_path / f"{next(numbers)}.evidence"
        path.write_bytes(changed_bytes(content, chance))
        survives(lambda path=path: read_evidence(path))  # type: ignore[misc]
        assert check_chain(path) or path.read_bytes() == content


def chained_lines(path: Path, bodies: Any) -> None:
    path.unlink(missing_ok=True)
    previous = FIRST
    for body in bodies if isinstance(bodies, list) else []:
        previous = append_line(path, previous, body if isinstance(body, Mapping) else {"odd": body})


def test_registers_and_campaigns_with_hashes_that_fit(tmp_path: Path) -> None:
    record = CampaignRecord.open(
        tmp_path / "honest", CampaignSeries("a/b", "region-loss", "quick", "region", ("api",)), 2
    )
    record.ended(record.begun(1), "1" * 64)
    record.close()
    (register,) = (tmp_path / "honest").glob("*.register")
    for kind, read in (("x.campaign", read_campaign), ("x.register", read_register)):
        honest = record.path if kind == "x.campaign" else register
        bodies = [json.loads(line) for line in honest.read_text().splitlines()]
        bodies = [{key: each for key, each in body.items() if key not in ("previous", "hash")} for body in bodies]
        chained_lines(tmp_path / kind, bodies)
        read(tmp_path / kind)
        for chance in seeds():
            changed = changed_value(bodies, chance)
            with suppress(ValueError):  # what no JSON holds cannot be written
                chained_lines(tmp_path / kind, changed)
            if (tmp_path / kind).exists():
                survives(lambda read=read, kind=kind: read(tmp_path / kind))  # type: ignore[misc] # bound here
