"""The documents as a whole: nothing in them is a lie, whatever the names, and the same inputs give the same bytes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import date
from itertools import pairwise
from typing import Any

import attrs
import pytest
from markdown_it import MarkdownIt
from reported import drilled

from secondsite.audit.registry import audit
from secondsite.evaluate.evaluation import Evaluation
from secondsite.model.contract import Subject, Verdict
from secondsite.model.estimate import Estimate, Fixed, Provenance
from secondsite.model.fault import Fault
from secondsite.model.measurement import DataLoss, Measurement
from secondsite.model.store import CopiesToday, Store
from secondsite.publish.content.board import board
from secondsite.publish.content.inputs import Inputs, StoreVerdict, newest_date
from secondsite.publish.content.proof import proof
from secondsite.publish.documents.document_set import documents, files

pytestmark = pytest.mark.slow

Rename = Callable[[Evaluation, Callable[[str], str]], Evaluation]
_PARSER = MarkdownIt("gfm-like", {"linkify": False, "html": True})
_OURS = re.compile(r'</?a( id="[a-z0-9-]+")?>')
BITE = "|`*_\n# <b onclick=x>&amp;[x](y) {{ 7*7 }}$x$\\"


@pytest.fixture(scope="module")
def inputs(evaluation: Evaluation) -> Inputs:
    return Inputs(evaluation, audit(evaluation.system), (), newest_date(evaluation, ()), "../..")


def measurement(**more: Any) -> Measurement:
    known: dict[str, Any] = {
        "rto_s": {"detect": 21.0, "decide": 30.0, "execute": 9.5, "converge": 70.0, "first_ack": 0.5, "total": 131.0},
        "runs": 3,
        "evidence": "evidence/20261120-region-loss",
        "steps_s": {"promote-streams": 0.006},
    }
    return drilled(**{**known, **more})


def all_texts(inputs: Inputs) -> dict[str, str]:
    return dict(files(inputs))


def markdown(inputs: Inputs) -> dict[str, str]:
    return dict(documents(inputs))


@pytest.fixture(scope="module")
def published(inputs: Inputs) -> dict[str, str]:
    return all_texts(inputs)


@pytest.fixture(scope="module")
def pages(published: dict[str, str]) -> dict[str, str]:
    """The Markdown of them."""
    return {name: text for name, text in published.items() if name.endswith(".md")}


def test_the_set_is_the_one_that_was_asked_for(published: dict[str, str]) -> None:
    assert {name for name in published if not name.startswith("charts/")} == {
        "summary.md",
        "sources.md",
        "compliance.md",
        "architecture-current.md",
        "multi-region-evaluation.md",
        "dr-contracts.md",
        "runbook.md",
        "multi-region-roadmap.md",
        "cost-estimate.md",
        "dr-test-schedule.md",
        "dr-test-schedule.ics",
        "dr-alerts.yaml",
        "dr-dashboard.json",
        "report.html",
    }


def test_ages_are_counted_to_the_day_of_the_newest_drill(evaluation: Evaluation) -> None:
    older, newer = (measurement(at=f"2026-11-{day}T10:00:00+00:00") for day in (18, 25))
    assert newest_date(evaluation, (newer, older)) == date(2026, 11, 25)


def test_the_same_inputs_give_the_same_bytes(inputs: Inputs, published: dict[str, str]) -> None:
    assert all_texts(inputs) == published


def test_every_mark_leads_to_a_source_and_every_source_is_used(pages: dict[str, str]) -> None:
    anchors = set(re.findall(r'<a id="([mpasc]\d+)"></a>', pages["sources.md"]))
    everywhere = set()
    for name, text in pages.items():
        page = "" if name == "sources.md" else "sources.md"
        used = set(re.findall(r"\[\[([mpasc]\d+)\]\]", text))
        targets = dict(re.findall(rf"^\[([mpasc]\d+)\]: {page}#(\S+)$", text, re.MULTILINE))
        assert used == set(targets) == set(targets.values()), name
        assert name == "sources.md" or not re.search(r'<a id="[mpasc]\d', text), name
        everywhere |= used
    assert everywhere == anchors


def test_pictures_and_documents_that_are_linked_exist(published: dict[str, str], pages: dict[str, str]) -> None:
    known = published
    for name, text in pages.items():
        linked = [target for target in re.findall(r"\]\(([^)#\s]+)\)", text) if not target.startswith("..")]
        assert not [target for target in linked if target not in known], name


def test_what_no_drill_tried_is_unproven_everywhere(inputs: Inputs, pages: dict[str, str]) -> None:
    assert {standing.verdict for standing in board(inputs)} == {Verdict.UNPROVEN}
    contracts = pages["dr-contracts.md"]
    assert "**4 contracts: 0 met, 0 breached, 4 unproven.**" in contracts
    assert "**met**" not in contracts
    assert "**Unproven:** no drill has timed it." in pages["runbook.md"]


def test_a_measured_contract_names_drill_date_and_versions(inputs: Inputs) -> None:
    measured = attrs.evolve(inputs, measurements=(measurement(),), as_of=date(2026, 11, 23))
    found = markdown(measured)
    assert "**4 contracts: 1 met, 0 breached, 3 unproven.**" in found["dr-contracts.md"]
    source = next(line for line in found["sources.md"].split("\n") if "drill region-loss of" in line)
    assert 'id="m' in source
    for part in ("2026-11-20", "quick", "nats-server 2.15.1", "3 runs", "seed 11", "evidence/20261120-region-loss"):
        assert part in source
    assert "2026-12-25" in found["dr-contracts.md"], "until when the evidence counts"
    assert "detect 21 s, decide 30 s" in found["runbook.md"].replace("\u00a0", " ")
    assert "held, measured" in found["multi-region-evaluation.md"]


@pytest.mark.parametrize(
    ("measured", "as_of", "outdated", "verdict"),
    [
        (measurement(), date(2026, 12, 25), {}, Verdict.MET),
        (measurement(), date(2026, 12, 26), {}, Verdict.UNPROVEN),
        (measurement(verdict=Verdict.BREACHED), date(2026, 11, 23), {}, Verdict.BREACHED),
        (measurement(verdict=Verdict.BREACHED), date(2027, 11, 23), {}, Verdict.UNPROVEN),
        (measurement(), date(2026, 11, 23), {"evidence/20261120-region-loss": "the system changed"}, Verdict.UNPROVEN),
        (measurement(strategy="warm-standby/stretch"), date(2026, 11, 23), {}, Verdict.UNPROVEN),
        (measurement(profile="production"), date(2027, 2, 28), {}, Verdict.MET),
    ],
)
def test_only_fresh_evidence_of_what_runs_counts(
    inputs: Inputs, measured: Measurement, as_of: date, outdated: dict[str, str], verdict: Verdict
) -> None:
    changed = attrs.evolve(inputs, measurements=(measured,), as_of=as_of, outdated=outdated)
    assert next(s.verdict for s in board(changed) if s.contract.name == "api/region") is verdict


def test_evidence_of_a_fault_within_the_region_is_good_for_any_strategy(inputs: Inputs) -> None:
    one = measurement(fault=Fault.PROCESS, strategy="single-region/none/manual", drill="api-killed")
    changed = attrs.evolve(inputs, measurements=(one,), as_of=date(2026, 11, 23))
    assert next(s.verdict for s in board(changed) if s.contract.name == "api/process") is Verdict.MET


def test_the_worst_of_a_contracts_drills_decides(inputs: Inputs) -> None:
    both = (measurement(), measurement(drill="dns-stuck", verdict=Verdict.BREACHED, evidence="evidence/dns"))
    changed = attrs.evolve(inputs, measurements=both, as_of=date(2026, 11, 23))
    found = next(s for s in board(changed) if s.contract.name == "api/region")
    assert (found.verdict, found.measured) == (Verdict.BREACHED, both[1])
    newer = (*both, measurement(drill="dns-stuck", at="2026-11-21T10:00:00+00:00", evidence="evidence/dns-2"))
    changed = attrs.evolve(inputs, measurements=newer, as_of=date(2026, 11, 23))
    assert next(s.verdict for s in board(changed) if s.contract.name == "api/region") is Verdict.MET


def test_a_contract_that_no_drill_runs_says_so(inputs: Inputs) -> None:
    """A drill runs all stores of the example; of one whose engine no lab has, it would not."""
    deployment = inputs.chosen.deployment
    (whole,) = [one.contract for one in inputs.chosen.outcomes if one.contract.name == "state/region"]
    assert proof(whole, deployment).drill == "vectors-lost"
    stores = (*deployment.system.stores, Store("orders", "postgres", "mysql"))
    more = attrs.evolve(deployment, system=attrs.evolve(deployment.system, stores=stores))
    assert not proof(whole, more).drill
    assert proof(attrs.evolve(whole, part="qdrant"), more).drill == "vectors-lost"
    assert not proof(attrs.evolve(whole, part="orders"), more).drill


def test_each_contract_names_the_command_that_proves_it(inputs: Inputs, pages: dict[str, str]) -> None:
    row = next(
        line
        for line in pages["dr-contracts.md"].split("\n")
        if "state/region" in line and line.endswith("secondsite.yaml) |")
    )
    assert "`secondsite drill vectors-lost --strategy warm-standby/leafnode-mirror/failover-record --runs 22`" in row
    shown = {standing.contract.name: standing.command for standing in board(inputs)}
    assert (
        shown["api/region"]
        == "secondsite drill region-loss --strategy warm-standby/leafnode-mirror/failover-record --runs 22"
    )


def test_every_command_of_a_drill_names_one_that_exists(published: dict[str, str]) -> None:
    from secondsite.drill.registry import DRILLS

    for name, text in published.items():
        named = set(re.findall(r"secondsite drill ([a-z][a-z-]+)", text.replace("\r\n ", "")))
        assert named <= set(DRILLS), name


def test_a_refuted_claim_stands_with_its_evidence(inputs: Inputs) -> None:
    why = "400/10055: stream mirror configuration can not be updated"
    one = measurement(
        subject=Subject.NATS, strategy="warm-standby/supercluster-mirror", verdict=Verdict.BREACHED, rto_s=None, why=why
    )
    found = markdown(attrs.evolve(inputs, measurements=(one,)))["multi-region-evaluation.md"]
    row = next(line for line in found.split("\n") if "refuted, measured" in line)
    assert "`warm-standby/supercluster-mirror` on nats-server 2.15.1 holds `nats/region` in `region-loss`" in row
    assert why in row
    assert re.search(r"\[m\d+\]", row)


def test_what_a_drill_refuted_on_todays_version_is_not_foreseen_as_well(inputs: Inputs) -> None:
    paper = "warm-standby/supercluster-mirror"
    ran = {
        subject: measurement(subject=subject, strategy=paper, verdict=Verdict.BREACHED, rto_s=None, why="10055")
        for subject in (Subject.API, Subject.NATS)
    }
    for version, foreseen in (("2.10.26", False), ("2.15.1", True), ("2.1.0", True)):
        drilled = tuple(attrs.evolve(one, versions={"nats-server": version}) for one in ran.values())
        found = markdown(attrs.evolve(inputs, measurements=drilled))["multi-region-evaluation.md"]
        claimed = found.partition("## Claims")[2].partition("## Cost")[0]
        (row,) = [line for line in claimed.split("\n") if "refuted, measured" in line]
        assert "holds `api/region` and `nats/region` in `region-loss`" in row
        assert "**refuted, measured** 2026-11-20" in row
        assert ("503/10008" in claimed) is foreseen, version


def test_the_plan_on_paper_is_refuted_as_predicted_with_its_source(pages: dict[str, str]) -> None:
    found = pages["multi-region-evaluation.md"]
    row = next(line for line in found.split("\n") if "503/10008" in line)
    assert "`warm-standby/supercluster-mirror`" in row
    assert "**refuted, predicted**" in row
    assert "400/10055" in row
    mark = re.findall(r"\[(m\d+)\]", row)[-1]
    assert "2.10.26" in next(line for line in pages["sources.md"].split("\n") if f'id="{mark}"' in line)


_FIGURE = re.compile(
    r"[~−<>≈]*(\$[\d,.]+|[\d,.]+\s(ms|s|min|h|d|days|minutes|hours|%|USD/h|messages|KiB|MiB|GiB|B|× \w+)(?![\w/]))"
)
_COUNTED_IN = re.compile(r"USD|/month|/year|min/year|Hours|hours| ms$")
_MARK = re.compile(r"\[\[[mpasc]\d+\]\]")
_LONGEST_FIGURE = 60


def tables(text: str) -> list[list[list[str]]]:
    """Every table of a document: heading first, then rows, each a list of cells."""
    found: list[list[list[str]]] = []
    lines = text.split("\n")
    for before, line in pairwise(lines):
        if line.startswith("|") and not before.startswith("|"):
            found.append([])
        if line.startswith("|") and not re.fullmatch(r"\|[ :|-]+\|", line):
            found[-1].append([cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))])
    return found


def without_headings(text: str) -> str:
    heads = {line for line, after in pairwise(text.split("\n")) if re.fullmatch(r"\|[ :|-]+\|", after)}
    return "\n".join(line for line in text.split("\n") if line not in heads)


def unsourced(text: str) -> list[str]:
    """Cells that are a figure (with a unit of its own or its heading's) and lead nowhere.

    A figure leads to its provenance by a mark in its cell, by one in its heading, by being a link itself, or by
    standing in a row that ends in the place that it was read from. Prose (long cells) and code are no figures.
    """
    lost = []
    for head, *rows in tables(text):
        for row in rows:
            placed = bool(re.fullmatch(r"(\[.*\]\(.*\)|~assumed: .*)", row[-1])) or 'id="' in row[0]
            for name, cell in zip(head, row, strict=True):
                shown = re.sub(r"`[^`]*`", "", cell)
                counted = _COUNTED_IN.search(name) and re.search(r"\d", shown)
                figure = len(shown) <= _LONGEST_FIGURE and (_FIGURE.search(shown) or counted)
                if figure and not (_MARK.search(cell) or _MARK.search(name) or "](" in cell or placed):
                    lost.append(f"{name}: {cell}")
    return lost


def test_every_figure_of_a_table_leads_to_its_provenance(
    inputs: Inputs, pages: dict[str, str], pytestconfig: pytest.Config
) -> None:
    """Of the small system with and without a drill, and of the example as it is committed."""
    drilled = attrs.evolve(inputs, measurements=(measurement(),), as_of=date(2026, 11, 23))
    committed = pytestconfig.rootpath / "examples/kgents/docs/saas"
    sets = [pages, markdown(drilled), {p.name: p.read_text("utf-8") for p in committed.glob("*.md")}]
    for texts in sets:
        assert len(texts) == 10
        found = {name: unsourced(text) for name, text in texts.items()}
        assert not {name: lost for name, lost in found.items() if lost}


@pytest.mark.parametrize(
    ("cell", "lost"),
    [
        ("~59 s", True),
        ("$1,854", True),
        ("~59 s [[a1]]", False),
        ("[5 min](../secondsite.yaml#L3)", False),
        ("3", False),
        ("`--every 30 s`", False),
        ("97.8 % of 90 %", True),
    ],
)
def test_a_figure_without_provenance_would_be_found(cell: str, lost: bool) -> None:
    assert bool(unsourced(f"\n| What | It |\n| ---- | -- |\n| x | {cell} |")) is lost
    assert not unsourced(f"\n| What | It [[a1]] |\n| ---- | -- |\n| x | {cell} |")


def test_an_assumed_figure_looks_assumed(pages: dict[str, str]) -> None:
    """But what is proposed is no estimate: an escalation time or a trigger is what the team agrees on."""
    proposed = set(re.findall(r'<a id="(a\d+)"></a>.*: a proposal', pages["sources.md"]))
    for name, text in pages.items():
        if name == "sources.md":
            continue
        for before, mark in re.findall(r"(\S[^|\[\n]*?) \[\[(a\d+)\]\]", without_headings(text)):
            if mark in proposed:
                continue
            said = name in ("multi-region-evaluation.md", "summary.md") and before.endswith("**")
            planned = before.startswith("About ")
            about = re.search(r"\babout [^;|]+$", before)
            assert "~" in before or "unbounded" in before or said or planned or about, f"{name}: {before!r}"


def test_a_measured_figure_says_on_what_and_when(inputs: Inputs) -> None:
    """Or is made of such alone."""
    drilled = attrs.evolve(inputs, measurements=(measurement(),), as_of=date(2026, 11, 23))
    texts = markdown(drilled)
    assert texts["sources.md"].count('- <a id="m') > 5
    for name, text in texts.items():
        for source in re.findall(r'^- <a id="m\d+"></a>(.*)$', text, re.MULTILINE):
            dated = re.search(r"\b20\d\d-\d\d", source) and re.search(r"(nats-server|PostgreSQL) \d+\.\d+", source)
            assert dated or re.search(r"; from (\[\[m\d+\]\] ?)+$", source), f"{name}: {source}"


WIDEST = 220
"""Characters of a row as a forge shows it: beyond that a reader scrolls sideways, or reads columns of two words."""


def shown_width(row: list[str]) -> int:
    linked = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", cell.replace("[[", "[").replace("]]", "]")) for cell in row)
    return sum(len(re.sub(r"[`\\]|\*\*", "", cell)) for cell in linked)


def test_no_table_is_too_wide_to_read(pages: dict[str, str], pytestconfig: pytest.Config) -> None:
    committed = pytestconfig.rootpath / "examples/kgents/docs/saas"
    for texts in (pages, {path.name: path.read_text("utf-8") for path in committed.glob("*.md")}):
        for name, text in texts.items():
            wide = [row for found in tables(text) for row in found if shown_width(row) > WIDEST]
            assert not wide, f"{name}: {wide[0]}"


def test_a_persons_step_has_no_limit_of_hours(inputs: Inputs) -> None:
    """Nor has one that waits for a provider: three times their 95 % quantile is no time-out for who is on call."""
    runbook = markdown(_recommending(inputs, "warm-standby/leafnode-mirror"))["runbook.md"].replace("\u00a0", " ")
    decided = runbook.partition("declares the failover\n")[2].partition("####")[0]
    assert re.search(r"A person: expect 32 min .* \[\[p\d+\]\]; escalate after 32 min \[\[c\d+\]\]", decided)
    assert "16 h 28 min" not in runbook
    assert "there is no limit, as the failover has not started" in runbook
    waited = runbook.partition("Wait for the provider's control plane\n")[2].partition("####")[0]
    assert "escalate after" in waited
    for name, text in files(inputs).items():
        assert not re.search(r"escalate after ~?0\s", text), f"{name}: nobody escalates after nothing"
    assert " d " not in waited


def test_new_money_people_s_time_and_once_are_columns_of_their_own(inputs: Inputs, pages: dict[str, str]) -> None:
    found = pages["multi-region-roadmap.md"]
    head = next(table[0] for table in tables(found) if "USD/month new" in table[0])
    assert {"Hours, once", "USD/month new", "People's time, USD/month added"} <= set(head)
    assert found.count("to the provider; people's time ~") == 2 * len(inputs.evaluation.recommendation.migration)
    assert "people's hours included" not in "".join(pages.values())


def test_a_store_that_ran_alone_has_a_row_beneath_its_contract(inputs: Inputs) -> None:
    """With what it lost in commits and bytes; of another strategy than the recommended one it shows nothing here."""
    (whole,) = (one.contract for one in inputs.chosen.outcomes if one.contract.subject is Subject.STATE)
    one, other = (attrs.evolve(whole, part=part) for part in ("orders-db", "vectors"))
    ran = measurement(subject=Subject.STATE, part=one.part, loss=DataLoss(2, 512, 0.0613))
    why = "no drill covers vectors"
    stores = (
        StoreVerdict(one, inputs.chosen.strategy.id, Verdict.MET, "", ran),
        StoreVerdict(one, "pilot-light/archive", Verdict.BREACHED, "", ran),
        StoreVerdict(other, "", Verdict.UNPROVEN, why, None),
    )
    page = markdown(attrs.evolve(inputs, stores=stores))["dr-contracts.md"]
    rows = next(each for each in tables(page) if each[0][0] == "Contract")
    at = next(number for number, row in enumerate(rows) if row[0] == f"`{whole.name}`")
    ours, unknown, after = rows[at + 1 : at + 4]
    assert (ours[0], unknown[0]) == (f"`{one.name}`", f"`{other.name}`")
    assert "2 commits, 512 bytes [[m" in ours[6].replace("\u00a0", " ")
    assert (ours[7], unknown[6:]) == ("**met**, of a design, in the lab", ["never", f"**unproven**, {why}"])
    assert "orders-db" not in after[0]
    assert len(re.findall("orders-db", page)) == 1
    assert page.partition("contracts:")[0] == markdown(inputs)["dr-contracts.md"].partition("contracts:")[0], (
        "a store of its own is no contract more"
    )


def test_commits_have_columns_where_one_waits_for_the_other_region_alone(inputs: Inputs) -> None:
    waits = Estimate("commit, p50", "ms", Fixed(66.1), Provenance.ASSUMED, "a test")
    slow = tuple(
        attrs.evolve(one, latency=attrs.evolve(one.latency, commit_p50_ms=waits, commit_p99_ms=waits))
        for one in inputs.evaluation.assessments
    )
    changed = attrs.evolve(inputs, evaluation=attrs.evolve(inputs.evaluation, assessments=slow))
    for given, there in ((inputs, False), (changed, True)):
        page = markdown(given)["multi-region-evaluation.md"]
        head, *rows = next(each for each in tables(page) if each[0][0] == "Strategies")
        assert (head[-2:] == ["Commit p50", "Commit p99"]) is there
        assert ("66.1" in rows[-1][-1]) is there


def test_who_keeps_copies_today_is_a_column_where_somebody_said_so(inputs: Inputs) -> None:
    (store,) = (one for one in inputs.system.stores if one.engine == "postgres")
    kept = attrs.evolve(
        store, replicated=CopiesToday.MANAGED, product="Amazon RDS", copy_elsewhere="a replica in eu-west-1"
    )
    stores = tuple(kept if one is store else one for one in inputs.system.stores)
    changed = attrs.evolve(
        inputs,
        evaluation=attrs.evolve(inputs.evaluation, system=attrs.evolve(inputs.system, stores=stores)),
    )
    for given, there in ((inputs, False), (changed, True)):
        page = markdown(given)["architecture-current.md"]
        head, *rows = next(each for each in tables(page) if each[0][:2] == ["Store", "Engine"])
        assert ("Copies today" in head) is there
        if there:
            copies = {row[0]: row[head.index("Copies today")] for row in rows}
            assert copies[f"`{store.name}`"] == "Amazon RDS, and a replica in eu-west-1"


def test_the_ways_of_each_database_stand_side_by_side(inputs: Inputs) -> None:
    """What is laid out is told apart, and has no price of its own; what waits loses nothing, and says what it waits."""
    (store,) = (one for one in inputs.system.stores if one.engine == "postgres")
    page = markdown(inputs)["multi-region-evaluation.md"]
    (found,) = (table for table in tables(page) if table[0][:2] == ["Store", "Replication"])
    rows = {re.sub(r"[*`]", "", row[1]).partition(":")[0]: row for row in found[1:]}
    assert list(rows) == ["replica", "synchronous", "archive", "none"]
    assert [row[0] for row in found[1:]] == [f"`{store.name}`", "", "", ""]
    assert [name for name, row in rows.items() if "**" in row[1]] == ["replica"]
    assert [name for name, row in rows.items() if row[5] == "–"] == ["replica"]
    assert rows["synchronous"][2].startswith("~0\u00a0s ")
    assert not rows["replica"][2].startswith("~0\u00a0s ")
    commit_ms = {name: float(re.findall(r"~([\d.]+)", row[4])[0]) for name, row in rows.items()}
    assert commit_ms["synchronous"] > commit_ms["replica"] == commit_ms["archive"] == commit_ms["none"]
    alone = attrs.evolve(inputs.evaluation.recommendation, stores=())
    without = attrs.evolve(inputs, evaluation=attrs.evolve(inputs.evaluation, recommendation=alone))
    assert "Databases between regions" in page
    assert "Databases between regions" not in markdown(without)["multi-region-evaluation.md"]


@pytest.mark.parametrize(
    "bite",
    [
        BITE,
        "<!-- team:x -->",
        "<!-- /team:notes -->",
        pytest.param("x" * 5000, marks=pytest.mark.slow),
        "\u202egpj.exe",
        "'; rm -rf /; '",
    ],
)
def test_hostile_names_stay_text(evaluation: Evaluation, rename: Rename, bite: str) -> None:
    hostile = rename(evaluation, lambda text: text + bite)
    for name, text in markdown(Inputs(hostile, audit(hostile.system), (), date(2026, 11, 1))).items():
        shape = markdown_shape(text)
        assert not shape["html"], f"{name}: {sorted(shape['html'])[:3]}"
        assert shape["links"] <= {"#", "..", ".", "d", "m", "c", "a", "r", "s"}, name


def markdown_shape(text: str) -> dict[str, set[str]]:
    html: set[str] = set()
    links: set[str] = set()
    for token in _PARSER.parse(text):
        for one in [token, *(token.children or [])]:
            if one.type in ("html_inline", "html_block"):
                for line in one.content.strip().split("\n"):
                    kept = line.startswith(("<!-- team:", "<!-- /team:", "<!-- Written by")) or _OURS.fullmatch(line)
                    html |= set() if kept or re.fullmatch(r'(<a id="[a-z0-9-]+"></a>)+', line) else {line}
            if one.type == "link_open":
                links.add(str(one.attrs["href"])[:1] if not str(one.attrs["href"]).startswith("..") else "..")
            assert one.type not in ("s_open",), one
    return {"html": html, "links": links}


def test_hostile_names_leave_the_tables_whole(
    evaluation: Evaluation, rename: Rename, inputs: Inputs, pages: dict[str, str]
) -> None:
    hostile = rename(evaluation, lambda text: text + BITE)
    found = markdown(Inputs(hostile, inputs.hazards, (), date(2026, 11, 1)))
    for name, text in pages.items():
        if name in ("runbook.md", "architecture-current.md"):
            continue  # what reads as empty, or as a number, does so no longer
        kinds = [token.type for token in _PARSER.parse(text) if token.type in ("table_open", "heading_open")]
        theirs = [token.type for token in _PARSER.parse(found[name]) if token.type in ("table_open", "heading_open")]
        assert theirs == kinds, name


def test_the_dashboard_is_what_grafana_imports(published: dict[str, str]) -> None:
    found = json.loads(published["dr-dashboard.json"])
    ids = [panel["id"] for panel in found["panels"]]
    assert len(ids) == len(set(ids)) > 5
    assert all(panel["targets"][0]["expr"] for panel in found["panels"])
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in found["panels"]]
    assert len(places) == len(set(places))


def test_a_system_with_next_to_nothing_is_published_too(evaluation: Evaluation) -> None:
    bare = attrs.evolve(
        evaluation.system, nats=(), stores=(), secrets=(), gateways=(), backups=(), alerts=(), contracts=(), users=()
    )
    from secondsite.catalogue.bundle import load_catalogue
    from secondsite.evaluate.compare import compare

    found = compare(bare, load_catalogue(), auditor=lambda *_: (), years=500)
    texts = markdown(Inputs(found, (), (), date(2026, 11, 1)))
    assert "has no contracts" in texts["dr-contracts.md"]
    assert "There is no NATS cluster." in texts["architecture-current.md"]


def test_the_page_of_each_document_names_all_of_it(pytestconfig: pytest.Config) -> None:
    """Every heading that is always there is explained; the list of sources once for all, in docs/publish.md."""
    root = pytestconfig.rootpath
    common = (root / "docs/publish.md").read_text("utf-8")
    templates = root / "src/secondsite/publish/templates/documents"
    for page in sorted((root / "docs/publish").glob("*.md")):
        template = templates / f"{page.name}.j2"
        if not template.is_file():
            continue
        told = " ".join((common + page.read_text("utf-8")).lower().split())
        headings = re.findall(r"^##+ ([^{}\n]+?)(?:,? at \{\{.*|, outside \{\{.*)?$", template.read_text("utf-8"), re.M)
        assert not [heading for heading in headings if heading.lower() not in told], page.name


def _recommending(inputs: Inputs, strategy: str) -> Inputs:
    evaluation = inputs.evaluation
    chosen = next(a.strategy for a in evaluation.assessments if a.strategy.id == strategy)
    recommended = attrs.evolve(evaluation.recommendation, strategy=chosen)
    return attrs.evolve(inputs, evaluation=attrs.evolve(evaluation, recommendation=recommended))


@pytest.mark.parametrize(
    ("strategy", "needs"),
    [
        ("warm-standby/leafnode-mirror", ()),
        ("warm-standby/backup", (' --from "$BACKUP_URL"',)),
        (
            "warm-standby/supercluster-mirror",
            (" --system us-east-1=context:us-east-1-system", " --system us-west-2=context:us-west-2-system"),
        ),
    ],
)
def test_the_executor_is_given_what_its_steps_need(inputs: Inputs, strategy: str, needs: tuple[str, ...]) -> None:
    other = _recommending(inputs, strategy)
    command = next(
        line for line in documents(other)["runbook.md"].split("\n") if line.startswith("secondsite failover run")
    )
    found = tuple(option for option in (' --from "$BACKUP_URL"', *_SYSTEMS) if option in command)
    assert found == needs


_SYSTEMS = (" --system us-east-1=context:us-east-1-system", " --system us-west-2=context:us-west-2-system")
