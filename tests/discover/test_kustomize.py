"""Kustomizations: what belongs to them, what they change, and what is wrong with them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from manifest_tree import discovered, write

from secondsite.discover.files import find
from secondsite.discover.manifests import discover
from secondsite.discover.resources import Resource
from secondsite.discover.yaml_source import Plain, load_documents, to_plain
from secondsite.model.errors import InputError
from secondsite.model.place import Place

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 2
  selector:
    matchLabels: {app: web}
  template:
    metadata:
      labels: {app: web}
    spec:
      containers:
        - name: web
          image: shop/web:1.0
          envFrom:
            - configMapRef: {name: settings}
          env:
            - {name: MODE, value: plain}
            - {name: LEVEL, value: info}
        - name: helper
          image: shop/helper:1.0
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
data:
  A: "1"
"""
OVERLAY = """
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: shop
namePrefix: eu-
nameSuffix: -v1
resources: [../base]
components: [../spread]
labels:
  - pairs: {team: shop}
    includeSelectors: true
images:
  - {name: shop/web, newName: mirror/web, newTag: "2.0"}
  - {name: shop/helper, digest: sha256:abc}
replicas:
  - {name: web, count: 5}
commonAnnotations: {owner: shop}
configMapGenerator:
  - name: extra
    literals: [B=2]
    files: [note.txt, renamed=note.txt]
generatorOptions:
  disableNameSuffixHash: true
patches:
  - path: patch.yaml
  - target: {kind: Deployment, name: w.*}
    patch: |
      - op: replace
        path: /spec/template/spec/containers/0/env/1/value
        value: debug
      - op: add
        path: /spec/template/spec/containers/0/env/-
        value: {name: ADDED, value: "yes"}
  - patch: |
      apiVersion: v1
      kind: ConfigMap
      metadata: {name: settings}
      data: {A: null, C: "3"}
"""
PATCH = """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  minReadySeconds: 5
  template:
    spec:
      containers:
        - name: web
          resources:
            limits: {memory: 64Mi}
          env:
            - {name: MODE, value: patched}
        - name: helper
          $patch: delete
"""
COMPONENT = """
apiVersion: kustomize.config.k8s.io/v1alpha1
kind: Component
patches:
  - target: {kind: Deployment}
    patch: |
      - {op: add, path: /spec/revisionHistoryLimit, value: 2}
"""
TREE = {
    "base/kustomization.yaml": "resources: [web.yaml]\n",
    "base/web.yaml": DEPLOYMENT,
    "spread/kustomization.yaml": COMPONENT,
    "prod/kustomization.yaml": OVERLAY,
    "prod/patch.yaml": PATCH,
    "prod/note.txt": "hello\n",
}


def resources(root: Path, files: dict[str, str], *, kubectl: bool = False) -> list[Resource]:
    return find([write(root, files)], root, kubectl=kubectl).resources


def named(found: list[Resource], kind: str, name: str) -> Resource:
    (one,) = [resource for resource in found if (resource.kind, resource.name) == (kind, name)]
    return one


def test_an_overlay_changes_what_it_names(tmp_path: Path) -> None:
    found = resources(tmp_path, TREE)
    web = named(found, "Deployment", "eu-web-v1")
    containers = web.spec.dig("template", "spec")["containers"].items
    assert web.namespace == "shop"
    assert web.spec["replicas"].whole == 5
    assert web.spec["minReadySeconds"].whole == 5
    assert web.spec["revisionHistoryLimit"].whole == 2
    assert [container["image"].text for container in containers] == ["mirror/web:2.0"]
    assert {item["name"].text: item["value"].text for item in containers[0]["env"].items} == {
        "MODE": "patched",
        "LEVEL": "debug",
        "ADDED": "yes",
    }
    assert containers[0]["envFrom"].items[0]["configMapRef"]["name"].text == "eu-settings-v1"
    assert to_plain(named(found, "ConfigMap", "eu-settings-v1").top["data"].node) == {"C": "3"}
    assert to_plain(named(found, "ConfigMap", "eu-extra-v1").top["data"].node) == {
        "B": "2",
        "note.txt": "hello\n",
        "renamed": "hello\n",
    }


def test_what_was_changed_stands_where_it_was_changed(tmp_path: Path) -> None:
    web = named(resources(tmp_path, TREE), "Deployment", "eu-web-v1")
    container = web.spec.dig("template", "spec")["containers"][0]
    assert container["image"].place == Place("prod/kustomization.yaml", 12, 51)
    assert container["env"][0]["value"].place == Place("prod/patch.yaml", 14, 35)
    assert container["env"][1]["value"].place == Place("prod/kustomization.yaml", 29)
    assert container["name"].place == Place("base/web.yaml", 14, 17)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tree", "example"])
def test_the_result_is_that_of_kustomize_itself(tmp_path: Path, kubectl: str, name: str) -> None:
    root = write(tmp_path, TREE) if name == "tree" else Path("examples/kgents/manifests").absolute()
    folder = root / "prod" if name == "tree" else root
    done = subprocess.run([kubectl, "kustomize", str(folder)], capture_output=True, text=True, timeout=120, check=True)
    theirs = [to_plain(node) for node in load_documents(done.stdout, "kubectl")]
    ours = [to_plain(resource.node) for resource in find([folder], root).resources]
    assert sorted(map(canonical, ours)) == sorted(map(canonical, theirs))


def canonical(value: Plain) -> str:
    """Maps without order; an empty namespace label or selector is told as it is."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{canonical(inner)}" for key, inner in sorted(value.items())) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    return repr(value)


@pytest.mark.usefixtures("kubectl")
def test_kubectl_gives_the_same_system(tmp_path: Path) -> None:
    found = resources(tmp_path, TREE, kubectl=True)
    assert {resource.name for resource in found} == {"eu-web-v1", "eu-settings-v1", "eu-extra-v1"}
    assert found[0].place.file == "kubectl kustomize prod"


def test_files_of_a_kustomization_are_read_once(tmp_path: Path) -> None:
    found = resources(tmp_path, {**TREE, "loose.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: loose}\n"})
    assert [(one.kind, one.name) for one in found if one.kind != "ConfigMap"] == [
        ("Deployment", "eu-web-v1"),
        ("Service", "loose"),
    ]


def test_two_overlays_of_one_base_have_to_be_told_apart(tmp_path: Path) -> None:
    other = {"test/kustomization.yaml": "namespace: test\nresources: [../base]\n"}
    root = write(tmp_path, {**TREE, **other})
    with pytest.raises(InputError, match="2 environments of one system: prod, test"):
        find([root], tmp_path)
    found = find([root], tmp_path, environments=("test",))
    assert [one.namespace for one in found.resources if one.kind == "Deployment"] == ["test"]


def test_a_remote_resource_is_noted_and_not_fetched(tmp_path: Path) -> None:
    files = {"kustomization.yaml": "resources:\n  - https://example.com/x.yaml\n  - github.com/a/b?ref=v1\n"}
    notes = find([write(tmp_path, files)], tmp_path).notes
    assert [note.split(":")[:2] for note in notes] == [["kustomization.yaml", "2"], ["kustomization.yaml", "3"]]


def told(root: Path, files: dict[str, str]) -> list[str]:
    with pytest.raises(InputError) as caught:
        discovered(root, files)
    return [str(problem) for problem in caught.value.problems]


def test_every_missing_part_is_told_with_its_line(tmp_path: Path) -> None:
    problems = told(
        tmp_path,
        {"kustomization.yaml": "resources:\n  - gone.yaml\n  - there.yaml\n", "there.yaml": "a: [\n"},
    )
    assert [problem.split(": ")[0] for problem in problems] == ["kustomization.yaml:2:5", "there.yaml:2:1"]


@pytest.mark.parametrize(
    ("patch", "what"),
    [
        ("- {op: replace, path: /spec/none, value: 1}", "names /spec/none, which does not exist"),
        ("- {op: remove, path: /spec/template/spec/containers/9}", "which does not exist|list of"),
        ("- {op: twist, path: /spec}", "'twist' is not a patch operation"),
        ("- {op: add, path: spec/x, value: 1}", "is not a path of a patch"),
        ("- {op: add, path: /spec/x}", "has no value"),
    ],
)
def test_a_patch_that_cannot_apply_is_an_error(tmp_path: Path, patch: str, what: str) -> None:
    kustomization = f"resources: [web.yaml]\npatches:\n  - target: {{kind: Deployment}}\n    patch: |\n      {patch}\n"
    with pytest.raises(InputError, match=what) as caught:
        discovered(tmp_path, {"web.yaml": DEPLOYMENT, "kustomization.yaml": kustomization})
    assert caught.value.problems[0].place.line == 5


def test_a_patch_of_nothing_is_an_error(tmp_path: Path) -> None:
    patch = "apiVersion: v1\nkind: Service\nmetadata: {name: gone}\n"
    files = {
        "web.yaml": DEPLOYMENT,
        "p.yaml": patch,
        "kustomization.yaml": "resources: [web.yaml]\npatches: [{path: p.yaml}]\n",
    }
    assert "matches no object" in told(tmp_path, files)[0]


def test_a_cycle_of_kustomizations_is_an_error_where_one_was_named(tmp_path: Path) -> None:
    files = {"a/kustomization.yaml": "resources: [../b]\n", "b/kustomization.yaml": "resources: [../a]\n"}
    with pytest.raises(InputError, match="is part of itself"):
        discover([write(tmp_path, files) / "a"], base=tmp_path)
    assert any("is part of itself" in str(problem) for problem in find([tmp_path], tmp_path).skipped)


def test_links_that_lead_in_a_circle_end(tmp_path: Path) -> None:
    root = write(tmp_path, {"a/web.yaml": DEPLOYMENT})
    for name in ("again", "and-again"):
        (root / "a" / name).symlink_to(root, target_is_directory=True)
    (root / "a" / "self.yaml").symlink_to("self.yaml")
    assert [one.kind for one in find([root], root).resources] == ["Deployment", "ConfigMap"]


def test_a_secret_generator_gives_keys_and_opens_no_file(tmp_path: Path) -> None:
    files = {
        "kustomization.yaml": "secretGenerator:\n  - {name: s, literals: [TOKEN=hunter2], files: [key.pem]}\n",
        "key.pem": "hunter2",
    }
    (secret,) = resources(tmp_path, files)
    assert to_plain(secret.top["data"].node) == {"TOKEN": "", "key.pem": ""}


CANNOT = {
    "nothing to merge": (
        "configMapGenerator:\n  - {name: a, behavior: merge, literals: [X=1]}\n",
        ":2:25: there is no ConfigMap 'a' to merge",
    ),
    "made twice": (
        "configMapGenerator:\n  - {name: a}\n  - {name: a}\n",
        ":3:12: there is a ConfigMap 'a' already; write `behavior: merge`",
    ),
    "no such file": ("configMapGenerator:\n  - {name: a, files: [k=gone]}\n", ":2:23: 'gone' does not exist"),
    "no such env file": ("configMapGenerator:\n  - {name: a, envs: [gone]}\n", ":2:22: cannot be read"),
    "no source": (
        "resources: [web.yaml]\nreplacements:\n  - {source: {kind: Service}, targets: []}\n",
        ":3:6: a replacement's source selects 0 objects",
    ),
    "no field to read": (
        "resources: [web.yaml]\nreplacements:\n  - {source: {kind: Deployment, fieldPath: spec.none}, targets: []}\n",
        ":3:44: Deployment web has no field 'spec.none'",
    ),
    "no part": (
        "resources: [web.yaml]\nreplacements:\n"
        "  - {source: {kind: Deployment, options: {delimiter: '-', index: 1}}, targets: []}\n",
        ":3:66: 'web' has no part 1; write 0 to 0",
    ),
    "no field to write": (
        "resources: [web.yaml]\nreplacements:\n  - source: {kind: Deployment}\n    targets:\n"
        "      - {select: {kind: ConfigMap}, fieldPaths: [data.NONE]}\n",
        ":5:50: ConfigMap settings has no field 'data.NONE'; correct the path, or write `create: true`",
    ),
    "no item to write": (
        "resources: [web.yaml]\nreplacements:\n  - source: {kind: Deployment}\n    targets:\n"
        "      - {select: {kind: Deployment}, fieldPaths: ['spec.template.spec.containers.[name=x].image']}\n",
        "has no field 'spec.template.spec.containers.[name=x].image'",
    ),
}


@pytest.mark.parametrize("case", CANNOT)
def test_what_kustomize_refuses_is_an_error_with_its_place(tmp_path: Path, case: str) -> None:
    text, says = CANNOT[case]
    problems = told(tmp_path, {"web.yaml": DEPLOYMENT, "kustomization.yaml": text})
    assert len(problems) == 1
    assert says in problems[0]


def test_a_secret_keeps_its_plain_name_and_gives_no_value_away(tmp_path: Path) -> None:
    """Its hash is of values that are not read; references name it plainly too."""
    kustomization = (
        "resources: [web.yaml]\nnamePrefix: eu-\nsecretGenerator:\n"
        "  - {name: s, envs: [a.env], literals: [TOKEN=hunter2], type: kubernetes.io/tls}\n"
        "replacements:\n  - source: {kind: Secret, name: s, fieldPath: data.TOKEN}\n    targets:\n"
        "      - {select: {kind: ConfigMap}, fieldPaths: [data.A]}\n"
    )
    text = DEPLOYMENT.replace("configMapRef: {name: settings}", "secretRef: {name: s}")
    found = resources(tmp_path, {"web.yaml": text, "kustomization.yaml": kustomization, "a.env": "PASSWORD=hunter2\n"})
    secret, web = named(found, "Secret", "eu-s"), named(found, "Deployment", "eu-web")
    assert to_plain(secret.top["data"].node) == {"PASSWORD": "", "TOKEN": ""}
    assert secret.top["type"].text == "kubernetes.io/tls"
    assert web.spec.dig("template", "spec")["containers"][0]["envFrom"][0]["secretRef"]["name"].text == "eu-s"
    assert to_plain(named(found, "ConfigMap", "eu-settings").top["data"].node) == {"A": "1"}
    assert "hunter2" not in repr([to_plain(one.node) for one in found])


def test_a_generated_nats_conf_is_read_with_its_own_lines(tmp_path: Path) -> None:
    kustomization = "resources: [nats.yaml]\nconfigMapGenerator:\n  - {name: nats-config, files: [nats.conf]}\n"
    nats = """apiVersion: apps/v1
kind: StatefulSet
metadata: {name: nats}
spec:
  serviceName: nats
  replicas: 3
  template:
    spec:
      containers:
        - name: nats
          image: nats:2.10
          args: ["-c", "/etc/nats/nats.conf"]
          volumeMounts: [{name: config, mountPath: /etc/nats}]
      volumes:
        - {name: config, configMap: {name: nats-config}}
"""
    conf = "port: 4222\njetstream {\n  store_dir: /data\n  max_file_store: 7Gi\n}\n"
    files = {"kustomization.yaml": kustomization, "nats.yaml": nats, "nats.conf": conf}
    system = discovered(tmp_path, files).system
    (cluster,) = system.nats
    assert cluster.max_file_bytes == 7 * 2**30
    place = system.place(f"nats.{cluster.name}.max_file")
    assert (place.file, place.line) == ("nats.conf", 4)


def test_a_file_that_is_no_text_leaves_the_rest(tmp_path: Path) -> None:
    write(tmp_path, {"kustomization.yaml": "configMapGenerator:\n  - {name: a, files: [b.bin], literals: [X=1]}\n"})
    (tmp_path / "b.bin").write_bytes(b"\xff\x00")
    found = find([tmp_path], tmp_path)
    assert [note.split(": ")[1] for note in found.notes] == ["b.bin is not text and was left out"]
    assert to_plain(found.resources[0].top["data"].node) == {"X": "1"}


def test_a_scaffold_that_lists_nothing_that_is_there_is_no_reason_to_read_nothing(tmp_path: Path) -> None:
    found = discovered(
        tmp_path,
        {
            "kustomization.yaml": "resources: [operator_v1alpha1_sample.yaml]\n",
            "sample.yaml": """
                apiVersion: apps/v1
                kind: Deployment
                metadata: {name: shop}
                spec: {replicas: 1, template: {spec: {containers: [{name: shop, image: example.org/shop:1}]}}}
                """,
        },
    )
    assert [service.name for service in found.system.services] == ["shop"]
    assert any("does not exist" in problem.what for problem in found.skipped)
    assert any("lists files that do not exist" in note for note in found.notes)
