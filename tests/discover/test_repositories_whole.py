"""What the roots of other people's repositories taught: many things of one kind, and things that are not read."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import secondsite

from secondsite.audit.registry import audit
from secondsite.discover.manifests import Discovery, discover

APP = """
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: shop}}
spec: {{template: {{spec: {{containers: [{{name: app, image: "example.org/{name}:1"}}]}}}}}}
"""


def _read(folder: Path, files: dict[str, str], *environments: str) -> Discovery:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return discover([folder], base=folder, environments=environments)


def _said(folder: Path, *options: str, code: int = 0) -> str:
    file = folder.parent / f"{folder.name}{len(options)}.yaml"
    return " ".join("".join(secondsite("init", str(folder), "--file", str(file), *options, code=code)).split())


def test_many_charts_are_one_note(tmp_path: Path) -> None:
    charts = {f"charts/{name}/Chart.yaml": f"name: {name}\nversion: 1.0.0\n" for name in "abcdef"}
    notes = _read(tmp_path, {"app.yaml": APP.format(name="desk"), **charts}).notes
    about = [note for note in notes if "Helm chart" in note]
    assert len(about) == 1
    assert about[0].startswith(
        "6 Helm charts, whose templates were not rendered: charts/a, charts/b, charts/c and 3 more;"
    )


@pytest.mark.parametrize(
    ("file", "text", "note"),
    [
        (
            "main.tf",
            'resource "helm_release" "x" {\n  chart = "nats"\n}\n',
            "1 Terraform file is not read, and main.tf:2 ",
        ),
        ("bus.hcl", 'job "bus" {\n  type = "service"\n}\n', "1 Nomad job file is not read; `init --nats URL`"),
        ("Pulumi.yaml", "name: x\nruntime: nodejs\n", "1 Pulumi project is not read; `init --kube CONTEXT`"),
        ("terragrunt.hcl", "inputs = {}\n", "1 Terragrunt file is not read; "),
    ],
)
def test_what_other_languages_describe_is_told(tmp_path: Path, file: str, text: str, note: str) -> None:
    found = _read(tmp_path, {"app.yaml": APP.format(name="desk"), file: text})
    assert [each for each in found.notes if each.startswith(note)]


def test_a_folder_of_another_language_alone_says_which(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text('resource "helm_release" "nats" {}\n')
    said = _said(tmp_path, code=2)
    assert "has no YAML or JSON files in it; 1 Terraform file is not read, and " in said
    assert "main.tf:1 names NATS" in said


def test_a_shell_that_is_no_part_of_the_system_is_not_told(tmp_path: Path) -> None:
    found = _read(tmp_path, {"app.yaml": APP.format(name="desk"), "shell.nix": "{ }\n", "lock.hcl": "provider {}\n"})
    assert not [note for note in found.notes if "not read" in note]


SCRIPT = "nats stream add {name} --subjects '{name}.>' --storage file --defaults\n"


def test_two_scripts_of_one_name_are_both_read(tmp_path: Path) -> None:
    scripts = {f"{part}/setup.sh": SCRIPT.format(name=part) for part in ("one", "two")}
    found = _read(tmp_path, {"app.yaml": APP.format(name="desk"), **scripts})
    assert {stream.name for cluster in found.system.nats for stream in cluster.streams} == {"one", "two"}


def test_scripts_alone_are_read(tmp_path: Path) -> None:
    found = _read(tmp_path, {"setup.sh": SCRIPT.format(name="ONE")})
    assert [stream.name for cluster in found.system.nats for stream in cluster.streams] == ["ONE"]


def test_what_changes_nothing_is_not_told_to_be_there_twice(tmp_path: Path) -> None:
    issuer = "apiVersion: cert-manager.io/v1\nkind: ClusterIssuer\nmetadata: {name: own}\n"
    space = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n"
    twice = {f"{part}/all.yaml": f"{issuer}---\n{space}" for part in ("one", "two")}
    assert not _read(tmp_path, {"app.yaml": APP.format(name="desk"), **twice}).notes


def test_a_compose_file_beside_manifests_is_told(tmp_path: Path) -> None:
    compose = "services:\n  web:\n    image: example.org/web:1\n"
    notes = _read(tmp_path, {"k8s/app.yaml": APP.format(name="desk"), "docker-compose.yml": compose}).notes
    assert notes == (
        "not read, as Kubernetes files are there too: docker compose in docker-compose.yml; name it instead to read it",
    )


HPA = """
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {{name: {name}, namespace: shop}}
spec: {{scaleTargetRef: {{kind: Deployment, name: {name}}}, minReplicas: 2, maxReplicas: 6}}
"""


def test_many_controllers_are_one_note_and_all_of_them_are_kept(tmp_path: Path) -> None:
    names = ("a", "b", "c", "d", "e")
    found = _read(tmp_path, {f"{name}.yaml": f"{APP.format(name=name)}---{HPA.format(name=name)}" for name in names})
    about = [note for note in found.notes if "revert" in note]
    assert len(about) == 1
    assert "this and 4 more HorizontalPodAutoscalers revert what a failover changes" in about[0]
    assert len(found.reconcilers) == 5


OF_OTHERS = """
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: cert-manager, namespace: cert-manager}
spec: {chart: {spec: {chart: cert-manager}}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: cert-manager, namespace: flux-system}
spec: {path: ./infra/cert-manager}
---
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: metallb, namespace: argocd}
spec: {source: {chart: metallb, repoURL: https://example.com}, syncPolicy: {automated: {selfHeal: true}}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: gone, namespace: shop}
spec: {scaleTargetRef: {kind: Deployment, name: gone}, minReplicas: 2, maxReplicas: 6}
"""


def test_a_controller_that_deploys_nothing_of_the_system_reverts_nothing(tmp_path: Path) -> None:
    own = OF_OTHERS.replace("./infra/cert-manager", "./apps")
    assert not _read(tmp_path / "one", {"apps/app.yaml": APP.format(name="desk"), "flux.yaml": OF_OTHERS}).reconcilers
    found = _read(tmp_path / "two", {"apps/app.yaml": APP.format(name="desk"), "flux.yaml": own}).reconcilers
    assert [line for line in found if "flux-kustomization" in line]
    assert len(found) == 1


def test_the_kinds_that_are_most_often_ignored_are_told(tmp_path: Path) -> None:
    kinds = [f"apiVersion: x.example.com/v1\nkind: Kind{n:02}\nmetadata: {{name: a}}\n" for n in range(14)]
    (tmp_path / "all.yaml").write_text(APP.format(name="desk") + "---\n" + "---\n".join(kinds))
    short, whole = _said(tmp_path), _said(tmp_path, "--verbose")
    assert "1 Kind09.x.example.com, and 4 more kinds; --verbose lists them" in short
    assert "1 Kind13.x.example.com" in whole


def test_a_variable_within_a_word_is_told_without_its_name(tmp_path: Path) -> None:
    conf = "port: 4222\ncluster {\n  name: c\n  cluster_advertise: $ADVERTISE:6222\n}\n"
    (tmp_path / "nats.conf").write_text(conf)
    notes = discover([tmp_path / "nats.conf"], base=tmp_path).notes
    assert [note for note in notes if "this value is not known here: it begins with a variable" in note]
    assert not [note for note in notes if "…" in note]


CONFIGURED = """
apiVersion: v1
kind: ConfigMap
metadata: {name: streams}
data:
  ONE.json: '{"name": "ONE", "subjects": ["one.*"], "retention": "limits", "storage": "file", "num_replicas": 3}'
"""


def test_a_stream_whose_settings_stand_elsewhere_is_there(tmp_path: Path) -> None:
    adding = "nats stream add 'ONE' --subjects 'one.*' --config=/dev/stdin"
    script = f"while echo $CFG | base64 -d | {adding} | grep x\ndo\nsleep 1\ndone\n"
    found = _read(tmp_path, {"setup.sh": script})
    (stream,) = (stream for cluster in found.system.nats for stream in cluster.streams)
    assert (stream.name, stream.subjects) == ("ONE", ("one.*",))
    assert [problem.what for problem in found.unread] == [
        "adds the stream ONE with settings that are defined elsewhere"
    ]
    accused = {hazard.rule for hazard in audit(found.system)}
    assert not accused & {"nats-stream-single-replica", "nats-stream-unbounded"}
    for name in ("a.yaml", "z.yaml"):  # read before the script and after it
        (tmp_path / name).write_text(CONFIGURED)
        known = discover([tmp_path], base=tmp_path)
        assert known.unread == ()
        ((stream,),) = (cluster.streams for cluster in known.system.nats)
        assert (stream.replicas, stream.max_age_s) == (3, None)
        (tmp_path / name).unlink()
    (tmp_path / "setup.sh").write_text(SCRIPT.format(name="ONE"))
    plain = discover([tmp_path], base=tmp_path).system
    assert {hazard.rule for hazard in audit(plain)} >= {"nats-stream-single-replica", "nats-stream-unbounded"}
