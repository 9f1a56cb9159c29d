"""Commits of a database and messages of streams are counted apart, and each contract by its own."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from attrs import evolve
from drilled import API, MANIFEST, NATS, STATE, Scenario, campaign, leave, quick
from postgres_pair import EXAMPLE

from secondsite.catalogue.bundle import load_catalogue
from secondsite.discover.system_file.reading import load_system
from secondsite.drill.evidence.folder import read_evidence
from secondsite.drill.evidence.manifest import DrillManifest
from secondsite.drill.ledger.history import read_history
from secondsite.drill.ledger.ledger import Ledger, LedgerHeader, LedgerStream, streams_about
from secondsite.drill.ledger.record import Status
from secondsite.drill.play.saved_rows import not_across, saved_ids
from secondsite.drill.verdict.judge import judge
from secondsite.drill.verdict.judgement import RunJudgement, RunVerdict
from secondsite.drill.verdict.measurements import load_measurements
from secondsite.drill.verdict.verification import todays, verify
from secondsite.lab.postgres_files import TABLE as ROWS_OF
from secondsite.model.contract import Subject, Verdict
from secondsite.model.units import Seconds

TABLE = "state/postgres"
SYSTEM = evolve(load_system(EXAMPLE), contracts=(STATE,))
PART = evolve(STATE, part="postgres")
WITH_STORE = evolve(MANIFEST, stores=("postgres",), contracts=(API, NATS, STATE, PART))
ALL_STORES = evolve(WITH_STORE, subjects=(*MANIFEST.subjects, Subject.STATE))
SOME_STORES = evolve(WITH_STORE, other_stores=("qdrant",))


def judged(root: Path, manifest: DrillManifest, lost: frozenset[int] = frozenset()) -> RunJudgement:
    """Writes with an odd number are commits."""
    scenario = Scenario(manifest=manifest, second=TABLE, aged_s=3700.0, lost=lost)
    return judge(read_evidence(leave(root, scenario)))


def verdicts(judgement: RunJudgement) -> dict[str, Verdict]:
    return {each.contract.about: each.verdict for each in judgement.verdicts}


def test_a_lost_commit_is_the_state_s_and_a_lost_message_is_not(tmp_path: Path) -> None:
    commits = judged(tmp_path / "commits", ALL_STORES, frozenset({195, 197}))
    assert commits.loss is not None
    assert commits.loss.messages == 0
    assert {name: lost.messages for name, lost in commits.loss_by_stream.items()} == {"EVENTS": 0, TABLE: 2}
    by_contract = {each.contract: each.loss.messages for each in commits.verdicts if each.loss}
    assert by_contract == {API: 0, NATS: 0, STATE: 2, PART: 2}
    messages = judged(tmp_path / "messages", ALL_STORES, frozenset({194, 196, 198}))
    assert messages.loss is not None
    assert messages.loss.messages == 3
    assert {each.contract: each.loss.messages for each in messages.verdicts if each.loss} == {
        **{API: 3, NATS: 3},
        **{STATE: 0, PART: 0},
    }


def test_state_is_met_where_every_store_ran_and_open_where_one_did_not(tmp_path: Path) -> None:
    every = judged(tmp_path / "every", ALL_STORES)
    assert verdicts(every) == dict.fromkeys(("api", "nats", "state", TABLE), Verdict.MET)
    some = judged(tmp_path / "some", SOME_STORES)
    assert verdicts(some) == {**dict.fromkeys(("api", "nats", TABLE), Verdict.MET), "state": Verdict.UNPROVEN}
    whole = next(each for each in some.verdicts if each.contract == STATE)
    assert whole.why == "qdrant did not run here"
    assert whole.measured_s is not None
    assert [each.contract.about for each in some.ran] == ["api", "nats", TABLE]
    assert some.verdict is Verdict.MET


def test_a_store_that_did_not_run_is_unproven(tmp_path: Path) -> None:
    none = judged(tmp_path / "none", evolve(MANIFEST, contracts=(API, STATE)))
    assert [each.why for each in none.verdicts if each.contract == STATE] == ["the drill region-loss did not run state"]
    other = judged(tmp_path / "other", evolve(SOME_STORES, contracts=(evolve(STATE, part="qdrant"),)))
    assert [(each.verdict, each.why) for each in other.verdicts] == [
        (Verdict.UNPROVEN, "the drill region-loss did not run state/qdrant")
    ]


def test_a_loss_beyond_the_rpo_of_the_state_is_red(tmp_path: Path) -> None:
    strict = evolve(STATE, rpo_s=Seconds(5))
    manifest = evolve(ALL_STORES, contracts=(API, NATS, strict))
    found = judged(tmp_path, manifest, frozenset(range(101, 200, 2)))
    assert verdicts(found) == {"api": Verdict.MET, "nats": Verdict.MET, "state": Verdict.BREACHED}


def test_what_a_part_breaks_is_broken_whatever_the_rest_would_do(tmp_path: Path) -> None:
    manifest = evolve(SOME_STORES, contracts=(API, evolve(STATE, rpo_s=Seconds(5))))
    found = judged(tmp_path, manifest, frozenset(range(101, 200, 2)))
    assert verdicts(found) == {"api": Verdict.MET, "state": Verdict.BREACHED}
    assert found.verdict is Verdict.BREACHED


def test_verify_says_what_ran_of_the_state_and_what_did_not(tmp_path: Path) -> None:
    scenario = Scenario(manifest=evolve(SOME_STORES, contracts=(API, NATS, STATE)), second=TABLE, aged_s=3700.0)
    leave(tmp_path, evolve(scenario, lost=frozenset({195})))
    whole, ran, other = verify(SYSTEM, load_catalogue(), [tmp_path], datetime(2026, 11, 21, tzinfo=UTC)).rows
    assert whole.verdict is Verdict.UNPROVEN
    assert whole.why == "only postgres ran, back after 12.2 s, 1 commit lost; qdrant did not run here"
    assert (ran.contract.about, ran.verdict, ran.measurement is not None) == (TABLE, Verdict.UNPROVEN, True)
    assert (other.contract.about, other.verdict) == ("state/qdrant", Verdict.UNPROVEN)
    assert other.why.startswith("no drill has covered qdrant: run one that does")


@pytest.mark.slow
def test_a_campaign_proves_the_store_that_ran_and_not_the_state(tmp_path: Path) -> None:
    """What one of two stores holds is met by its own runs; the whole stays open, and says what is missing."""
    known = todays(SYSTEM, load_catalogue())
    manifest = evolve(SOME_STORES, contracts=(API, NATS, STATE))
    manifest = evolve(manifest, fingerprint=known(manifest))
    record = campaign(tmp_path, manifest, 22)
    for number in range(22):
        leave(tmp_path, Scenario(manifest=evolve(manifest, run=number), second=TABLE, aged_s=3700.0), record=record)
    record.close()
    rows = verify(SYSTEM, load_catalogue(), [tmp_path], datetime(2026, 11, 21, tzinfo=UTC)).rows
    assert [(row.contract.about, row.verdict) for row in rows] == [
        ("state", Verdict.UNPROVEN),
        (TABLE, Verdict.MET),
        ("state/qdrant", Verdict.UNPROVEN),
    ]


def _saved(rpo_s: float) -> DrillManifest:
    """Snapshots every 5 s here, and 1,000 s from one until the next is loaded in production."""
    manifest = quick(evolve(MANIFEST, contracts=(evolve(STATE, rpo_s=Seconds(rpo_s)),), subjects=(Subject.STATE,)))
    ran, own = evolve(manifest.timing, snapshot_s=5.0), evolve(manifest.production, snapshot_s=1000.0)
    timed = evolve(manifest, timing=ran, production=own)
    return evolve(timed, stores=("qdrant",), saved=("qdrant",), instead={"qdrant": "its engine alone"})


def _of_snapshots(root: Path, manifest: DrillManifest, lost_s: float = 3.0) -> RunVerdict:
    lost = frozenset(range(201 - round(lost_s * 10), 200, 2))
    scenario = Scenario(manifest=manifest, second="state/qdrant", aged_s=3700.0, lost=lost)
    (verdict,) = judge(read_evidence(leave(root, scenario))).verdicts
    return verdict


def test_what_snapshots_lose_is_a_share_of_their_interval_in_production(tmp_path: Path) -> None:
    held = _of_snapshots(tmp_path / "held", _saved(1500.0))
    assert held.verdict is Verdict.MET, held.why
    assert held.why.startswith("qdrant was played on its engine alone; at production's intervals, up to ")
    assert held.lost_window_s is not None
    assert 550 < held.lost_window_s < 650, "three of five seconds"
    (known,) = load_measurements(tmp_path / "held")
    assert (known.production_loss_s, known.loss and round(known.loss.seconds)) == (held.lost_window_s, 3)
    short = _of_snapshots(tmp_path / "short", _saved(500.0))
    assert short.verdict is Verdict.BREACHED
    plain = _of_snapshots(tmp_path / "plain", evolve(_saved(500.0), saved=()))
    assert plain.verdict is Verdict.MET, "a store that streams loses what it lost"
    (known,) = load_measurements(tmp_path / "plain")
    assert known.production_loss_s is None


def test_a_store_that_streams_is_not_excused_by_one_that_is_saved(tmp_path: Path) -> None:
    """Each at its own intervals: an old loss of the first could not have been seen in this run."""
    manifest = evolve(_saved(3000.0), stores=("postgres",))
    scenario = Scenario(manifest=manifest, second="state/postgres", aged_s=2100.0)
    streamed = judge(read_evidence(leave(tmp_path / "streamed", scenario))).verdicts[0]
    assert streamed.verdict is Verdict.UNPROVEN
    assert "no write to state/postgres was older than 2099" in streamed.why
    scenario = Scenario(manifest=evolve(manifest, stores=("qdrant",)), second="state/qdrant", aged_s=2100.0)
    saved = judge(read_evidence(leave(tmp_path / "saved", scenario))).verdicts[0]
    assert saved.verdict is Verdict.MET, saved.why


def test_old_writes_that_know_no_store_are_of_the_same_run(tmp_path: Path) -> None:
    streams = (LedgerStream("EVENTS", "events"), LedgerStream(TABLE, "postgres", store=True))
    for client, known in enumerate((streams[:1], streams)):
        with Ledger.create(tmp_path / f"{client}.ledger", LedgerHeader("run", client, known)) as ledger:
            ledger.intend(len(known) - 1, 1, 10)
    history = read_history(sorted(tmp_path.glob("*.ledger")))
    assert history.streams == streams
    assert history.only(1).streams == streams[1:]
    assert history.only(0, 1).stream.tolist() == [0, 1]
    assert streams_about(NATS, streams) == ("EVENTS",)


def test_a_commit_that_was_rewound_unsaved_is_named(tmp_path: Path) -> None:
    streams = (LedgerStream("EVENTS", "events"), LedgerStream(TABLE, "postgres", store=True))
    with Ledger.create(tmp_path / "0.ledger", LedgerHeader("run", 0, streams)) as ledger:
        for stream in (0, 1, 1, 1, 1):
            ledger.intend(stream, 1, 10)
        for sequence, stream in enumerate((0, 1, 1, 1)):  # the last one was never answered
            ledger.outcome(sequence, stream, 1, Status.STORED)
    history = read_history([tmp_path / "0.ledger"])
    last_ns = int(history.ack_ns[3])
    assert not_across(history, "postgres", last_ns, {"run.0.1"}) == {"run.0.2"}
    assert not_across(history, "postgres", last_ns + 1, {"run.0.1"}) == {"run.0.2", "run.0.3"}
    rows = tmp_path / "rows" / "us-east-1-postgres-1"
    rows.mkdir(parents=True)
    (rows / f"postgres.public.{ROWS_OF}.only-there.csv").write_text("id,key\nrun.0.3,1\n", encoding="utf-8")
    assert saved_ids(tmp_path / "rows") == {"run.0.3"}
    assert not not_across(history, "postgres", last_ns + 1, {"run.0.1"}) <= saved_ids(tmp_path / "rows")
