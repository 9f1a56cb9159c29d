"""What people's folders hold beside manifests: nothing that nobody named is fatal, and unknown is a value."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest
from command import secondsite

from cases import ASSUMED, CASES, READ, case, mark_of, only_cluster
from secondsite.discover.manifests import discover
from secondsite.model.errors import InputError

GI = 2**30
SKIPPED = (
    *("D-ansible", "D-cfn-tags", "D-comment-only", "D-complexkey", "D-compose", "D-dupkey", "D-gotmpl"),
    *("D-kind-config", "D-kubeconfig", "D-kustcfg", "D-kuttl", "D-mkdocs-tags", "D-noapiversion", "D-nokind"),
    *("D-openapi", "D-skaffold", "D-tabs", "D-utf16", "D-values"),
)


@pytest.mark.parametrize("name", SKIPPED)
def test_what_is_no_manifest_is_skipped_and_the_rest_is_read(name: str) -> None:
    found = case(name)
    assert only_cluster(found).max_file_bytes == 15 * GI
    assert len(found.skipped) == 1
    assert not found.skipped[0].place.file.endswith("nats.yaml")


@pytest.mark.parametrize("name", ["D-complexkey", "D-dupkey", "D-gotmpl", "D-kubeconfig", "D-utf16"])
def test_the_same_file_named_by_itself_is_an_error(name: str) -> None:
    (file,) = [path for path in (CASES / name).iterdir() if path.name != "nats.yaml"]
    with pytest.raises(InputError):
        discover([file], base=CASES)


@pytest.mark.parametrize("name", ["D-empty", "D-eksctl", "D-helmtest", "D-crlf", "D-generateName", "D-cron-every"])
def test_valid_files_are_read_without_a_word(name: str) -> None:
    found = case(name)
    assert only_cluster(found).max_file_bytes == 15 * GI
    assert (found.skipped, found.unread) == ((), ())


@pytest.mark.parametrize(
    ("name", "path", "what"),
    [
        ("D-badqty", "services.tool.memory_request", "'1gb' is not a size"),
        ("D-negrepl", "services.tool.replicas", "'${REPLICAS}' is not a whole number"),
        ("D-envsubst-port", "services.tool.ports", "'${PORT}' is not a whole number"),
        ("D-cron-tpl", "backups.db-dump.interval", "'${CRON}' is not a cron schedule"),
    ],
)
def test_a_value_that_cannot_be_read_is_unknown_and_the_object_is_read(name: str, path: str, what: str) -> None:
    found = case(name)
    mark = mark_of(found, path)
    assert (mark.origin, mark.why) == (ASSUMED, what)
    assert [problem.what for problem in found.unread] == [what]
    assert {service.image for service in found.system.services} >= {"x"}


def test_a_variable_within_braces_is_unknown_at_its_place(tmp_path: Path) -> None:
    """YAML ends the value at the brace; `envsubst` has replaced it before anybody parses it."""
    text = """
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: tool, labels: {of: "${TEAM}"}}
        spec: {replicas: ${REPLICAS}, template: {spec: {containers: [{name: tool, image: x:${TAG}}]}}}
    """
    (tmp_path / "tool.yaml").write_text(dedent(text))
    found = discover([tmp_path], base=tmp_path)
    assert found.skipped == ()
    assert [problem.what for problem in found.unread] == ["'${REPLICAS}' is not a whole number"]
    assert [(one.name, one.image) for one in found.system.services] == [("tool", "x:${TAG}")]


def test_a_time_zone_in_a_schedule_is_valid() -> None:
    found = case("D-cron-tz")
    assert mark_of(found, "backups.db-dump.interval").origin is READ


def test_skipped_files_are_counted_in_one_line_and_listed_when_asked(tmp_path: Path) -> None:
    arguments = ("init", str(CASES / "D-dupkey"), "--file", str(tmp_path / "secondsite.yaml"), "--yes")
    told, _ = secondsite(*arguments)
    assert [line for line in told.splitlines() if line.startswith("skipped")]
    counted, listed = (" ".join(text.split()) for text in (told, secondsite(*arguments, "--verbose")[0]))
    assert "is written twice" not in counted
    assert "is written twice" in listed


def test_what_a_pattern_excludes_is_not_read() -> None:
    found = case("D-badqty", exclude=("d.yaml",))
    assert found.system.service("tool") is None
    assert found.unread == ()


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("Y2-octal-bool", "nats.nats.servers", 8),
        ("Y2-octal-bool", "services.api.replicas", 3),
        ("Y5-octal", "nats.nats.servers", 8),
        ("Y1-anchors", "services.api.replicas", 3),
        ("Y4-list-in-list", "nats.nats.servers", 3),
        ("Y7-bom", "nats.nats.servers", 3),
        ("G1-kubectl-get-yaml", "nats.nats.servers", 3),
        ("G2-json-folder", "services.api.replicas", 2),
    ],
)
def test_yaml_is_read_as_kubectl_reads_it(name: str, path: str, value: int) -> None:
    from secondsite.model.stated import value_at

    found = case(name)
    assert value_at(found.system, path) == value
    assert mark_of(found, path).origin is READ


def test_yes_is_true() -> None:
    assert case("K3-velero-yes-no").system.backups[0].content == "resources"
    assert case("Y6-optional-yes").system.service("web") is not None
