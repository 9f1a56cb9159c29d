"""What the lab has none of stands between a quick run and a verdict: machines, bulk data, people, backup intervals."""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import evolve
from drilled import API, MANIFEST, NATS, PRODUCTION, QUICK, Scenario, leave

from secondsite.catalogue.bundle import load_catalogue
from secondsite.drill.evidence.folder import read_evidence
from secondsite.drill.evidence.manifest import DrillManifest
from secondsite.drill.evidence.rehearsal import Unrehearsed, as_rehearsed, unrehearsed
from secondsite.drill.verdict.judge import judge
from secondsite.drill.verdict.judgement import RunVerdict
from secondsite.drill.verdict.projection import projected_loss_s
from secondsite.evaluate.assess import plan
from secondsite.model.contract import Contract, Subject, Verdict
from secondsite.model.fault import Fault
from secondsite.model.procedure import Procedure, Verb
from secondsite.model.strategy import Strategy
from secondsite.model.units import Seconds
from secondsite.strategies.compose import failover, lay_out
from secondsite.strategies.design import Kit
from secondsite.strategies.repairs import STREAMS_BACK


def _procedure(kit: Kit, strategy: str) -> Procedure:
    return failover(lay_out(Strategy.parse(strategy), kit), kit, Fault.REGION)


def test_machines_and_bulk_data_are_not_rehearsed(kit: Kit) -> None:
    found = unrehearsed(_procedure(kit, "backup-restore/backup"))
    assert found[Subject.NATS].steps[:1] == ("create-cluster",)
    assert "restore-streams" in found[Subject.NATS].steps
    assert found[Subject.NATS].seconds > kit.figures["create.cluster"].quantile(0.95)


def test_a_mirror_is_promoted_for_real_and_a_providers_dns_is_not(kit: Kit) -> None:
    found = unrehearsed(_procedure(kit, "warm-standby/leafnode-mirror"))
    assert Subject.NATS not in found
    assert "change-traffic" in found[Subject.API].steps
    assert found[Subject.API].seconds > 3600, "us-east-1 takes Route 53's control plane along"


def test_a_record_that_follows_its_health_check_asks_no_control_plane(kit: Kit) -> None:
    found = unrehearsed(_procedure(kit, "warm-standby/leafnode-mirror/failover-record"))
    assert Subject.API not in found or found[Subject.API].seconds < 120


def test_what_resolvers_add_to_the_ttl_is_not_rehearsed(kit: Kit) -> None:
    found = unrehearsed(_procedure(kit, "warm-standby/leafnode-mirror/failover-record"))[Subject.API]
    assert "converge" in found.steps
    assert found.seconds >= kit.figures["converge.beyond-ttl"].mean
    rehearsed = as_rehearsed(_procedure(kit, "warm-standby/leafnode-mirror/failover-record"))
    assert rehearsed.step("converge").duration.mean == pytest.approx(60)
    assert rehearsed.step("promote-stores").duration.mean == 0


def test_databases_that_run_are_promoted_for_real(kit: Kit) -> None:
    procedure = _procedure(kit, "warm-standby/leafnode-mirror")
    assert "promote-stores" in unrehearsed(procedure)[Subject.STATE].steps
    assert Subject.STATE not in unrehearsed(procedure, (Verb.PROMOTE_STORES,))


def test_what_servers_mend_by_themselves_is_rehearsed(kit: Kit) -> None:
    """A lost leader is replaced, and a breaker closes, in the lab as anywhere."""
    planned = plan(Strategy.parse("single-region/none/manual"), kit.system, load_catalogue())
    lost = next(p for p in planned.procedures.values() if any(s.duration.name == STREAMS_BACK for s in p.steps))
    own = next(step for step in lost.steps if step.duration.name == STREAMS_BACK)
    assert as_rehearsed(lost).step(own.id).duration == own.duration
    assert Subject.NATS not in unrehearsed(lost)


def test_what_cannot_complete_adds_no_time_and_goes_into_a_manifest(kit: Kit, tmp_path: Path) -> None:
    """The plan on paper, on servers that promote no mirror."""
    deployment = lay_out(Strategy.parse("warm-standby/supercluster-mirror"), kit, prepared=False)
    procedure = failover(deployment, kit, Fault.REGION)
    assert any(step.blocked for step in procedure.steps)
    found = unrehearsed(procedure)
    assert all(missing.seconds < 86400 for missing in found.values())
    kept = read_evidence(leave(tmp_path, Scenario(manifest=evolve(MANIFEST, unrehearsed=found)))).manifest
    assert kept.unrehearsed == found


def test_people_take_their_time(kit: Kit) -> None:
    """Who decides and who approves wait for each other; what waits for neither is not added."""
    procedure = _procedure(kit, "warm-standby/leafnode-mirror/manual")
    by_people = [step for step in procedure.steps if step.by_person]
    found = unrehearsed(procedure)
    assert {step.id for step in by_people if step.verb is Verb.DECIDE} <= set(found[Subject.API].steps)
    assert found[Subject.API].seconds > max(step.duration.quantile(0.95) for step in by_people)


def test_the_slowest_way_counts_and_ways_side_by_side_do_not_add_up(kit: Kit) -> None:
    steps = {step.id: step for step in _procedure(kit, "pilot-light/backup").steps}
    nodes, start, restore = steps["scale-services"], steps["start-services"], steps["restore-streams"]
    first, second = evolve(nodes, after=()), evolve(start, after=(nodes.id,))
    other = evolve(restore, after=())
    end = evolve(steps["verify-path"], after=(second.id, other.id))
    procedure = Procedure("p", Fault.REGION, (first, second, other, end), {Subject.API: end.id})
    missing = unrehearsed(procedure)[Subject.API]
    both = first.duration.quantile(0.95) + second.duration.quantile(0.95)
    assert missing.seconds == pytest.approx(max(both, other.duration.quantile(0.95)))
    assert missing.steps == (first.id, second.id, other.id)


def _judged(tmp_path: Path, manifest: DrillManifest, *contracts: Contract, **more: frozenset[int]) -> RunVerdict:
    scenario = Scenario(manifest=manifest, **more)  # type: ignore[arg-type] # sets of lost writes
    return judge(read_evidence(leave(tmp_path, scenario)), contracts).verdicts[0]


def test_a_limit_that_leaves_no_room_for_what_was_not_run_is_unproven(tmp_path: Path) -> None:
    missing = Unrehearsed(("create-cluster",), 3600.0)
    manifest = evolve(MANIFEST, unrehearsed={Subject.API: missing})
    found = _judged(tmp_path / "tight", manifest, API)
    assert found.verdict is Verdict.UNPROVEN
    assert found.why == "create-cluster was not carried out for real and may take 60 min; 4 min 48 s are left"
    assert _judged(tmp_path / "roomy", manifest, evolve(API, rto_s=Seconds(4000))).verdict is Verdict.MET
    took = _judged(tmp_path / "took", manifest, API).rto_s
    assert took
    to_the_point = evolve(API, rto_s=Seconds(took["total"] + missing.seconds))
    assert _judged(tmp_path / "to-the-point", manifest, to_the_point).verdict is Verdict.MET
    late = _judged(tmp_path / "late", manifest, evolve(API, rto_s=Seconds(5)))
    assert (late.verdict, late.why) == (Verdict.BREACHED, "back after 12.1 s")
    assert _judged(tmp_path / "other", manifest, NATS).verdict is Verdict.MET


def test_what_backups_carry_is_lost_by_their_own_interval(tmp_path: Path) -> None:
    """The oldest lost write was 1.06 s old, of 2 s between two backups: half an hour of an hour."""
    manifest = evolve(
        MANIFEST, profile="quick", timing=evolve(QUICK, backup_s=2.0), production=evolve(PRODUCTION, backup_s=3600.0)
    )
    lost = frozenset({190, 199})
    found = _judged(tmp_path / "backup", manifest, NATS, lost=lost)
    assert found.verdict is Verdict.BREACHED
    assert found.lost_window_s == pytest.approx(0.95 + 0.95 / 2 * 3598, rel=0.02)
    mirrored = _judged(tmp_path / "mirror", evolve(manifest, timing=QUICK, production=PRODUCTION), NATS, lost=lost)
    assert mirrored.verdict is Verdict.MET
    run_as_deployed = evolve(manifest, timing=manifest.production, profile="production")
    assert _judged(tmp_path / "own", run_as_deployed, NATS, lost=lost).verdict is Verdict.MET


def test_a_window_of_loss_is_stretched_once() -> None:
    ran, wanted = evolve(QUICK, backup_s=3.0), evolve(PRODUCTION, backup_s=300.0)
    assert projected_loss_s(0.0, ran, wanted) == 0.0
    assert projected_loss_s(3.0, ran, wanted) == 300.0
    assert projected_loss_s(4.0, ran, wanted) == 301.0
    assert projected_loss_s(4.0, QUICK, PRODUCTION) == 4.0
