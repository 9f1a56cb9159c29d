"""Parts of other people's systems that were taken for something else: one small input a kind."""

from __future__ import annotations

from pathlib import Path

import pytest

from secondsite.audit.registry import audit
from secondsite.discover.manifests import Discovery, discover
from secondsite.model.backup import Where
from secondsite.model.secret import Kept
from secondsite.model.service import Role

WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, labels: {app: web}}
spec:
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - {name: web, image: "example.org/web:1", env: [{name: PUBLIC_URL, value: "https://shop.example.com/a"}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{port: 80}]}
"""
INGRESS = """
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: way-in}
spec:
  ingressClassName: nginx
  rules:
    - {host: shop.example.com, http: {paths: [{backend: {service: {name: web}}}]}}
    - {host: other.example.com, http: {paths: [{backend: {service: {name: web}}}]}}
"""


def _read(folder: Path, files: dict[str, str], *environments: str) -> Discovery:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return discover([folder], base=folder, environments=environments)


def _rules(found: Discovery) -> set[str]:
    return {hazard.rule for hazard in audit(found.system)}


def test_an_own_host_is_no_service_of_others(tmp_path: Path) -> None:
    text = WEB.replace("shop.example.com", "other.example.com")
    found = _read(tmp_path, {"web.yaml": text, "in.yaml": INGRESS})
    assert not found.system.external_services
    assert not [note for note in found.notes if "outside of the cluster" in note]


def test_a_way_in_without_a_namespace_leads_to_the_one_service_of_that_name(tmp_path: Path) -> None:
    system = _read(tmp_path, {"web.yaml": WEB, "in.yaml": INGRESS}).system
    assert system.gateways[0].routes_to == ("web",)
    assert [service.role for service in system.services] == [Role.API]


def test_of_two_services_of_one_name_none_is_guessed(tmp_path: Path) -> None:
    files = {"web.yaml": WEB, "other.yaml": WEB.replace("shop", "desk"), "in.yaml": INGRESS}
    assert not _read(tmp_path, files).system.gateways[0].routes_to


@pytest.mark.parametrize(
    ("image", "engine"),
    [
        ("clickhouse/clickhouse-server:24", "clickhouse"),
        ("minio/minio:latest", "minio"),
        ("opensearchproject/opensearch:2", "elasticsearch"),
        ("cockroachdb/cockroach:v24", "cockroachdb"),
    ],
)
def test_what_holds_data_is_a_store_whatever_leads_to_it(tmp_path: Path, image: str, engine: str) -> None:
    found = _read(tmp_path, {"web.yaml": WEB.replace("example.org/web:1", image), "in.yaml": INGRESS})
    assert [(store.name, store.engine) for store in found.system.stores] == [("web", engine)]
    assert "api-single-replica" not in _rules(found)


JOB = """
apiVersion: batch/v1
kind: CronJob
metadata: {{name: dump, namespace: shop}}
spec:
  schedule: "0 2 * * *"
  jobTemplate:
    spec:
      template:
        spec:
          containers:
            - name: dump
              image: clickhouse/clickhouse-server:24
              command: [sh, -c]
              args:
                - {script}
"""


def test_a_job_with_the_image_of_a_database_is_its_client(tmp_path: Path) -> None:
    text = WEB.replace("example.org/web:1", "clickhouse/clickhouse-server:24")
    found = _read(tmp_path, {"db.yaml": text, "job.yaml": JOB.format(script="clickhouse-backup create")})
    assert [store.name for store in found.system.stores] == ["web"]
    assert found.system.backups[0].covers == ("web",)


@pytest.mark.parametrize(
    ("script", "where"),
    [
        ('"clickhouse-client -q \\"BACKUP DATABASE d TO S3(\'https://s3.eu.example.com/b/\')\\""', Where.UNKNOWN),
        ('"dump-tool | upload https://store.example.com/x"', Where.UNKNOWN),
        ('"dump-tool http://db.shop.svc.cluster.local:8123/ > /tmp/x"', Where.CLUSTER),
        ('"dump-tool http://127.0.0.1:8123/ > /tmp/x"', Where.CLUSTER),
    ],
)
def test_a_backup_that_goes_to_another_host_is_not_said_to_lie_here(tmp_path: Path, script: str, where: Where) -> None:
    found = _read(tmp_path, {"web.yaml": WEB, "job.yaml": JOB.format(script=script)})
    assert [backup.where for backup in found.system.backups] == [where]
    assert ("backup-same-domain" in _rules(found)) is (where is Where.CLUSTER)


CERTIFICATE = """
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: tls, namespace: shop}
spec: {secretName: web-tls, dnsNames: [web]}
"""


def test_a_certificate_that_is_issued_is_brought_by_nobody(tmp_path: Path) -> None:
    using = "env: [{name: KEY, valueFrom: {secretKeyRef: {name: web-tls, key: tls.key}}}]"
    text = WEB.replace('env: [{name: PUBLIC_URL, value: "https://shop.example.com/a"}]', using)
    alone, issued = (
        _read(tmp_path / "one", {"web.yaml": text}),
        _read(tmp_path / "two", {"web.yaml": text, "tls.yaml": CERTIFICATE}),
    )
    assert "secret-in-cluster" in _rules(alone)
    assert "secret-in-cluster" not in _rules(issued)
    assert [(secret.name, secret.kept) for secret in issued.system.secrets] == [("web-tls", Kept.ISSUED)]
    assert not issued.unknown


def test_dragonflys_operator_runs_a_cache(tmp_path: Path) -> None:
    head = "apiVersion: dragonflydb.io/v1alpha1\nkind: Dragonfly\n"
    text = f"{head}metadata: {{name: hot, namespace: shop}}\nspec: {{replicas: 3}}\n"
    (store,) = _read(tmp_path, {"web.yaml": WEB, "hot.yaml": text}).system.stores
    assert (store.name, store.engine, store.replicas, store.persistent) == ("hot", "redis", 3, False)


def test_parts_of_argo_cd_are_no_api_and_do_not_name_the_system(tmp_path: Path) -> None:
    label = "labels: {app: web, app.kubernetes.io/part-of: argocd}"
    argo = WEB.replace("labels: {app: web}}", f"{label}}}", 1).replace("name: web,", "name: argocd-dex-server,", 1)
    system = _read(tmp_path, {"argo.yaml": argo}).system
    assert [(service.name, service.role) for service in system.services] == [("argocd-dex-server", Role.DELIVERY)]
    assert system.name != "argocd"


KUSTOMIZATION = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [{}]\n"


def test_a_part_of_the_base_is_no_environment(tmp_path: Path) -> None:
    files = {
        "base/kustomization.yaml": KUSTOMIZATION.format("web/web.yaml"),
        "base/web/web.yaml": WEB,
        "base/web/kustomization.yaml": KUSTOMIZATION.format("web.yaml"),
        "overlays/staging/kustomization.yaml": KUSTOMIZATION.format("../../base"),
        "overlays/production/kustomization.yaml": KUSTOMIZATION.format("../../base")
        + "patches: [{target: {kind: Deployment}, patch: '[{op: add, path: /spec/replicas, value: 7}]'}]\n",
    }
    found = _read(tmp_path, files, "production")
    assert [service.replicas for service in found.system.services] == [7]
    assert not [note for note in found.notes if "again" in note]


COMPOSE = """
services:
  db:
    image: postgres:16
    volumes: ["db:/var/lib/postgresql/data"]
  db-init:
    image: postgres:16
    command: psql -h db -c 'create database x'
    restart: "no"
  migrate:
    image: example.org/migrate:1
  app:
    image: example.org/app:1
    volumes: ["./conf:/etc/app:ro", {type: tmpfs, target: /tmp}]
    depends_on: {migrate: {condition: service_completed_successfully}}
  simulator:
    image: example.org/simulator:1
    profiles: [dev]
volumes: {db: {}}
"""


def test_of_compose_what_runs_once_or_for_developers_is_no_service(tmp_path: Path) -> None:
    system = _read(tmp_path, {"docker-compose.yml": COMPOSE}).system
    assert {service.name for service in system.services} == {"db", "app"}
    assert [store.name for store in system.stores] == ["db"]


def test_a_read_only_mount_of_compose_keeps_nothing(tmp_path: Path) -> None:
    system = _read(tmp_path, {"docker-compose.yml": COMPOSE}).system
    (app,) = (service for service in system.services if service.name == "app")
    assert (app.kind, app.volumes) == ("Deployment", ())


def test_where_all_stands_in_profiles_all_is_read(tmp_path: Path) -> None:
    text = COMPOSE.replace("image:", "profiles: [all]\n    image:").replace("    profiles: [dev]\n", "")
    system = _read(tmp_path, {"docker-compose.yml": text}).system
    assert "app" in {service.name for service in system.services}


def test_a_secret_without_a_namespace_is_where_it_is_used(tmp_path: Path) -> None:
    using = "env: [{name: KEY, valueFrom: {secretKeyRef: {name: keys, key: a}}}]"
    text = WEB.replace('env: [{name: PUBLIC_URL, value: "https://shop.example.com/a"}]', using)
    head = "apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\n"
    sealed = f"{head}metadata: {{name: keys}}\nspec: {{encryptedData: {{a: x}}}}\n"
    found = _read(tmp_path, {"web.yaml": text, "sealed.yaml": sealed})
    assert [(secret.name, secret.namespace, secret.kept) for secret in found.system.secrets] == [
        ("keys", "shop", Kept.SEALED)
    ]
    assert "secret-in-cluster" not in _rules(found)


def test_a_template_with_a_placeholder_for_a_name_is_no_object(tmp_path: Path) -> None:
    template = WEB.replace("name: web,", "name: APP_NAME-web,").replace("name: web,", "name: APP_NAME-web,")
    found = _read(tmp_path, {"web.yaml": WEB, "docs/template.yaml": template})
    assert [service.name for service in found.system.services] == ["web"]
    assert [problem.what for problem in found.skipped] == [
        "a template: 'APP_NAME-web' is no name of a Deployment",
        "a template: 'APP_NAME-web' is no name of a Service",
    ]


def test_a_namespace_of_a_variable_is_left_open(tmp_path: Path) -> None:
    found = _read(tmp_path, {"web.yaml": WEB.replace("namespace: shop", 'namespace: "shop-${REGION}"')})
    assert [(service.name, service.namespace) for service in found.system.services] == [("web", "default")]
    assert {problem.what for problem in found.skipped} == {"the namespace shop-${REGION} is not known"}


@pytest.mark.parametrize(
    ("port", "role"),
    [
        ('"8080:80"', Role.API),
        ('"127.0.0.1:8080:80"', Role.WORKER),
        ('"[::1]:8080:80"', Role.WORKER),
        ("{target: 80, published: 8080, host_ip: 127.0.0.1}", Role.WORKER),
        ("{target: 80, published: 8080}", Role.API),
    ],
)
def test_a_port_of_the_machine_itself_leads_nobody_in(tmp_path: Path, port: str, role: Role) -> None:
    text = f"services:\n  shelf:\n    image: example.org/shelf:1\n    ports: [{port}]\n"
    system = _read(tmp_path, {"docker-compose.yml": text}).system
    assert [service.role for service in system.services] == [role]
