"""Streams and consumers drawn from every field that nats-server 2.10 to 2.15 knows, a few at a time.

What a server refuses of them is no stream that anybody has; the rest is.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

Json = dict[str, Any]
Drawn = Mapping[str, st.SearchStrategy[Any]]

SECOND = 1_000_000_000
COUNTS, DURATIONS = st.integers(1, 2**31), st.integers(SECOND, 10**16)
WORDS = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF), min_size=1, max_size=12)
METADATA = st.dictionaries(st.from_regex(r"[a-z]{1,6}", fullmatch=True), WORDS, min_size=1, max_size=2)
TRUE = st.just(True)

STREAM_FEATURES: tuple[Drawn, ...] = (
    {"max_age": DURATIONS},
    {"max_bytes": st.integers(2**20, 2**40)},
    {"max_msgs": COUNTS, "discard": st.sampled_from(["old", "new"])},
    {"max_msgs_per_subject": COUNTS},
    {"max_msgs_per_subject": COUNTS, "discard": st.just("new"), "discard_new_per_subject": TRUE},
    {"max_msg_size": st.integers(2**12, 2**23)},
    {"max_consumers": st.integers(20, 2**20)},
    {"duplicate_window": st.integers(SECOND, 10 * SECOND)},
    {"storage": st.sampled_from(["file", "memory"])},
    {"compression": st.just("s2")},
    {"no_ack": TRUE},
    {"deny_delete": TRUE, "deny_purge": st.booleans()},
    {"allow_rollup_hdrs": TRUE, "allow_direct": st.booleans()},
    {"first_seq": st.integers(2, 2**40)},
    {"description": WORDS},
    {"metadata": METADATA},
    {"retention": st.sampled_from(["limits", "interest", "workqueue"])},
    {"subject_transform": st.just({"src": "e.NAME.>", "dest": "e.NAME.kept.>"})},
    {
        "republish": st.fixed_dictionaries(
            {"src": st.just(">"), "dest": st.just("copy.NAME.>")}, optional={"headers_only": TRUE}
        )
    },
    {"consumer_limits": st.fixed_dictionaries({"inactive_threshold": st.integers(3600 * SECOND, 10**15)})},
    {"sources": st.just([{"name": "A", "filter_subject": "e.A.none"}])},
    {"allow_msg_ttl": TRUE},
    {"allow_msg_ttl": TRUE, "allow_rollup_hdrs": TRUE, "subject_delete_marker_ttl": st.integers(SECOND, 10**15)},
    {"allow_msg_counter": TRUE},
    {"allow_atomic": TRUE},
    {"allow_batched": TRUE},
    {"allow_msg_schedules": TRUE, "allow_msg_ttl": TRUE, "allow_rollup_hdrs": TRUE},
    {"persist_mode": st.just("async")},
)
CONSUMER_FEATURES: tuple[Drawn, ...] = (
    {"deliver_policy": st.sampled_from(["new", "last"])},
    {"deliver_policy": st.just("last_per_subject"), "filter_subject": st.just("e.NAME.*")},
    {"deliver_policy": st.just("by_start_sequence"), "opt_start_seq": st.integers(1, 2**20)},
    {"deliver_policy": st.just("by_start_time"), "opt_start_time": st.just("2026-01-01T00:00:00Z")},
    {"replay_policy": st.just("original")},
    {"ack_policy": st.sampled_from(["none", "all"])},
    {"ack_wait": DURATIONS},
    {"max_deliver": st.integers(1, 99)},
    {"max_deliver": st.just(9), "backoff": st.lists(st.integers(SECOND, 2**40), min_size=1, max_size=3)},
    {"max_ack_pending": st.integers(1, 99999)},
    {"max_waiting": st.integers(1, 2**20)},
    {"filter_subject": st.just("e.NAME.a")},
    {"filter_subjects": st.just(["e.NAME.a", "e.NAME.b.>"])},
    {"inactive_threshold": st.integers(3600 * SECOND, 10**15)},
    {"headers_only": TRUE},
    {"max_batch": COUNTS, "max_expires": DURATIONS, "max_bytes": COUNTS},
    {"mem_storage": TRUE},
    {"num_replicas": st.just(1)},
    {"sample_freq": st.sampled_from(["10", "100%"])},
    {"description": WORDS},
    {"metadata": METADATA},
    {"pause_until": st.just("2099-01-01T00:00:00Z")},
    {"priority_policy": st.just("overflow"), "priority_groups": st.just(["a"])},
    {
        "priority_policy": st.just("pinned_client"),
        "priority_groups": st.just(["a"]),
        "priority_timeout": st.integers(SECOND, 10**12),
    },
    {"priority_policy": st.just("prioritized"), "priority_groups": st.just(["a"])},
    {
        "deliver_subject": st.just("to.NAME"),
        "deliver_group": st.just("g"),
        "flow_control": st.just(False),
        "rate_limit_bps": COUNTS,
    },
    {"deliver_subject": st.just("to.NAME"), "flow_control": TRUE, "idle_heartbeat": st.integers(SECOND, 2**36)},
)


def _some(features: tuple[Drawn, ...], most: int) -> st.SearchStrategy[Json]:
    chosen = st.lists(st.sampled_from(range(len(features))), unique=True, max_size=most)
    return chosen.flatmap(
        lambda which: st.fixed_dictionaries(dict(pair for each in which for pair in features[each].items()))
    )


def drawn(
    count: int,
    taken: Callable[[Json, list[Json]], Coroutine[Any, Any, None]],
    run: Callable[[Coroutine[Any, Any, None]], None],
) -> None:
    """Hands so many streams, each with its consumers, to ``taken``: the same ones every time, each of its own name."""
    numbers = iter(range(count * 10))

    @settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(_some(STREAM_FEATURES, 4), st.lists(_some(CONSUMER_FEATURES, 3), max_size=2))
    def draw(stream: Json, consumers: list[Json]) -> None:
        name = f"D{next(numbers)}"
        config = {"name": name, "subjects": [f"e.{name}.>"], **_named(stream, name)}
        made = [{"durable_name": f"c{n}", "ack_policy": "explicit", **_named(c, name)} for n, c in enumerate(consumers)]
        run(taken(config, made))

    draw()


def _named(config: Any, name: str) -> Any:
    if isinstance(config, dict):
        return {key: _named(value, name) for key, value in config.items()}
    if isinstance(config, list):
        return [_named(each, name) for each in config]
    return config.replace("NAME", name) if isinstance(config, str) else config
