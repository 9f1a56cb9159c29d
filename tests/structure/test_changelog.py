"""Changes stand in groups, each in the part of the tool that a reader looks for."""

from __future__ import annotations

import re
from pathlib import Path

CHANGES = Path(__file__).parents[2] / "CHANGELOG.md"
GROUPS = (
    "Discover and audit",
    "Evaluate and publish",
    "Drill and verify",
    "Operate: failover, failback, watch, gate",
    "Back up, archive and restore",
    "Render and rights",
    "Everything else",
)


def groups(text: str) -> dict[str, list[str]]:
    """The entries of each group of the first release; of none, those before the first heading."""
    release = re.split(r"^## ", text, flags=re.MULTILINE)[1]
    head, *parts = re.split(r"^### ", release, flags=re.MULTILINE)
    found = {"": re.findall(r"^- .*", head, flags=re.MULTILINE)}
    for part in parts:
        name, _, body = part.partition("\n")
        assert name not in found, f"{name} stands twice"
        found[name] = re.findall(r"^- .*", body, flags=re.MULTILINE)
    return found


def test_every_change_stands_in_a_group() -> None:
    found = groups(CHANGES.read_text("utf-8"))
    assert found.pop("") == []
    assert set(found) <= set(GROUPS)
    assert list(found) == [name for name in GROUPS if name in found], "in their order"
    assert [name for name, entries in found.items() if not entries] == []


def test_a_change_outside_of_the_groups_is_seen() -> None:
    found = groups(
        "# Changes\n\n## Unreleased\n\n- one\n\n### Render and rights\n\n- two\n  more of it\n\n## 0.1\n\n- old\n"
    )
    assert found == {"": ["- one"], "Render and rights": ["- two"]}


def test_no_entry_stands_twice() -> None:
    entries = [one for each in groups(CHANGES.read_text("utf-8")).values() for one in each]
    assert len(entries) > 200
    assert sorted({one for one in entries if entries.count(one) > 1}) == []
