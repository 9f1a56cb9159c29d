"""Estimates as people read them."""

from __future__ import annotations

from reported import drilled

from secondsite.model.contract import Subject
from secondsite.model.estimate import Estimate, Fixed, Lognormal, Provenance, Quantiles, fixed, unbounded
from secondsite.model.measurement import DataLoss
from secondsite.model.wording import duration
from secondsite.publish.content.measured_words import rpo_words
from secondsite.publish.text.figure import figure, made_of
from secondsite.publish.text.nonbreaking import quantity


def test_a_spread_is_given_in_one_unit() -> None:
    spread = Estimate("rto", "s", Quantiles(197.1, 1797.0, 3433.0, 1800.0), Provenance.DERIVED, "simulated")
    assert figure(spread).span == "3.28\u00a0– 57.2\u00a0min"
    assert figure(fixed("rto", 5, "s", "counted")).span == ""


def test_the_mean_is_shown_where_it_is_asked_for() -> None:
    skewed = Estimate("downtime", "min", Quantiles(0.5, 1.3, 100.0, 21.0), Provenance.DERIVED, "simulated")
    assert (figure(skewed).order, figure(skewed, mean=True).order) == (1.3, 21.0)


def test_a_figure_is_as_sure_as_the_weakest_it_is_made_of() -> None:
    measured = Estimate("election", "s", Fixed(4), Provenance.MEASURED, "drill 12")
    assumed = Estimate("dns", "s", Lognormal.between(2, 60), Provenance.ASSUMED, "experience", (0.5, 2.0), "dig")
    both = Estimate("rto", "s", Fixed(9), Provenance.DERIVED, "sum", formula="a + b", inputs=(measured, assumed))
    assert figure(measured).basis is Provenance.MEASURED
    assert figure(both).basis is Provenance.ASSUMED
    assert figure(both).note == "derived: a + b; from 1 measured, 1 assumed"
    assert figure(assumed).note == "assumed: experience; range × 0.5 to × 2; to settle it: dig"


def test_unbounded_says_why_from_the_input_to_blame() -> None:
    quote = unbounded("plan", "USD", "by quote only")
    bill = Estimate(
        "bill", "USD/month", None, Provenance.DERIVED, "73; by quote only", inputs=(fixed("a", 1, "", "a"), quote)
    )
    shown = figure(bill)
    assert (shown.text, shown.note, shown.unbounded) == ("unbounded", "unbounded: by quote only", True)


def test_the_last_digits_of_an_order_are_no_part_of_a_page() -> None:
    one, other = (made_of("15.1", "sum", order) for order in (15.070041518185272, 15.070041518722526))
    assert one == other


def test_a_line_may_break_where_a_unit_says_of_what_or_per_what() -> None:
    """Held together as one word, ``share of region losses`` made a table wider than its page."""
    assert quantity(0.02, "share of region losses") == "0.02\u00a0share of region losses"
    assert quantity(3.0, "per site and year") == "3 per site and year"


def test_what_a_store_lost_is_told_in_commits_and_what_a_stream_lost_in_messages() -> None:
    lost = DataLoss(2, 512, 0.0613)
    assert rpo_words(drilled(subject=Subject.STATE, loss=lost), duration) == "RPO 61.3 ms, 2 commits, 512 bytes"
    saved = drilled(subject=Subject.STATE, loss=lost, production_loss_s=1799.0)
    assert rpo_words(saved, duration).startswith("RPO 61.3 ms (projected: 29 min 59 s), 2 commits")
    assert rpo_words(drilled(subject=Subject.NATS, loss=lost), duration) == "RPO 61.3 ms, 2 messages, 512 bytes"
    nothing = DataLoss(0, 0, 0.0)
    assert rpo_words(drilled(subject=Subject.STATE, loss=nothing), duration) == "RPO 0 s, 0 commits"
    assert rpo_words(drilled(subject=Subject.STATE, loss=None), duration) == ""
