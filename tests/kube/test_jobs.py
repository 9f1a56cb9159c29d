"""Jobs started through the door of a cluster, on a real kube-apiserver with RBAC: one each, and once.

No controller and no kubelet runs there, but for one test with the Job controller of Kubernetes itself. The others play
both: they patch a Job's status, make its pod, and answer the API server's request for the pod's log.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from attrs import evolve
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from identities import certificate
from kube_api import ADMIN, KubeApi, assets, kube_api
from nats_world import free_port, process
from operated_cluster import SHOP
from rights_page import block
from running_system import named

from secondsite.cli.__main__ import run
from secondsite.kube.cluster import ClusterConflictError, ClusterPlace, ClusterRefusedError
from secondsite.kube.jobs import JobOrigin, JobPhase, JobState, look, start, until_ended
from secondsite.kube.kubeconfig import context_of
from secondsite.model.errors import InputError
from secondsite.operate.cluster_jobs import RanJob, job_run, job_shown

pytestmark = pytest.mark.slow
OLD = "v1beta1"  # of the kube-apiserver here, 1.20
STARTER, STRANGER, NODE = "starter", "stranger", "node-1"
JOBS, CRON_JOBS = (f"/apis/batch/{one}/namespaces/{SHOP}/{kind}" for one, kind in (("v1", "jobs"), (OLD, "cronjobs")))
ORIGIN = JobOrigin(SHOP, "base-backup-1", "CronJob", "base-backup")
SAID = [f"line {number}" for number in range(30)]


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeApi]:
    folder, group = tmp_path_factory.mktemp("kube"), "rbac.authorization.k8s.io"
    with kube_api(folder, {STRANGER: "nobody", STARTER: "nobody"}) as made, _logs(folder) as port:
        made.create("/api/v1/namespaces", named("Namespace", SHOP))
        made.create("/api/v1/nodes", named("Node", NODE))
        status = {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
        }
        made.request("PATCH", f"/api/v1/nodes/{NODE}/status", {"status": status})
        for role in yaml.safe_load_all(block("yaml jobs")):
            made.create(f"/apis/{group}/v1/clusterroles", role)
        bound = {"kind": "ClusterRole", "name": "jobs", "apiGroup": group}
        subject = {"kind": "User", "name": STARTER, "apiGroup": group}
        binding = {"metadata": {"name": "jobs"}, "roleRef": bound, "subjects": [subject]}
        made.create(f"/apis/{group}/v1/namespaces/{SHOP}/rolebindings", binding)
        yield made


class _logs:  # noqa: N801 - used as a function
    """What a kubelet says of a container's log."""

    def __init__(self, folder: Path) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        (folder / "kubelet.key").write_bytes(key.private_bytes(pem, form, serialization.NoEncryption()))
        (folder / "kubelet.pem").write_bytes(certificate("kubelet", key, None).public_bytes(pem))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Log)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "kubelet.pem", folder / "kubelet.key")
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)

    def __enter__(self) -> int:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return int(self._server.server_address[1])

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Log(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = "\n".join(SAID).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def place(api: KubeApi) -> ClusterPlace:
    """With the rights of the page and no other; no Job, and a CronJob whose template no model of ours knows whole."""
    deleted(api, JOBS, CRON_JOBS, f"/api/v1/namespaces/{SHOP}/pods")
    api.create(CRON_JOBS, cron_job())
    return ClusterPlace(context_of(STARTER, api.folder / "config"), STARTER)


def deleted(api: KubeApi, *paths: str) -> None:
    """At once, without waiting for a controller that is not there."""
    for path in paths:
        api.request("DELETE", f"{path}?gracePeriodSeconds=0&propagationPolicy=Background")


def pod_spec() -> dict[str, Any]:
    containers = [{"name": "backup", "image": "backup:1", "args": ["push"], "env": [{"name": "MODE", "value": "full"}]}]
    return {"restartPolicy": "Never", "containers": containers}


def cron_job() -> dict[str, Any]:
    template = {"metadata": {"labels": {"team": "data"}}, "spec": pod_spec()}
    job = {"metadata": {"labels": {"of": "us"}}, "spec": {"backoffLimit": 2, "template": template}}
    spec = {"schedule": "0 3 * * *", "concurrencyPolicy": "Forbid", "jobTemplate": job}
    return named("CronJob", "base-backup", SHOP, f"batch/{OLD}", spec=spec)


def jobs(api: KubeApi) -> dict[str, Any]:
    return {one["metadata"]["name"]: one for one in json.loads(api.request("GET", JOBS))["items"]}


def ends(api: KubeApi, name: str, *, well: bool = True) -> None:
    """What the Job's controller and the kubelet would do."""
    at = "2026-01-01T00:00:00Z"
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": jobs(api)[name]["metadata"]["uid"]}
    labels = {"job-name": name}
    pod = {"metadata": {"name": f"{name}-x", "labels": labels, "ownerReferences": [owner]}}
    api.create(f"/api/v1/namespaces/{SHOP}/pods", {**pod, "spec": {**pod_spec(), "nodeName": NODE}})
    before, last = ("SuccessCriteriaMet", "Complete") if well else ("FailureTarget", "Failed")
    more = {} if well else {"reason": "BackoffLimitExceeded", "message": "Job has reached its limit"}
    conditions = [{"type": each, "status": "True", "lastTransitionTime": at, **more} for each in (before, last)]
    done = {"succeeded": 1, "completionTime": at} if well else {"failed": 3}
    api.request("PATCH", f"{JOBS}/{name}/status", {"status": {"startTime": at, "conditions": conditions, **done}})


async def waited(place: ClusterPlace, api: KubeApi, name: str, *, well: bool = True) -> Any:
    """The Job ends while it is waited for."""
    running = asyncio.create_task(job_run(place, evolve(ORIGIN, name=name), 30))
    async with asyncio.timeout(60):
        while name not in jobs(api):
            assert not running.done(), running
            await asyncio.sleep(0.05)
    await asyncio.to_thread(ends, api, name, well=well)
    return await running


@pytest.fixture
def controller(api: KubeApi, tmp_path: Path) -> Iterator[None]:
    """The Job controller of Kubernetes itself, where the program is there."""
    program = (assets() or Path()) / "kube-controller-manager"
    if not program.exists():
        pytest.skip("no kube-controller-manager beside the kube-apiserver in KUBEBUILDER_ASSETS")
    config = json.loads((api.folder / "config").read_text())
    (tmp_path / "config").write_text(json.dumps({**config, "current-context": ADMIN}))
    port = free_port()
    listens = ("--address=127.0.0.1", f"--port={port}", "--secure-port=0")
    flags = (*listens, "--leader-elect=false", "--controllers=job")
    with process(program, "--kubeconfig", tmp_path / "config", *flags, port=port):
        yield


def test_the_controller_of_kubernetes_makes_its_pod_and_ends_it(
    api: KubeApi, place: ClusterPlace, controller: None
) -> None:
    """Only the kubelet is played: the pod's phase is what it would say."""
    pods = f"/api/v1/namespaces/{SHOP}/pods"

    async def ended() -> RanJob:
        running = asyncio.create_task(job_run(place, ORIGIN, 60))
        async with asyncio.timeout(30):
            while not (items := json.loads(await asyncio.to_thread(api.request, "GET", pods))["items"]):
                assert not running.done(), running
                await asyncio.sleep(0.05)
        (pod,) = items
        name = pod["metadata"]["name"]
        binding = {"metadata": {"name": name}, "target": {"kind": "Node", "name": NODE}}
        await asyncio.to_thread(api.create, f"{pods}/{name}/binding", binding)
        await asyncio.to_thread(api.request, "PATCH", f"{pods}/{name}/status", {"status": {"phase": "Succeeded"}})
        return await running

    ran = asyncio.run(ended())
    assert (ran.state.phase, ran.code) == (JobPhase.COMPLETE, 0)
    assert list(ran.log.lines) == SAID[-20:]
    assert jobs(api)[ORIGIN.name]["status"]["succeeded"] == 1


def of(place: ClusterPlace, origin: JobOrigin = ORIGIN) -> JobState:
    async def looked() -> JobState:
        async with place.open() as cluster:
            return await look(cluster, origin)

    return asyncio.run(looked())


def begun(place: ClusterPlace, expected: JobState) -> JobState:
    async def tried() -> JobState:
        async with place.open() as cluster:
            return await start(cluster, expected)

    return asyncio.run(tried())


def test_it_is_rehearsed_then_runs_once_from_the_whole_template(api: KubeApi, place: ClusterPlace) -> None:
    assert asyncio.run(job_shown(place, ORIGIN)).phase is JobPhase.ABSENT
    assert jobs(api) == {}  # the API server only rehearsed it
    ran = asyncio.run(waited(place, api, ORIGIN.name))
    assert (ran.state.phase, ran.code) == (JobPhase.COMPLETE, 0)
    assert list(ran.log.lines) == SAID[-20:]
    made = jobs(api)[ORIGIN.name]
    wanted = json.loads(api.request("GET", f"{CRON_JOBS}/base-backup"))
    spec = wanted["spec"]["jobTemplate"]["spec"]
    assert made["spec"]["template"]["spec"] == spec["template"]["spec"]
    assert made["spec"]["backoffLimit"] == 2
    assert made["metadata"]["labels"]["of"] == "us"
    assert made["metadata"]["ownerReferences"][0]["uid"] == wanted["metadata"]["uid"]
    again = asyncio.run(job_run(place, ORIGIN, 30))
    assert again.state.uid == ran.state.uid == made["metadata"]["uid"]
    assert again.was.phase is JobPhase.COMPLETE
    assert set(jobs(api)) == {ORIGIN.name}


def test_one_that_failed_says_why(api: KubeApi, place: ClusterPlace) -> None:
    ran = asyncio.run(waited(place, api, ORIGIN.name, well=False))
    assert (ran.state.phase, ran.code) == (JobPhase.FAILED, 1)
    assert ran.state.why == "BackoffLimitExceeded: Job has reached its limit"


def test_the_wait_is_bounded_and_the_job_goes_on(api: KubeApi, place: ClusterPlace) -> None:
    first = asyncio.run(job_run(place, ORIGIN, 0.1))
    assert (first.state.phase, first.code) == (JobPhase.RUNNING, 3)
    assert first.log.unreadable == "it has no pod"
    second = asyncio.run(job_run(place, ORIGIN, 0.1))
    assert second.was.phase is JobPhase.RUNNING
    assert second.state.uid == first.state.uid


def test_who_was_ahead_with_the_name_is_taken_up_or_refused(api: KubeApi, place: ClusterPlace) -> None:
    expected = of(place)
    theirs = begun(place, of(place))
    assert begun(place, expected).uid == theirs.uid == jobs(api)[ORIGIN.name]["metadata"]["uid"]
    deleted(api, JOBS)
    api.create(JOBS, {"metadata": {"name": ORIGIN.name}, "spec": {"template": {"spec": pod_spec()}}})
    with pytest.raises(ClusterRefusedError, match="was not made of CronJob shop/base-backup"):
        begun(place, expected)


def test_a_template_that_changed_since_it_was_looked_at_is_not_started(api: KubeApi, place: ClusterPlace) -> None:
    expected = of(place)
    patch = {"spec": {"jobTemplate": {"spec": {"backoffLimit": 5}}}}
    api.request("PATCH", f"{CRON_JOBS}/base-backup", patch)
    with pytest.raises(ClusterConflictError, match="read it again"):
        begun(place, expected)
    assert jobs(api) == {}


def test_one_that_the_cron_job_runs_forbids_a_second(api: KubeApi, place: ClusterPlace) -> None:
    path = f"{CRON_JOBS}/base-backup/status"
    api.request("PATCH", path, {"status": {"active": [{"kind": "Job", "name": "base-backup-287", "namespace": SHOP}]}})
    with pytest.raises(ClusterRefusedError, match="base-backup-287 runs"):
        asyncio.run(job_shown(place, ORIGIN))


def test_one_that_is_made_anew_meanwhile_is_told(api: KubeApi, place: ClusterPlace) -> None:
    started = begun(place, of(place))
    deleted(api, JOBS)
    assert begun(place, of(place)).uid != started.uid

    async def waits() -> None:
        async with place.open() as cluster:
            await until_ended(cluster, started, 20)

    with pytest.raises(ClusterConflictError, match="another one has its name"):
        asyncio.run(waits())


def test_a_job_that_was_deployed_is_run_as_a_copy(api: KubeApi, place: ClusterPlace) -> None:
    copy = JobOrigin(SHOP, "migrate-2", "Job", "migrate")
    with pytest.raises(InputError, match="Job shop/migrate does not exist"):
        of(place, copy)
    template = {"metadata": {"labels": {"team": "data"}}, "spec": pod_spec()}
    api.create(JOBS, {"metadata": {"name": "migrate"}, "spec": {"backoffLimit": 1, "template": template}})
    assert begun(place, of(place, copy)).phase is JobPhase.RUNNING
    first, second = (jobs(api)[name] for name in ("migrate", "migrate-2"))
    assert second["spec"]["backoffLimit"] == 1
    assert second["spec"]["template"]["spec"] == first["spec"]["template"]["spec"]
    assert second["spec"]["template"]["metadata"]["labels"]["team"] == "data"
    own = second["spec"]["selector"]["matchLabels"]["controller-uid"]
    assert own == second["metadata"]["uid"] != first["metadata"]["uid"]  # no pod counts for both
    assert begun(place, of(place, copy)).uid == own


def test_who_may_not_is_told_which_right_is_missing(api: KubeApi, place: ClusterPlace) -> None:
    stranger = ClusterPlace(context_of(STRANGER, api.folder / "config"), STRANGER)
    with pytest.raises(ClusterRefusedError, match=r"create jobs\.batch in shop"):
        asyncio.run(job_shown(stranger, ORIGIN))
    another = JobOrigin(SHOP, "another-1", "CronJob", "another")
    with pytest.raises(ClusterRefusedError, match=r"no permission: get cronjobs\.batch another in shop"):
        asyncio.run(job_shown(place, another))
    assert jobs(api) == {}


def test_the_verb_shows_before_it_does(
    api: KubeApi, place: ClusterPlace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "secondsite.yaml"
    kube = f"{{kubeconfig: file:{api.folder / 'config'}, context: {STARTER}}}"
    file.write_text(
        "schema: secondsite/system/1\nname: shop\nregion: {provider: aws, name: us-east-1}\n"
        f"operate:\n  places:\n    - {{region: us-east-1, kube: {kube}}}\n"
    )
    where = ["us-east-1", f"cronjob/{SHOP}/base-backup"]
    verb = ["operate", "job", *where, "--as", ORIGIN.name, "--file", str(file)]
    assert run(verb) == 0
    assert "--apply starts it" in capsys.readouterr().out
    assert jobs(api) == {}
    assert run([*verb, "--apply", "--within", "0.1"]) == 3
    assert "goes on" in capsys.readouterr().out
    ends(api, ORIGIN.name)
    assert run([*verb, "--apply"]) == 0
    out = capsys.readouterr().out
    assert "had ended before and was not started" in " ".join(out.split())
    assert "line 29" in out
    copy = ["us-east-1", f"job/{SHOP}/x", "--as", "x"]
    for wrong in (["us-west-2", where[1], "--as", "x"], where, ["us-east-1", "pod/shop/x", "--as", "x"], copy):
        assert run(["operate", "job", *wrong, "--file", str(file)]) == 2
