"""An approval and what it was given for: changed options, another procedure, another plan; journals with no place."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve
from fake_world import FakeWorld
from odd_world import AWAY, HOME, SUPER, failover_of, layout, step_of, told_by

from secondsite.model.errors import InputError, MachineError
from secondsite.model.fault import Fault
from secondsite.model.operate import PathHeader, WritePath
from secondsite.model.procedure import Verb
from secondsite.operate.action import ManualContext
from secondsite.operate.actions.manual import create_cluster
from secondsite.operate.actions.quorum import Elect
from secondsite.operate.approval import approve, check_bound, check_same, is_approved, lifted
from secondsite.operate.http_path import client_path
from secondsite.operate.journal import EntryKind, Journal, archive, write_copy
from secondsite.operate.plan import make_plan, plan_json, procedure_hash
from secondsite.strategies.design import Kit


@pytest.fixture
def world(kit: Kit) -> FakeWorld:
    found = FakeWorld(layout(kit), set())
    found.bound = {"servers": "ours", "commands": "none"}
    return found


@pytest.fixture
def journal(world: FakeWorld, kit: Kit, tmp_path: Path) -> Iterator[Journal]:
    procedure = failover_of(world.deployment, kit)
    plan = {"hash": "planned", "bound": dict(world.bound), "procedure": procedure.name}
    with Journal(tmp_path / "failover.jsonl", world.clock) as found:
        found.append(EntryKind.PLAN, "", plan | {"procedure_hash": procedure_hash(procedure)})
        yield found


def test_other_options_than_those_approved_are_approved_by_a_token(world: FakeWorld, journal: Journal) -> None:
    """It is written down once; options that change again need another."""
    check_bound(world, journal, "")
    world.bound = {"servers": "others", "commands": "none"}
    with pytest.raises(InputError, match="this differs from the approved plan: servers changed") as error:
        check_bound(world, journal, "planned")
    remedy = error.value.problems[0].remedy
    token = remedy.rpartition(" ")[2]
    assert str(error.value.problems[0].place) == str(journal.path)
    assert len(journal.entries) == 1
    check_bound(world, journal, token)
    check_bound(world, journal, "")
    assert [entry.data for entry in journal.entries[1:]] == [{"approved": token, "bound": world.bound}]
    world.bound = {"servers": "others", "commands": "some"}
    with pytest.raises(InputError, match="commands changed"):
        check_bound(world, journal, token)


def test_another_procedure_is_not_gone_on_with(world: FakeWorld, journal: Journal, kit: Kit) -> None:
    procedure = failover_of(world.deployment, kit)
    check_same(procedure, journal)
    with pytest.raises(InputError, match="this journal belongs to another procedure") as error:
        check_same(evolve(procedure, steps=procedure.steps[1:]), journal)
    assert "same system file and strategy" in error.value.problems[0].remedy


def test_another_fault_than_it_was_begun_for_is_named(world: FakeWorld, journal: Journal, kit: Kit) -> None:
    """Whoever resumes types the fault again, or forgets to: the procedures of two faults may have one name."""
    gray, lost = (failover_of(world.deployment, kit, fault) for fault in (Fault.GRAY, Fault.REGION))
    assert gray.name == lost.name
    begun = Journal(journal.path.with_name("gray.jsonl"), world.clock)
    with begun:
        plan = asyncio.run(make_plan(gray, world.deployment, world))
        begun.append(EntryKind.PLAN, "", plan_json(plan))
        check_same(gray, begun)
        with pytest.raises(InputError, match="this operation was begun with --fault gray, not region") as error:
            check_same(lost, begun)
    assert error.value.problems[0].remedy == "give --fault gray"


def test_only_the_plan_that_runs_or_what_it_asks_is_approved(world: FakeWorld, journal: Journal) -> None:
    with pytest.raises(InputError, match="the running plan is planned, not yesterday's") as error:
        approve(journal, "yesterday's")
    assert str(error.value.problems[0].place) == "--approve"
    assert not is_approved(journal.entries)
    journal.append(EntryKind.NOTE, "fence", {"asks": "more"})
    approve(journal, "more")
    assert not is_approved(journal.entries)
    approve(journal, "planned")
    assert is_approved(journal.entries)


def test_who_lifted_a_guard_is_written_down_once(world: FakeWorld, journal: Journal) -> None:
    assert lifted(world, journal, frozenset({"clock"})) == {"clock"}
    assert lifted(world, journal, frozenset({"clock"})) == {"clock"}
    assert lifted(world, journal, frozenset({"unfenced"})) == {"clock", "unfenced"}
    notes = [entry.data for entry in journal.entries[1:]]
    assert notes == [{"allowed": ["clock"], "who": "tester"}, {"allowed": ["unfenced"], "who": "tester"}]


def test_a_journal_has_one_controller_and_one_content(world: FakeWorld, journal: Journal) -> None:
    with pytest.raises(MachineError, match="another controller is using this journal"):
        Journal(journal.path, world.clock)
    free = journal.path.parent / "copy.jsonl"
    plain = [{**_plain(journal), "kind": "plan"}]
    write_copy(free, plain)
    held = free.read_bytes()
    with pytest.raises(MachineError, match="a journal exists here already"):
        write_copy(free, plain)
    assert free.read_bytes() == held


def _plain(journal: Journal) -> dict[str, object]:
    (entry,) = journal.entries
    keys = ("number", "kind", "step", "wall", "monotonic", "data", "previous", "hash")
    return {key: getattr(entry, key) for key in keys}


def test_a_journal_without_a_place_says_where_to_name_one(world: FakeWorld, journal: Journal) -> None:
    (journal.path.parent / "file").write_text("")
    with pytest.raises(MachineError, match="the journal cannot be opened") as error:
        Journal(journal.path.parent / "file" / "journal", world.clock)
    assert "--journal" in error.value.problems[0].remedy
    (journal.path.parent / "operations").write_text("in the way")
    with pytest.raises(MachineError, match="cannot be archived") as archived:
        archive(journal)
    assert told_by(archived)[1] == "free space there, or move it away"
    assert journal.path.exists()


def test_a_secret_that_leads_nowhere_is_named_and_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SECONDSITE_NO_SUCH", raising=False)
    (tmp_path / "token").write_text("  Bearer x \n")
    token = PathHeader("Authorization", f"file:{tmp_path}/token")
    assert client_path(WritePath("http://x", headers=(token,))).headers == {"Authorization": "Bearer x"}
    for value, told in (("env:SECONDSITE_NO_SUCH", "is not set"), (f"file:{tmp_path}/none", "cannot be read")):
        with pytest.raises(InputError, match=told) as error:
            client_path(WritePath("http://x", headers=(PathHeader("Authorization", value),)))
        assert str(error.value.problems[0].place) == "operate.path.headers.Authorization"


@pytest.mark.parametrize(
    ("provider", "begins"),
    [
        ("aws", "eksctl create cluster --name"),
        ("gcp", "gcloud container clusters create"),
        ("azure", "az aks create --name"),
        ("metal", "# create the cluster"),
    ],
)
def test_a_cluster_is_made_by_its_providers_own_command(kit: Kit, provider: str, begins: str) -> None:
    deployment = layout(kit)
    procedure = failover_of(deployment, kit)
    sites = tuple(evolve(one, region=evolve(one.region, provider=provider)) for one in deployment.sites)
    deployment = evolve(deployment, sites=sites)
    context = ManualContext(deployment, procedure, AWAY, Fault.REGION)
    first, second = create_cluster(context, evolve(procedure.steps[0], region=AWAY))
    assert first.startswith(begins)
    assert AWAY in first
    assert HOME not in first
    assert second == 'kubectl apply -k "$MANIFESTS"'


def test_leaders_are_asked_for_by_the_copys_own_name(kit: Kit) -> None:
    deployment = layout(kit, SUPER)
    procedure = failover_of(deployment, kit, Fault.REGION)
    step = evolve(step_of(procedure, Verb.PROMOTE_STREAMS), verb=Verb.ELECT, targets=("EVENTS",), region=AWAY)
    context = ManualContext(deployment, procedure, AWAY, Fault.REGION)
    held = context.family("EVENTS").at(AWAY)
    assert held
    (command,) = Elect().commands(context, step)
    assert f"STREAM.INFO.{held.name}" in command
    assert "leader" in command
