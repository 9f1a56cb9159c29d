"""What the runbook tells to type: a shell takes every line, and names are words, never syntax."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from secondsite.evaluate.evaluation import Evaluation
from secondsite.model.fault import Fault
from secondsite.model.procedure import Verb
from secondsite.model.strategy import Link, Switch
from secondsite.model.traffic import Traffic
from secondsite.operate.action import ManualContext
from secondsite.operate.shell import word
from secondsite.operate.verbs import commands
from secondsite.publish.runbook.dns_commands import dns_steps, steps_for
from secondsite.publish.runbook.remedies import remedy

Rename = Callable[[Evaluation, Callable[[str], str]], Evaluation]


def every_command(evaluation: Evaluation) -> list[str]:
    found: list[str] = []
    for assessment in evaluation.assessments:
        chapters = [*assessment.procedures.items(), *([(None, assessment.failback)] if assessment.failback else [])]
        for fault, procedure in chapters:
            for step in procedure.steps:
                assert remedy(step, fault)
                found += commands(ManualContext(assessment.deployment, procedure, "us-west-2", fault), step)
    for assessment in evaluation.assessments:
        for steps in steps_for(assessment.deployment):
            found += [*steps.look, *steps.change, *steps.check]
    return list(dict.fromkeys(found))


def bash(script: str, *flags: str, cwd: Path | None = None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["bash", *flags], input=script.encode(), capture_output=True, check=False, cwd=cwd)


def test_when_a_way_back_fails_nothing_is_restored_over_the_region_that_serves(evaluation: Evaluation) -> None:
    """It has every message and row; a dump in their place would lose what was committed since."""
    failback = evaluation.recommended.failback
    assert failback is not None
    told = {step.verb: remedy(step, None) for step in failback.steps}
    assert {Verb.FENCE, Verb.PROMOTE_STREAMS, Verb.PROMOTE_STORES, Verb.RESTORE_STORES} <= set(told)
    assert [
        text for text in told.values() if re.search("newest dump|from backup|backup before|previous backup", text)
    ] == []
    assert "failback abort" in told[Verb.PROMOTE_STREAMS]
    assert "continue" not in told[Verb.FENCE], "a region that cannot be isolated is not started"


def test_who_has_to_decide_is_told_what_helps_to_decide(evaluation: Evaluation) -> None:
    procedures = evaluation.recommended.procedures
    deciding = {fault: one.steps for fault, one in procedures.items() if fault in (Fault.GRAY, Fault.DELETION)}
    told = {
        fault: remedy(next(step for step in steps if step.verb is Verb.DECIDE), fault)
        for fault, steps in deciding.items()
    }
    assert "treat it as a gray failure" not in " ".join(told.values())
    assert "with another name" in told[Fault.DELETION]


def test_a_shell_takes_every_command_of_every_strategy(evaluation: Evaluation) -> None:
    found = every_command(evaluation)
    assert len(found) > 60
    done = bash("\n".join(found), "-n")
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "bite", ["'; touch bitten; '", "$(touch bitten)", "`touch bitten`", "\ntouch bitten\n", '" | x', "\\", "\x07"]
)
def test_hostile_names_run_nothing(evaluation: Evaluation, rename: Rename, tmp_path: Path, bite: str) -> None:
    found = every_command(rename(evaluation, lambda text: text + bite))
    assert [command for command in found if "\n" in command and not command.startswith("envsubst")] == []
    script = "\n".join(found)
    done = bash(script, "-n")
    assert done.returncode == 0, done.stderr
    done = bash(f"PATH=/nowhere; touch() {{ echo BITTEN; }}\n{script}", cwd=tmp_path)
    assert b"BITTEN" not in done.stdout + done.stderr.replace(b"touch bitten", b"")


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30))
def test_a_word_is_what_the_shell_hands_on(value: str) -> None:
    done = bash(f"printf %s {word(value)}")
    assert done.stdout.decode() == value
    assert "\n" not in word(value)


def test_promotion_takes_the_mirror_away_and_gives_the_subjects(evaluation: Evaluation) -> None:
    chosen = evaluation.recommended
    procedure = chosen.procedures[Fault.REGION]
    step = next(s for s in procedure.steps if s.verb is Verb.PROMOTE_STREAMS)
    found = commands(ManualContext(chosen.deployment, procedure, "", Fault.REGION), step)
    assert len(found) == 2 * len(chosen.deployment.system.nats[0].streams)
    assert "del(.mirror, .mirror_direct)" in found[0]
    assert '.subjects = ["events.>"]' in found[1]
    assert all("--context us-west-2" in line for line in found)


def test_of_a_stretched_cluster_no_step_asks_the_region_that_is_lost(evaluation: Evaluation) -> None:
    """One cluster answers in each region; where nothing runs, no sequence is recorded and no write is proven."""
    stretched = next(one for one in evaluation.assessments if one.strategy.link is Link.STRETCH)
    procedure = stretched.procedures[Fault.REGION]
    for verb in (Verb.RECORD_STATE, Verb.VERIFY_PATH):
        step = next(step for step in procedure.steps if step.verb is verb)
        typed = commands(ManualContext(stretched.deployment, procedure, "us-west-2", Fault.REGION), step)
        assert any("--context us-west-2" in line for line in typed)
        assert [line for line in typed if "--context us-east-1" in line] == []


def test_records_with_health_checks_are_not_overwritten_by_a_plain_one(evaluation: Evaluation) -> None:
    """Route 53 refuses a plain record beside them, and an inverted check passes where the region is down."""
    by_switch = {one.strategy.switch: one.deployment for one in evaluation.assessments}
    for switch in (Switch.FAILOVER_RECORD, Switch.WEIGHTED):
        (steps,) = steps_for(by_switch[switch])
        typed = "\n".join((*steps.look, *steps.change))
        assert "UPSERT" not in typed
        assert "--inverted" not in typed
        assert "--disabled" not in typed, "a check that is disabled passes"
        assert "SetIdentifier==`us-east-1`" in typed
        assert typed.count("update-health-check") == 1
    assert len(steps_for(by_switch[Switch.DNS])) == 2
    nameless = evolve(by_switch[Switch.WEIGHTED], traffic=evolve(by_switch[Switch.WEIGHTED].traffic, host=""))
    assert steps_for(nameless) == ()


def test_dns_commands_name_record_and_ttl_and_hold_no_secret() -> None:
    route53, cloudflare = dns_steps(Traffic(host="api.kgents.io"))
    assert '"Name": "api.kgents.io"' in route53.change[0]
    assert '"TTL": 60' in route53.change[0]
    assert "Bearer $CLOUDFLARE_API_TOKEN" in cloudflare.change[0]
    assert "ttl: 60" in cloudflare.change[0]
