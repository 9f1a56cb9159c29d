"""What a release can do: yes, no, and unknown where nobody knows the version."""

from __future__ import annotations

import pytest

from secondsite.model.nats_release import CURRENT, Feature, Support, since, supports


@pytest.mark.parametrize(
    ("version", "feature", "support"),
    [
        ("2.11.11", Feature.PROMOTION, Support.NO),
        ("2.12.0", Feature.PROMOTION, Support.YES),
        ("v2.12.1-alpine", Feature.PROMOTION, Support.YES),
        ("2.14.6", Feature.META_RESCUE, Support.NO),
        ("2.15", Feature.META_RESCUE, Support.YES),
        ("", Feature.PROMOTION, Support.UNKNOWN),
        ("latest", Feature.META_RESCUE, Support.UNKNOWN),
    ],
)
def test_a_version_has_a_feature_or_not_or_nobody_knows(version: str, feature: Feature, support: Support) -> None:
    assert supports(version, feature) is support


@pytest.mark.parametrize("feature", Feature)
def test_the_current_release_has_all(feature: Feature) -> None:
    assert supports(CURRENT, feature) is Support.YES
    assert supports(since(feature), feature) is Support.YES
