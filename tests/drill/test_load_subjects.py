"""Every stream is written on subjects that it takes, and what was read of it is known again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from secondsite.catalogue.bundle import load_catalogue
from secondsite.discover.system_file.reading import load_system
from secondsite.drill.ledger.finals import CopyReader
from secondsite.drill.ledger.ledger import LedgerHeader, LedgerStream
from secondsite.drill.ledger.record import ANY_KEY
from secondsite.drill.load.subjects import template_of, templates_of
from secondsite.drill.play.load_streams import load_streams
from secondsite.drill.play.setup import make_setup
from secondsite.model.errors import InputError
from secondsite.model.settings import Settings
from secondsite.model.strategy import Strategy

SYSTEMS = Path(__file__).parent.parent / "cases" / "systems"
PATTERNS = st.lists(st.sampled_from(["orders", "eu", "*"]), min_size=1, max_size=4).flatmap(
    lambda words: st.sampled_from([".".join(words), ".".join([*words, ">"])])
)


def matches(subject: str, pattern: str) -> bool:
    """By the grammar of NATS."""
    expression = re.escape(pattern).replace(r"\*", r"[^.]+")
    return re.fullmatch(re.sub(r">$", ".+", expression), subject) is not None


@pytest.mark.parametrize(
    ("pattern", "template"),
    [
        ("orders.>", "orders.load.{key}"),
        ("jobs.*", "jobs.{key}"),
        ("orders.*.created", "orders.{key}.created"),
        ("a.*.b.*", "a.load.b.{key}"),
        ("a.*.>", "a.load.load.{key}"),
        ("jobs.new", "jobs.new"),
        (">", "load.{key}"),
        ("$KV.flags.>", "$KV.flags.load.{key}"),
    ],
)
def test_a_subject_is_made_to_match(pattern: str, template: str) -> None:
    assert template_of(pattern) == template


@given(st.lists(PATTERNS, min_size=1, max_size=3), st.integers(0, 999_999), st.booleans())
def test_what_is_written_matches_and_is_known_again(patterns: list[str], key: int, prefixed: bool) -> None:  # drawn
    templates = templates_of(patterns)
    header = LedgerHeader("r", 0, (LedgerStream("S", templates[0], templates=templates),))
    subject = header.subject(0, key)
    assert any(matches(subject, pattern) for pattern in patterns)
    reader = CopyReader("r", "S", "here", templates[0], prefixed=prefixed, templates=templates)
    reader.take(header.message_id(0), 1, subject, b"x")
    reader.take(header.message_id(1), 2, f"elsewhere.and.{subject}", b"x")
    rows = reader.finished(complete=True).rows
    assert rows["subject"][0] == 0
    assert rows["key"][0] in (key, ANY_KEY)
    assert rows["subject"][1] != 0 or prefixed or any(">" not in each and "{key}" in each for each in templates)


@pytest.mark.parametrize("case", sorted(SYSTEMS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_stream_and_bucket_of_a_system_is_written_to(case: Path) -> None:
    system = load_system(case)
    strategy = Strategy.parse("warm-standby/leafnode-mirror")
    setup = make_setup(system, load_catalogue(), strategy, nats_version="2.15.1")
    streams = {stream.name: stream for cluster in system.nats for stream in cluster.streams}
    loaded = {stream.name: stream for stream in load_streams(setup)}
    assert set(loaded) == set(streams)
    for name, load in loaded.items():
        patterns = streams[name].subjects or ("$KV.sessions.>",)
        written = {load.of_key(key) for key in range(10)}
        assert all(any(matches(subject, pattern) for pattern in patterns) for subject in written)
        assert all(any(matches(subject, pattern) for subject in written) for pattern in patterns)


def test_what_takes_no_plain_write_is_said() -> None:
    system = load_system(SYSTEMS / "exact-subject.yaml")
    counter = Settings({"allow_msg_counter": True})
    clusters = (evolve(c, streams=tuple(evolve(s, settings=counter) for s in c.streams)) for c in system.nats)
    counting = evolve(system, nats=tuple(clusters))
    setup = make_setup(
        counting, load_catalogue(), Strategy.parse("warm-standby/leafnode-mirror"), nats_version="2.15.1"
    )
    with pytest.raises(InputError, match="accepts a plain write"):
        load_streams(setup)
