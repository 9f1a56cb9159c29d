"""A stream is often copied from what the server prints: its words are told what they are called in the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from secondsite.discover.system_file.reading import load_system
from secondsite.model.errors import InputError


@pytest.mark.parametrize(
    ("written", "remedy"),
    [
        ("max_bytes: 1Gi", "write it as `max`"),
        ("max_msgs_per_subject: 5", "write it as `max_messages_per_subject`"),
        ("num_replicas: 3", "write it as `replicas`"),
        ("deny_purge: true", "write it under `settings`, as `settings: {deny_purge: ...}`"),
        ("allow_direct: true", "write it under `settings`, as `settings: {allow_direct: ...}`"),
        ("retentoin: limits", "did you mean 'retention'?"),
    ],
)
def test_a_word_of_the_server_is_told_its_place(tmp_path: Path, written: str, remedy: str) -> None:
    file = tmp_path / "secondsite.yaml"
    head = "schema: secondsite/system/1\nname: shop\nregion: {provider: aws, name: us-east-1}\n"
    file.write_text(f"{head}nats:\n  - name: nats\n    streams:\n      - name: A\n        {written}\n")
    with pytest.raises(InputError) as told:
        load_system(file)
    assert [problem.remedy for problem in told.value.problems] == [remedy]
