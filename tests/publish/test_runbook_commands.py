"""What the runbook tells to type: a shell takes every line, and names are words, never syntax."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondsite.evaluate.evaluation import Evaluation
from secondsite.model.fault import Fault
from secondsite.model.procedure import Verb
from secondsite.model.traffic import Traffic
from secondsite.operate.action import ManualContext
from secondsite.operate.shell import word
from secondsite.operate.verbs import commands
from secondsite.publish.runbook.dns_commands import dns_steps
from secondsite.publish.runbook.remedies import remedy

Rename = Callable[[Evaluation, Callable[[str], str]], Evaluation]


def every_command(evaluation: Evaluation) -> list[str]:
    found: list[str] = []
    for assessment in evaluation.assessments:
        chapters = [*assessment.procedures.items(), *([(None, assessment.failback)] if assessment.failback else [])]
        for fault, procedure in chapters:
            for step in procedure.steps:
                assert remedy(step)
                found += commands(ManualContext(assessment.deployment, procedure, "us-west-2", fault), step)
    for steps in dns_steps(evaluation.recommended.deployment.traffic):
        found += [*steps.look, *steps.change, *steps.check]
    return list(dict.fromkeys(found))


def bash(script: str, *flags: str, cwd: Path | None = None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["bash", *flags], input=script.encode(), capture_output=True, check=False, cwd=cwd)


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


def test_dns_commands_name_record_and_ttl_and_hold_no_secret() -> None:
    route53, cloudflare = dns_steps(Traffic(host="api.kgents.io"))
    assert '"Name": "api.kgents.io"' in route53.change[0]
    assert '"TTL": 60' in route53.change[0]
    assert "Bearer $CLOUDFLARE_API_TOKEN" in cloudflare.change[0]
    assert "ttl: 60" in cloudflare.change[0]
