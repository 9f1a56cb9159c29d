from __future__ import annotations

from collections.abc import Callable

import pytest
from attrs import evolve

from secondsite.catalogue.bundle import Catalogue
from secondsite.evaluate.latency import latency
from secondsite.model.deployment import Deployment, PlacedService, Site, SiteRole
from secondsite.model.errors import InputError
from secondsite.model.load import Population
from secondsite.model.region import Region
from secondsite.model.strategy import Link, Pattern, Strategy, Switch
from secondsite.model.system import System
from secondsite.model.units import Seconds

Lay = Callable[..., Deployment]


def stretched(lay: Lay, pattern: Pattern) -> Deployment:
    base = lay(strategy=Strategy(pattern, Link.STRETCH))
    third = Site(Region("aws", "us-east-2"), SiteRole.WITNESS, (PlacedService("nats", 1),), control_plane=False)
    return evolve(base, sites=(*base.sites, third))


def test_one_population_sees_its_round_trip_and_the_jitter(
    single_region: Lay, kgents: System, catalogue: Catalogue
) -> None:
    users = (Population("eu-central-1", 1.0),)
    figures = latency(single_region(evolve(kgents, users=users)), catalogue)
    trip = catalogue.round_trips.between("aws", "us-east-1", "eu-central-1").mean
    assert figures.user_p50_ms.mean == pytest.approx(trip, rel=1e-3)
    assert figures.user_p99_ms.mean == pytest.approx(trip * 1.5, rel=1e-3)


def test_users_go_to_the_nearest_region_that_serves(warm_standby: Lay, kgents: System, catalogue: Catalogue) -> None:
    users = (Population("us-east-1", 0.6), Population("us-west-1", 0.4))
    waiting = warm_standby(evolve(kgents, users=users))
    home, standby = waiting.sites
    active = evolve(waiting, sites=(home, evolve(standby, role=SiteRole.ACTIVE)))
    far = catalogue.round_trips.between("aws", "us-west-1", "us-east-1").mean
    near = catalogue.round_trips.between("aws", "us-west-1", "us-west-2").mean
    assert latency(waiting, catalogue).user_p99_ms.mean > far
    assert latency(active, catalogue).user_p99_ms.mean < near * 1.5 < far


def test_the_p99_of_a_mixture_by_hand(single_region: Lay, kgents: System, catalogue: Catalogue) -> None:
    """Half the users far: the p99 of all is the p98 of theirs."""
    users = (Population("us-east-1", 2.0), Population("eu-central-1", 2.0))
    figures = latency(single_region(evolve(kgents, users=users)), catalogue)
    trip = catalogue.round_trips.between("aws", "us-east-1", "eu-central-1").mean
    assert figures.user_p99_ms.mean == pytest.approx(trip * 1.5 ** (2.0537 / 2.3263), rel=1e-3)


def test_a_local_publish(single_region: Lay, catalogue: Catalogue) -> None:
    figures = latency(single_region(), catalogue)
    assert figures.publish_p50_ms.mean == pytest.approx(0.46 + 0.7 * 5 / 3)
    assert figures.publish_p99_ms.mean == pytest.approx(2.2 * figures.publish_p50_ms.mean)


def test_sync_always_and_one_zone(single_region: Lay, kgents: System, catalogue: Catalogue) -> None:
    always = tuple(evolve(cluster, sync_interval_s=Seconds(0)) for cluster in kgents.nats)
    one_zone = evolve(kgents, region=Region("aws", "us-east-1", zones=1), nats=always)
    assert latency(single_region(one_zone), catalogue).publish_p50_ms.mean == pytest.approx(1.07)


def test_a_stretched_publish_waits_for_the_nearest_peer(warm_standby: Lay, catalogue: Catalogue) -> None:
    figures = latency(stretched(warm_standby, Pattern.WARM_STANDBY), catalogue)
    near = catalogue.round_trips.between("aws", "us-east-1", "us-east-2").mean
    far = catalogue.round_trips.between("aws", "us-east-1", "us-west-2").mean
    across = catalogue.round_trips.between("aws", "us-west-2", "us-east-2").mean
    assert near < across < far
    assert figures.publish_p50_ms.mean == pytest.approx(2.5 + near)
    assert figures.publish_p99_ms.mean == pytest.approx(1.5 * (2.5 + far + across))


def test_where_all_regions_write_most_writers_are_away_from_the_leader(warm_standby: Lay, catalogue: Catalogue) -> None:
    figures = latency(stretched(warm_standby, Pattern.ACTIVE_ACTIVE), catalogue)
    near = catalogue.round_trips.between("aws", "us-east-1", "us-east-2").mean
    assert figures.publish_p50_ms.mean == pytest.approx(2.5 + 2 * near), "twice, as measured from another region"


def test_mirrors_and_sources_do_not_slow_a_publish(single_region: Lay, warm_standby: Lay, catalogue: Catalogue) -> None:
    local = latency(single_region(), catalogue).publish_p50_ms
    for link in (Link.LEAFNODE_MIRROR, Link.SUPERCLUSTER_MIRROR_WITNESS, Link.SOURCED, Link.BACKUP):
        one = warm_standby(strategy=Strategy(Pattern.WARM_STANDBY, link))
        assert latency(one, catalogue).publish_p50_ms.mean == local.mean


def test_the_other_active_region_publishes_across_to_a_mirrored_stream(warm_standby: Lay, catalogue: Catalogue) -> None:
    def p99(link: Link) -> float:
        base = warm_standby(strategy=Strategy(Pattern.ACTIVE_ACTIVE, link))
        home, other = base.sites
        both = evolve(base, sites=(home, evolve(other, role=SiteRole.ACTIVE)))
        return latency(both, catalogue).publish_p99_ms.mean

    across = 1.5 * catalogue.round_trips.between("aws", "us-east-1", "us-west-2").mean
    assert p99(Link.SUPERCLUSTER_MIRROR_WITNESS) - p99(Link.SOURCED) == pytest.approx(across)


def test_a_managed_publish_leaves_the_network(single_region: Lay, catalogue: Catalogue) -> None:
    figures = latency(single_region(managed_plan="synadia"), catalogue)
    assert figures.publish_p50_ms.mean == pytest.approx(0.46 + 4.0)


def test_users_from_nowhere_known_are_an_error(single_region: Lay, kgents: System, catalogue: Catalogue) -> None:
    lost = single_region(evolve(kgents, users=(Population("atlantis-1", 1.0),)))
    with pytest.raises(InputError, match=r"add-rtt atlantis-1 us-east-1 MS"):
        latency(lost, catalogue)


def test_weighted_records_send_users_near_and_far(warm_standby: Lay, kgents: System, catalogue: Catalogue) -> None:
    """Half of them across the continent, wherever they are; DNS failover keeps them at home."""
    users = (Population("us-east-1", 1.0),)
    waiting = warm_standby(evolve(kgents, users=users))
    home, standby = waiting.sites
    weights = Strategy(Pattern.ACTIVE_ACTIVE, Link.SOURCED, Switch.WEIGHTED)
    active = evolve(waiting, strategy=weights, sites=(home, evolve(standby, role=SiteRole.ACTIVE)))
    nearest = evolve(active, strategy=evolve(weights, switch=Switch.DNS))
    far = catalogue.round_trips.between("aws", "us-east-1", "us-west-2").mean
    figures = latency(active, catalogue)
    # Half are far: the p99 of all is the p98 of theirs.
    assert figures.user_p99_ms.mean == pytest.approx(far * 1.5 ** (2.0537 / 2.3263), rel=1e-3)
    assert latency(nearest, catalogue).user_p99_ms.mean < far
    assert figures.user_after_p50_ms.mean == pytest.approx(far, rel=1e-3)


def test_after_the_loss_users_go_to_what_is_left(
    single_region: Lay, warm_standby: Lay, kgents: System, catalogue: Catalogue
) -> None:
    users = (Population("eu-central-1", 1.0),)
    assert latency(single_region(evolve(kgents, users=users)), catalogue).user_after_p50_ms.unbounded
    waiting = warm_standby(evolve(kgents, users=users))
    there = catalogue.round_trips.between("aws", "eu-central-1", "us-west-2").mean
    assert latency(waiting, catalogue).user_after_p50_ms.mean == pytest.approx(there, rel=1e-3)


def test_active_active_with_one_region_that_serves_publishes_at_home(warm_standby: Lay, catalogue: Catalogue) -> None:
    """The price of publishing across is paid by the other serving regions only, and only where there are any."""
    lone = warm_standby(strategy=Strategy(Pattern.ACTIVE_ACTIVE, Link.LEAFNODE_MIRROR))
    home, standby = lone.sites
    both = evolve(lone, sites=(home, evolve(standby, role=SiteRole.ACTIVE)))
    alone = latency(lone, catalogue).publish_p99_ms.mean
    assert alone == pytest.approx(latency(warm_standby(), catalogue).publish_p99_ms.mean)
    across = catalogue.round_trips.between("aws", "us-east-1", "us-west-2").mean * 1.5
    assert latency(both, catalogue).publish_p99_ms.mean == pytest.approx(alone + across)
