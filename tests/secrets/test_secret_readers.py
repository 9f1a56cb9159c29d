"""One suite for every place that holds secrets, on real servers: what a fingerprint says, and what never leaves."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from in_loop import in_loop
from kube_api import ADMIN, KubeApi, kube_api
from secret_servers import SecretServer, in_cluster, open_bao, secrets_manager

from secondsite.model.errors import InputError, MachineError
from secondsite.secrets.cluster import KubeSecrets
from secondsite.secrets.door import SecretPlaces
from secondsite.secrets.entry import SecretEntry, SecretsRefusedError
from secondsite.secrets.fingerprints import RunKey, fingerprint
from secondsite.secrets.recorded import key_of, read_recorded, record

pytestmark = pytest.mark.slow
KEY = b"k" * 32
VALUES = {"KEY": "s3cret-value", "USER": "app"}
SAME = fingerprint(KEY, {name: value.encode() for name, value in VALUES.items()})
ONE = SecretEntry("api-secrets")
STRANGER = "stranger"
CRD = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: externalsecrets.external-secrets.io}
spec:
  group: external-secrets.io
  scope: Namespaced
  names: {kind: ExternalSecret, plural: externalsecrets, singular: externalsecret}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
"""


@pytest.fixture(scope="module", autouse=True)
def credentials() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "nobody")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield


@pytest.fixture(scope="module")
def kube(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeApi]:
    with kube_api(tmp_path_factory.mktemp("kube"), {STRANGER: "none"}) as made:
        yield made


@pytest.fixture(scope="module", params=["kube", "vault", "aws"])
def server(request: pytest.FixtureRequest) -> Iterator[SecretServer]:
    if request.param == "kube":
        yield in_cluster(request.getfixturevalue("kube"), STRANGER)
        return
    with open_bao() if request.param == "vault" else secrets_manager() as made:
        yield made


@in_loop
async def test_a_fingerprint_is_of_the_values_and_of_nothing_else(server: SecretServer) -> None:
    server.put("api-secrets", VALUES)
    server.put("other", {**VALUES, "KEY": "another"})
    entries = (ONE, SecretEntry("other"), SecretEntry("gone"))
    found = await server.reader.fingerprints(entries, KEY)
    assert (found["api-secrets"], found["gone"]) == (SAME, "")
    assert found["other"] not in ("", SAME)
    assert (await server.reader.fingerprints(entries[:1], b"o" * 32))["api-secrets"] != SAME


@in_loop
async def test_only_the_keys_that_count_count_and_all_of_them_have_to_be_there(server: SecretServer) -> None:
    server.put("api-secrets", {**VALUES, "UNUSED": "differs everywhere"})
    counted, lacking = evolve(ONE, keys=("KEY", "USER")), evolve(ONE, keys=("KEY", "GONE"))
    assert (await server.reader.fingerprints([counted], KEY))["api-secrets"] == SAME
    assert (await server.reader.fingerprints([lacking], KEY))["api-secrets"] == ""
    twice = (counted, evolve(counted, namespace="elsewhere", remote="gone"))
    assert (await server.reader.fingerprints(twice, KEY))["api-secrets"] == ""  # one of two is no whole


@in_loop
async def test_a_refusal_and_silence_are_two_things_and_neither_is_an_answer(server: SecretServer) -> None:
    server.put("api-secrets", VALUES)
    with pytest.raises(SecretsRefusedError) as refused:
        await server.refused.fingerprints([ONE], KEY)
    with pytest.raises(MachineError, match="does not answer") as silent:
        await server.silent.fingerprints([ONE], KEY)
    assert not isinstance(silent.value, SecretsRefusedError)
    said = f"{refused.value} {silent.value} {server.reader!r} {server.reader.shown}"
    assert not [value for value in VALUES.values() if value in said and len(value) > 3]


@in_loop
async def test_no_value_is_logged(server: SecretServer, caplog: pytest.LogCaptureFixture) -> None:
    server.put("api-secrets", VALUES)
    caplog.set_level(0)
    await server.reader.fingerprints([ONE], KEY)
    assert VALUES["KEY"] not in caplog.text


def _external(kube: KubeApi, remote: str = "prod/api") -> None:
    spec: Mapping[str, Any] = {
        "target": {"name": "api-secrets"},
        "data": [{"secretKey": name, "remoteRef": {"key": remote, "property": name}} for name in VALUES],
    }
    kube.done(ADMIN, "apply", "-f", "-", stdin=CRD)
    for _ in range(50):
        document = {"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "metadata": {"name": "es"}}
        if kube.run(ADMIN, "apply", "-f", "-", stdin=json.dumps({**document, "spec": spec})).returncode == 0:
            return
        time.sleep(0.2)
    raise AssertionError("the kind is not served")


def _operator(kube: KubeApi, put: Any, values: Mapping[str, str], *, ready: str = "True") -> None:
    """What External Secrets does when it sees the annotation: reads the store, writes the Secret, says when."""
    for _ in range(100):
        found = json.loads(kube.done(ADMIN, "get", "externalsecret", "es", "-o", "json"))
        if "force-sync" in found["metadata"].get("annotations", {}):
            break
        time.sleep(0.1)
    put("api-secrets", values)
    condition = {"type": "Ready", "status": ready, "message": "the store is sealed" if ready == "False" else ""}
    patch = {"status": {"refreshTime": "2026-11-28T10:00:00Z", "conditions": [condition]}}
    kube.done(ADMIN, "patch", "externalsecret", "es", "--type=merge", "-p", json.dumps(patch))


@in_loop
async def test_a_refresh_ends_when_the_operator_says_so_and_not_when_it_was_asked(kube: KubeApi) -> None:
    """The reference is a store with names of its own; the region's cluster has an old value until it is refreshed."""
    cluster = in_cluster(kube, STRANGER)
    _external(kube)
    cluster.put("api-secrets", {**VALUES, "KEY": "old"})
    region = KubeSecrets(ADMIN, kube.folder / "config")
    with open_bao() as store:
        store.put("prod/api", VALUES)
        places = SecretPlaces((ONE,), store.reader, {"us-west-2": region}, refreshes=True, within_s=1.0)
        expected = await places.reference(KEY)
        assert expected == {"api-secrets": SAME}
        assert await places.fingerprints("us-west-2", KEY) != expected
        with pytest.raises(MachineError, match="no controller acted on it"):
            await places.refresh("us-west-2", ["api-secrets"])
        with ThreadPoolExecutor(1) as pool:
            acting = pool.submit(_operator, kube, cluster.put, VALUES)
            await evolve(places, within_s=20.0).refresh("us-west-2", ["api-secrets"])
            acting.result()
        assert await places.fingerprints("us-west-2", KEY) == expected
    _operator(kube, cluster.put, VALUES, ready="False")
    with pytest.raises(MachineError, match="the store is sealed"):
        await places.refresh("us-west-2", ["api-secrets"])
    with pytest.raises(InputError, match="eu-west-1"):
        await places.fingerprints("eu-west-1", KEY)


@in_loop
async def test_another_cluster_than_the_one_that_was_named_is_not_read(kube: KubeApi) -> None:
    uid = kube.done(ADMIN, "get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}")
    in_cluster(kube, STRANGER).put("api-secrets", VALUES)
    region = KubeSecrets(ADMIN, kube.folder / "config", uid)
    assert await region.fingerprints([ONE], KEY) == {"api-secrets": SAME}
    with pytest.raises(SecretsRefusedError, match="is the cluster"):
        await evolve(region, uid="another").fingerprints([ONE], KEY)


@in_loop
async def test_what_was_recorded_while_the_primary_lived_is_a_reference_when_it_is_gone(tmp_path: Path) -> None:
    key = key_of("0f" * 32, "env:KEY")
    path = tmp_path / "recorded.json"
    with secrets_manager() as server:
        server.put("api-secrets", VALUES)
        path.write_text(await record(server.reader, [ONE], key), encoding="utf-8")
        with pytest.raises(MachineError, match="gone"):
            await record(server.reader, [ONE, SecretEntry("gone")], key)
        recorded = read_recorded(path, key)
        found = await server.reader.fingerprints([ONE], key.secret)
        assert await recorded.fingerprints([ONE], key.secret) == found
        places = SecretPlaces((ONE,), recorded, {})
        assert places.run_key() == key
    assert VALUES["KEY"] not in path.read_text(encoding="utf-8")
    assert key.secret.hex() not in f"{path.read_text(encoding='utf-8')} {recorded!r}"
    with pytest.raises(InputError, match="another key"):
        read_recorded(path, RunKey(b"x" * 32))
    with pytest.raises(InputError, match="32 bytes"):
        key_of("00ff", "env:KEY")
