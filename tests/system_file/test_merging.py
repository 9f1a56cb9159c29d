"""Running discovery again: what a person wrote stays to the letter, what the manifests changed is taken."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import evolve

from secondsite.discover.system_file.reading import load_system
from secondsite.discover.system_file.updating import Update, apply, beside, plan
from secondsite.model.contract import Contract, Subject
from secondsite.model.errors import InputError
from secondsite.model.fault import Fault
from secondsite.model.mark import Knowledge, Mark
from secondsite.model.nats import NatsCluster, Stream
from secondsite.model.place import Place
from secondsite.model.service import Probe, Probes, Service
from secondsite.model.store import Store
from secondsite.model.system import System
from secondsite.model.units import Bytes, Seconds

READ = "  # read api.yaml:2"


@pytest.fixture
def file(tmp_path: Path, system: System) -> Path:
    path = tmp_path / "secondsite.yaml"
    apply(plan(path, system, live=False))
    return path


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert text.count(old) == 1, text
    file.write_text(text.replace(old, new))


def again(file: Path, found: System, *, live: bool = False) -> Update:
    """One more run, and the proof that yet another one changes nothing."""
    update = plan(file, found, live=live)
    apply(update)
    assert not plan(file, found, live=live).changed
    return update


def scaled(system: System, replicas: int) -> System:
    api = evolve(system.services[0], replicas=replicas)
    return evolve(system, services=(api, *system.services[1:]))


def changes(update: Update) -> list[str]:
    return [line for line in update.diff()[2:] if line[0] in "+-"]


def test_two_blocks_that_end_on_one_line_both_grow(file: Path, system: System) -> None:
    def probed(probes: Probes) -> System:
        marks = {"services.api.probes.liveness.kind": Mark(Knowledge.READ, Place("api.yaml", 9))}  # as blocks
        api = evolve(system.services[0], probes=probes)
        return evolve(system, services=(api, *system.services[1:]), marks={**system.marks, **marks})

    again(file, probed(Probes(liveness=Probe("httpGet"))))
    more = probed(Probes(startup=Probe("exec"), liveness=Probe("httpGet", failure_threshold=5)))
    again(file, more)
    assert load_system(file).services[0].probes == more.services[0].probes


def test_what_a_person_wrote_and_what_was_found_may_contradict_each_other(file: Path, system: System) -> None:
    stores = (Store("db", "redis", "postgres"),)
    again(file, evolve(system, stores=stores))
    edit(file, "engine: postgres", "engine: postgres\n    replication: archive")
    with pytest.raises(InputError) as caught:
        plan(file, evolve(system, stores=(evolve(stores[0], engine="mysql"),)), live=False)
    assert "`replication: archive` is for postgres alone, and db is mysql" in str(caught.value)


def test_nothing_new_changes_nothing(file: Path, system: System) -> None:
    before = file.read_bytes()
    assert not again(file, system).changed
    assert file.read_bytes() == before


def test_a_change_of_the_manifests_is_one_line(file: Path, system: System) -> None:
    assert changes(again(file, scaled(system, 4))) == [f"-    replicas: 2{READ}", f"+    replicas: 4{READ}"]


def test_an_edit_stays_and_tells_what_manifests_say(file: Path, system: System) -> None:
    edit(file, f"replicas: 2{READ}", f"replicas: 5{READ}")
    update = again(file, system)
    assert changes(update) == [f"-    replicas: 5{READ}", "+    replicas: 5  # yours; manifests say 2 (api.yaml:2)"]
    assert update.notes == ("services.api.replicas: kept 5; manifests say 2 (api.yaml:2)",)
    assert load_system(file).marks["services.api.replicas"].origin is Knowledge.WRITTEN


def test_where_both_changed_the_person_wins_and_is_told(file: Path, system: System) -> None:
    edit(file, f"replicas: 2{READ}", "replicas: 5")
    update = again(file, scaled(system, 3))
    assert "    replicas: 5  # yours; manifests say 3 (api.yaml:2)\n" in file.read_text()
    assert update.notes


def test_when_the_manifests_come_round_the_note_goes(file: Path, system: System) -> None:
    edit(file, f"replicas: 2{READ}", "replicas: 5")
    again(file, system)
    again(file, scaled(system, 5))
    assert f"    replicas: 5{READ}\n" in file.read_text()


def test_comments_order_and_spelling_of_a_person_stay(file: Path, system: System) -> None:
    text = file.read_text()
    text = text.replace("512Mi", "0.5Gi").replace("  - name: redis", "  # never touch\n\n  - name: redis")
    text = text.replace("    ports: [8000]", "    # the door\n    ports:  [ 8000 ]").replace(
        "mean_per_s: 40", "mean_per_s: 40.0"
    )
    file.write_text(text)
    again(file, scaled(system, 7))
    assert file.read_text() == text.replace("replicas: 2", "replicas: 7")


def test_a_comment_of_ones_own_behind_a_value_stays(file: Path, system: System) -> None:
    edit(file, f"replicas: 2{READ}", "replicas: 2  # as Ann asked")
    again(file, scaled(system, 3))
    assert "    replicas: 3  # as Ann asked\n" in file.read_text()


def test_a_confirmed_assumption_stays_confirmed(file: Path, system: System) -> None:
    edit(file, "mean_per_s: 40  # assumed: no metrics were read", "mean_per_s: 40")
    found = evolve(system, load=evolve(system.load, mean_per_s=80.0))
    assert not again(file, found).changed


def test_what_is_new_is_added_behind_what_was_there(file: Path, system: System) -> None:
    marks = {**system.marks, "services.kong": Mark(Knowledge.READ, Place("kong.yaml", 3))}
    again(file, evolve(system, services=(Service("kong"), *system.services), marks=marks))
    assert [service.name for service in load_system(file).services] == ["api", "redis", "kong"]
    assert "  - name: kong  # read kong.yaml:3\n" in file.read_text()


def test_what_vanished_is_removed_if_nobody_touched_it(file: Path, system: System) -> None:
    api = evolve(system.services[0], depends_on=())
    found = evolve(system, services=(api,))
    again(file, found)
    assert "redis" not in file.read_text()


def test_what_vanished_but_was_edited_stays(file: Path, system: System) -> None:
    edit(file, "  - name: redis  # read redis.yaml:4", "  - name: redis  # read redis.yaml:4\n    replicas: 3")
    found = evolve(system, services=(evolve(system.services[0], depends_on=()),))
    update = again(file, found)
    assert load_system(file).service("redis")
    assert any("no longer found" in note for note in update.notes)


def test_what_a_person_removed_is_not_put_back(file: Path, system: System) -> None:
    edit(file, "\n  - name: redis  # read redis.yaml:4\n", "")
    edit(file, "    depends_on: [redis]\n", "")
    update = again(file, system)
    assert not load_system(file).service("redis")
    assert any("removed by hand" in note for note in update.notes)


def test_what_only_a_person_knows_stays(file: Path, system: System) -> None:
    with file.open("a") as more:
        more.write("\n# ours\ncontracts:\n  - {subject: api, fault: region, rto: 5m}  # in the terms\n")
    before = file.read_text()
    again(file, system)
    assert file.read_text() == before
    assert load_system(file).contracts == (Contract(Subject.API, Fault.REGION, rto_s=Seconds(300)),)


def test_without_what_was_found_last_a_difference_is_a_persons(file: Path, system: System) -> None:
    beside(file).unlink()
    update = plan(file, scaled(system, 3), live=False)
    assert "    replicas: 2  # yours; manifests say 3 (api.yaml:2)" in update.after
    assert "is missing" in update.notes[0]


def test_what_a_server_told_outlives_a_run_without_it(file: Path, system: System) -> None:
    place = Mark(Knowledge.READ, Place("nats://h:4222"))
    live = evolve(
        system,
        nats=(NatsCluster("n", version="2.15.1", streams=(Stream("E", bytes=Bytes(7)),)),),
        marks={**system.marks, **dict.fromkeys(("nats.n", "nats.n.version", "nats.n.streams.E"), place)},
    )
    again(file, live, live=True)
    assert not again(file, system).changed
    assert again(file, system, live=True).changed
    assert not load_system(file).nats


def test_windows_line_ends_stay(file: Path, system: System) -> None:
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    again(file, scaled(system, 9))
    data = file.read_bytes()
    assert b"replicas: 9" in data
    assert data.count(b"\n") == data.count(b"\r\n")


@pytest.mark.parametrize("spoil", ["services: [", "nonsense: 1\n"])
def test_a_broken_file_is_left_alone(file: Path, system: System, spoil: str) -> None:
    file.write_text(file.read_text() + spoil)
    before = file.read_bytes()
    with pytest.raises(InputError):
        plan(file, scaled(system, 3), live=False)
    assert file.read_bytes() == before


def test_services_that_call_each_other_are_told_not_refused(tmp_path: Path, system: System) -> None:
    api, redis = system.services
    found = evolve(system, services=(api, evolve(redis, depends_on=("api",))))
    update = plan(tmp_path / "s.yaml", found, live=False)
    assert "api -> redis -> api" in update.notes[0] or "redis -> api -> redis" in update.notes[0]


def test_dying_while_writing_leaves_the_old_file(file: Path, system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    before = file.read_bytes()
    update = plan(file, scaled(system, 3), live=False)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", die)
    with pytest.raises(KeyboardInterrupt):
        apply(update)
    assert file.read_bytes() == before
    assert sorted(path.name for path in file.parent.iterdir()) == [".secondsite", "secondsite.yaml"]


def test_links_and_permissions_are_kept(tmp_path: Path, system: System) -> None:
    real, link = tmp_path / "real.yaml", tmp_path / "secondsite.yaml"
    apply(plan(real, system, live=False))
    real.chmod(0o640)
    link.symlink_to(real)
    apply(plan(link, scaled(system, 3), live=False))
    assert link.is_symlink()
    assert "replicas: 3" in real.read_text() or "manifests say 3" in real.read_text()
    assert real.stat().st_mode & 0o777 == 0o640


def _flow(text: str) -> str:
    return text.replace(f"    replicas: 2{READ}\n", "").replace(
        "  - name: redis  # read redis.yaml:4", "  - {name: redis, ports: [1]}  # mine"
    )


def _indented(text: str) -> str:
    head, services = text.split("services:\n")
    body, *tail = services.split("\n\n#")
    return (
        head + "services:\n" + body.replace("\n  ", "\n").removeprefix("  ") + "".join(f"\n\n#{part}" for part in tail)
    )


@pytest.mark.parametrize("rewrite", [_flow, _indented])
def test_other_ways_to_write_it_can_be_edited(file: Path, system: System, rewrite: Callable[[str], str]) -> None:
    file.write_text(rewrite(file.read_text()))
    api, redis = scaled(system, 6).services
    again(file, evolve(system, services=(evolve(api, memory_limit_bytes=None), evolve(redis, image="redis:8"))))
    after = load_system(file).services
    assert (after[0].memory_limit_bytes, after[1].image) == (None, "redis:8")
