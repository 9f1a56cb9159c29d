"""What is missing is named so that the command works where secondsite runs: in a clone, and where there is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from secondsite.extras import requirement

HERE = Path("/home/ann/secondsite")


@pytest.mark.parametrize(
    ("origin", "typed"),
    [
        ({}, "'secondsite[lab]'"),
        ({"url": "file:///home/ann/secondsite", "dir_info": {}}, "'.[lab]'"),
        ({"url": "file:///home/ann/secondsite", "dir_info": {"editable": True}}, "-e '.[lab]'"),
        ({"url": "file:///srv/second%20site", "dir_info": {}}, "'/srv/second site[lab]'"),
        ({"url": "file:///tmp/s-1.whl", "archive_info": {}}, "'secondsite[lab] @ file:///tmp/s-1.whl'"),
        (
            {"url": "https://git.example/s.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
            "'secondsite[lab] @ git+https://git.example/s.git@abc'",
        ),
    ],
)
def test_an_extra_is_asked_for_where_secondsite_came_from(origin: dict[str, object], typed: str) -> None:
    assert requirement("lab", json.dumps(origin) if origin else "", HERE) == typed


def test_pip_takes_what_is_named(tmp_path: Path) -> None:
    """Of the forms with a name, by the grammar that pip parses requirements with."""
    from packaging.requirements import Requirement

    archive = json.dumps({"url": "file:///tmp/s-1.whl", "archive_info": {}})
    for origin in ("", archive):
        parsed = Requirement(requirement("lab", origin, tmp_path).strip("'"))
        assert (parsed.name, parsed.extras) == ("secondsite", {"lab"})
