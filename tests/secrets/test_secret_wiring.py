"""`operate: secrets:` of a file reaches the clusters that it names, in the verbs and in `verify-secrets`' refresh."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from kube_api import ADMIN, KubeApi, kube_api

from secondsite.cli.__main__ import run
from secondsite.discover.system_file.reading import load_system
from secondsite.model.errors import EXIT_BAD_INPUT, EXIT_DOES_NOT_HOLD, EXIT_HOLDS
from secondsite.model.secret import Secret
from secondsite.operate.secret_places import KEY, RECORDED

EXAMPLE = Path(__file__).parents[2] / "examples" / "kgents" / "secondsite.yaml"
SECRETS = load_system(EXAMPLE).secrets
HOME, AWAY = "us-east-1", "us-west-2"


@pytest.fixture(scope="module")
def kube(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeApi]:
    with kube_api(tmp_path_factory.mktemp("kube"), {}) as made:
        for namespace in sorted({one.namespace for one in SECRETS} - {"default"}):
            made.done(ADMIN, "create", "namespace", namespace)
        for one in SECRETS:
            _put(made, one, "s3cret")
        yield made


def _put(kube: KubeApi, one: Secret, value: str) -> None:
    document = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": one.name, "namespace": one.namespace}}
    values = {key: f"{value} {key}" for key in one.keys or ("any",)}
    kube.done(ADMIN, "apply", "-f", "-", stdin=json.dumps({**document, "stringData": values}))


def _file(folder: Path, operate: str) -> Path:
    path = folder / "secondsite.yaml"
    path.write_text(EXAMPLE.read_text(encoding="utf-8") + operate, encoding="utf-8")
    return path


def _operated(kube: KubeApi, secrets: str) -> str:
    config = kube.folder / "config"
    kube_of = f"kube: {{kubeconfig: 'file:{config}', context: {ADMIN}}}"
    places = "".join(f"    - {{region: {region}, {kube_of}}}\n" for region in (HOME, AWAY))
    return f"\noperate:\n  places:\n{places}  secrets: {secrets}\n"


def _said(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    whole = captured.out + captured.err
    assert "s3cret" not in whole
    return whole


@pytest.mark.slow
def test_recorded_while_it_lived_compared_when_it_is_gone(
    kube: KubeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(KEY, "ab" * 32)
    file = str(_file(tmp_path, _operated(kube, "{reference: kube}")))
    assert run(["secrets", "record", HOME, "--file", file]) == EXIT_HOLDS
    assert f"{len(SECRETS)} fingerprints" in _said(capsys)
    assert "s3cret" not in RECORDED.read_text(encoding="utf-8")
    file = str(_file(tmp_path, _operated(kube, "{reference: recorded}")))
    assert run(["secrets", "compare", AWAY, "--file", file]) == EXIT_HOLDS
    _said(capsys)
    rotated, gone, *others = SECRETS
    _put(kube, rotated, "s3cret of today")
    kube.done(ADMIN, "-n", gone.namespace, "delete", "secret", gone.name)
    assert run(["secrets", "compare", AWAY, "--file", file, "--json"]) == EXIT_DOES_NOT_HOLD
    words = {one.name: "the same" for one in others}
    assert json.loads(_said(capsys))["secrets"] == {**words, rotated.name: "differs", gone.name: "missing"}
    assert run(["secrets", "record", "eu-west-1", "--file", file]) == EXIT_BAD_INPUT
    assert "has no cluster" in _said(capsys)
    assert run(["secrets", "refresh", AWAY, "no-such", "--file", file]) == EXIT_BAD_INPUT
    assert "there is no no-such" in _said(capsys)


def test_what_is_not_said_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (KEY, "VAULT_ADDR", "VAULT_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for operate, named in (
        ("", "no method to compare secrets is configured"),
        ("\noperate:\n  secrets: {reference: kube}\n", f"operate.places.{HOME}.kube"),
        ("\noperate:\n  secrets: {reference: recorded}\n", f"env:{KEY} is not set"),
        ("\noperate:\n  secrets: {reference: vault}\n", "env:VAULT_ADDR is not set"),
    ):
        assert run(["secrets", "compare", AWAY, "--file", str(_file(tmp_path, operate))]) == EXIT_BAD_INPUT
        assert named in " ".join(_said(capsys).replace("│", " ").split())
