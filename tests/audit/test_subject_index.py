"""The index of subjects finds what looking at each subject finds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from secondsite.audit.subjects import SubjectIndex, overlap

TOKENS = st.sampled_from(["a", "b", "c", "*"])
SUBJECTS = st.lists(TOKENS, min_size=1, max_size=3).flatmap(
    lambda tokens: st.sampled_from([".".join(tokens), ".".join([*tokens, ">"]), ">"])
)


@given(st.sets(SUBJECTS, max_size=12), SUBJECTS)
def test_it_finds_what_a_scan_finds(subjects: set[str], subject: str) -> None:
    assert set(SubjectIndex(subjects).overlapping(subject)) == {each for each in subjects if overlap(subject, each)}
