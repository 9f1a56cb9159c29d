"""Workloads and what surrounds them, one small tree for each thing that is understood."""

from __future__ import annotations

import base64
from pathlib import Path
from textwrap import dedent

import pytest
from attrs import asdict
from hypothesis import given
from hypothesis import strategies as st
from manifest_tree import discovered, line_at, write

from secondsite.discover.manifests import discover
from secondsite.discover.recognise import kind_of
from secondsite.model.errors import InputError
from secondsite.model.mark import Knowledge
from secondsite.model.nats import NatsCluster
from secondsite.model.service import AckBuffer, NatsClient, Role, Service, Spreading
from secondsite.model.store import Loss
from secondsite.model.units import Cores, Seconds


def deployment(
    name: str = "app", image: str = "shop/app:1", pod: str = "", container: str = "", spec: str = "", metadata: str = ""
) -> str:
    """YAML in flow style; each argument is the inside of a mapping, with a comma at its end."""
    inner = f"{{name: main, image: '{image}', {container}}}"
    template = f"{{metadata: {{labels: {{app: {name}}}}}, spec: {{{pod} containers: [{inner}]}}}}"
    head = f"apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, {metadata}}}\n"
    return f"{head}spec: {{{spec} template: {template}}}\n"


def service(root: Path, *texts: str) -> Service:
    return discovered(root, {"a.yaml": "---\n".join(dedent(text).lstrip() for text in texts)}).system.services[0]


@pytest.mark.parametrize(
    ("image", "engine"),
    [
        ("nats:2.10-alpine", "nats"),
        ("docker.io/library/nats@sha256:abc", "nats"),
        ("registry:5000/mirror/redis:7", "redis"),
        ("bitnami/postgresql:16", "postgres"),
        ("pgvector/pgvector:pg16", "postgres"),
        ("qdrant/qdrant:v1", "qdrant"),
        ("kong/kong-gateway:3.8", "kong"),
        ("quay.io/prometheus/prometheus:v3", "prometheus"),
        ("grafana/grafana-enterprise:11", "grafana"),
        ("grafana/loki:3", "loki"),
        ("grafana/tempo:2", "tempo"),
        ("otel/opentelemetry-collector-contrib:0.1", "opentelemetry"),
        ("natsio/prometheus-nats-exporter:0.15", None),
        ("natsio/nats-box:0.14", None),
        ("oliver006/redis_exporter:1", None),
        ("shop/nats-consumer:1", None),
        ("shop/grafana-sync:1", None),
    ],
)
def test_products_are_recognised_by_the_whole_name_of_their_image(image: str, engine: str | None) -> None:
    kind = kind_of(image)
    assert (kind.engine if kind else None) == engine


@pytest.mark.parametrize(
    ("ports", "engine"),
    [
        ((4222, 6222, 8222), "nats"),
        ((5432,), "postgres"),
        ((6379,), "redis"),
        ((6333, 6334), "qdrant"),
        ((4222,), None),
    ],
)
def test_products_behind_a_private_image_are_recognised_by_their_ports(
    ports: tuple[int, ...], engine: str | None
) -> None:
    kind = kind_of("registry.shop.io/base/thing:7", ports)
    assert (kind.engine if kind else None) == engine


ANTI = "affinity: {{podAntiAffinity: {{{0}}}}},"
PREFER = "preferredDuringSchedulingIgnoredDuringExecution: [{{weight: 1, podAffinityTerm: {{topologyKey: {0}}}}}]"
REQUIRE = "requiredDuringSchedulingIgnoredDuringExecution: [{{topologyKey: {0}}}]"
SPREAD = "topologySpreadConstraints: [{{maxSkew: {0}, topologyKey: {1}, whenUnsatisfiable: {2}}}],"
HOST, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
NONE, PREFERRED, REQUIRED = Spreading.NONE, Spreading.PREFERRED, Spreading.REQUIRED


@pytest.mark.parametrize(
    ("pod", "nodes", "zones"),
    [
        ("", NONE, NONE),
        (ANTI.format(PREFER.format(HOST)), PREFERRED, NONE),
        (ANTI.format(REQUIRE.format(HOST)), REQUIRED, NONE),
        (ANTI.format(PREFER.format(ZONE)), NONE, PREFERRED),
        (ANTI.format(REQUIRE.format(ZONE)), REQUIRED, REQUIRED),
        (SPREAD.format(1, ZONE, "DoNotSchedule"), REQUIRED, REQUIRED),
        (SPREAD.format(2, ZONE, "DoNotSchedule"), NONE, PREFERRED),
        (SPREAD.format(1, HOST, "ScheduleAnyway"), PREFERRED, NONE),
        (SPREAD.format(1, HOST, "DoNotSchedule"), REQUIRED, NONE),
    ],
)
def test_how_firmly_replicas_are_kept_apart(tmp_path: Path, pod: str, nodes: Spreading, zones: Spreading) -> None:
    found = service(tmp_path, deployment(pod=pod))
    assert (found.spread_nodes, found.spread_zones) == (nodes, zones)


def test_a_budget_in_percent_is_rounded_up(tmp_path: Path) -> None:
    budget = """
    apiVersion: policy/v1
    kind: PodDisruptionBudget
    metadata: {name: b}
    spec: {maxUnavailable: 30%, selector: {matchExpressions: [{key: app, operator: In, values: [app]}]}}
    """
    found = service(tmp_path, deployment(spec="replicas: 5,"), budget)
    assert found.disruption_budget is not None
    assert found.disruption_budget.max_unavailable == 2


def test_a_budget_of_other_pods_is_not_taken(tmp_path: Path) -> None:
    budget = """
    apiVersion: policy/v1
    kind: PodDisruptionBudget
    metadata: {name: b}
    spec: {minAvailable: 1, selector: {matchLabels: {app: other}}}
    """
    assert service(tmp_path, deployment(), budget).disruption_budget is None


def test_requests_are_those_of_the_pod_and_limits_those_of_the_main_container(tmp_path: Path) -> None:
    text = """
    apiVersion: apps/v1
    kind: StatefulSet
    metadata: {name: q}
    spec:
      template:
        spec:
          containers:
            - name: exporter
              image: x/redis_exporter:1
              resources: {requests: {cpu: 50m, memory: 32Mi}, limits: {memory: 64Mi}}
            - {name: main, image: "redis:7", resources: {requests: {cpu: 200m, memory: 96Mi}, limits: {memory: 1Gi}}}
    """
    found = service(tmp_path, text)
    assert (found.image, found.role) == ("redis:7", Role.CACHE)
    assert (found.cpu_request_cores, found.memory_request_bytes) == (0.25, 128 * 1024**2)
    assert found.memory_limit_bytes == 1024**3


def test_a_sum_over_containers_says_so(tmp_path: Path) -> None:
    side = "resources: {requests: {cpu: 1}}}, {name: side, image: x, resources: {requests: {cpu: 1}}"
    found = discovered(tmp_path, {"a.yaml": deployment(container=side)})
    assert found.system.services[0].cpu_request_cores == Cores(2)
    assert found.system.marks["services.app.cpu_request"].why == "2 containers of the pod together"


@pytest.mark.parametrize(("limits", "cores"), [(("500m", "250m"), Cores(0.75)), (("500m", ""), None)])
def test_a_pods_cpu_is_limited_where_every_container_is(
    tmp_path: Path, limits: tuple[str, str], cores: Cores | None
) -> None:
    main, beside = (f"resources: {{limits: {{cpu: {limit}}}}}" if limit else "stdin: false" for limit in limits)
    found = discovered(tmp_path, {"a.yaml": deployment(container=f"{main}}}, {{name: side, image: x, {beside}")})
    assert found.system.services[0].cpu_limit_cores == cores


def test_a_daemon_set_runs_on_nodes_that_nobody_counted(tmp_path: Path) -> None:
    text = deployment().replace("Deployment", "DaemonSet")
    found = discovered(tmp_path, {"a.yaml": text})
    assert found.system.marks["services.app.replicas"].origin is Knowledge.ASSUMED


def test_a_deployments_claim_is_its_volume(tmp_path: Path) -> None:
    claim = """
    apiVersion: v1
    kind: PersistentVolumeClaim
    metadata: {name: data}
    spec: {storageClassName: fast, resources: {requests: {storage: 2Gi}}}
    """
    found = service(tmp_path, deployment(pod="volumes: [{name: v, persistentVolumeClaim: {claimName: data}}],"), claim)
    assert [(volume.name, volume.size_bytes, volume.storage_class) for volume in found.volumes] == [
        ("v", 2 * 1024**3, "fast")
    ]


@pytest.mark.parametrize(("more", "loss"), [("", Loss.DATA), (", --maxmemory-policy, allkeys-lfu", Loss.CACHE)])
def test_redis_that_keeps_its_data_and_evicts_none_is_no_cache(tmp_path: Path, more: str, loss: Loss) -> None:
    text = f"""
    apiVersion: apps/v1
    kind: StatefulSet
    metadata: {{name: r}}
    spec:
      template: {{spec: {{containers: [{{name: r, image: "redis:7", args: [--appendonly, "yes"{more}]}}]}}}}
      volumeClaimTemplates: [{{metadata: {{name: d}}, spec: {{resources: {{requests: {{storage: 1Gi}}}}}}}}]
    """
    (store,) = discovered(tmp_path, {"a.yaml": text}).system.stores
    assert (store.loss, store.persistent) == (loss, True)


BACKENDS = """
apiVersion: v1
kind: Service
metadata: {name: db}
spec: {selector: {app: db}}
---
apiVersion: v1
kind: Service
metadata: {name: cache, namespace: other}
spec: {selector: {app: cache}}
"""


@pytest.mark.parametrize(
    ("env", "needs"),
    [
        ("{name: DB_HOST, value: db}", ("db",)),
        ("{name: GREETING, value: db}", ()),
        ("{name: U, value: 'postgres://user:p%40ss@db:5432/shop?x=1'}", ("db",)),
        ("{name: U, value: 'db:5432,cache.other:6379'}", ("db", "other-cache")),
        ("{name: U, value: cache.other.svc.cluster.local}", ("other-cache",)),
        ("{name: U, value: cache-0.cache.other.svc}", ("other-cache",)),
        ("{name: U, value: 'cache:6379'}", ()),
        ("{name: U, value: my-db}", ()),
        ("{name: U, value: db.example.com}", ()),
    ],
)
def test_a_dependency_is_a_name_that_the_cluster_resolves(tmp_path: Path, env: str, needs: tuple[str, ...]) -> None:
    app = deployment(container=f"env: [{env}],")
    others = [deployment("db", "x/db:1"), deployment("cache", "x/cache:1", metadata="namespace: other,")]
    others[1] = others[1].replace("{name: cache, namespace", "{name: other-cache, namespace")
    assert service(tmp_path, app, *others, BACKENDS).depends_on == needs


def test_dependencies_are_found_in_mounted_configuration_with_their_line(tmp_path: Path) -> None:
    config = """
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: c}
    data:
      app.ini: |
        [database]
        # url = redis://cache.other:6379
        url = postgres://db:5432/x
        me = http://app:80
    """
    app = deployment(pod="volumes: [{name: c, configMap: {name: c}}],")
    cache = deployment("cache", "x/cache:1", metadata="namespace: other,")
    itself = "apiVersion: v1\nkind: Service\nmetadata: {name: app}\nspec: {selector: {app: app}}\n"
    texts = [app, deployment("db", "x/db:1"), cache, BACKENDS, config, itself]
    found = discovered(tmp_path, {"a.yaml": "---\n".join(dedent(text).lstrip() for text in texts)})
    assert found.system.services[0].depends_on == ("db",)
    assert line_at(tmp_path, str(found.system.marks["services.app.depends_on"].place)) == "url = postgres://db:5432/x"


def env(**values: str) -> str:
    return "env: [" + ", ".join(f"{{name: {name}, value: '{value}'}}" for name, value in values.items()) + "],"


@pytest.mark.parametrize(
    ("values", "client"),
    [
        ({"NATS_URL": "nats://u:secret@a:4222, tls://b:4222"}, NatsClient(servers=("nats://a:4222", "tls://b:4222"))),
        ({"NATS_PING_INTERVAL": "5s"}, NatsClient(ping_interval_s=Seconds(5.0))),
        ({"NATS_PING_INTERVAL_MS": "2500"}, NatsClient(ping_interval_s=Seconds(2.5))),
        ({"NATS_MAX_OUTSTANDING_PINGS": "2"}, NatsClient(max_outstanding_pings=2)),
        ({"NATS_MAX_RECONNECT_ATTEMPTS": "-1"}, NatsClient(max_reconnects=-1)),
        ({"NATS_DONT_RANDOMIZE": "true"}, NatsClient(randomize=False)),
        ({"NATS_RANDOMIZE": "true"}, NatsClient(randomize=True)),
        ({"LOG_LEVEL": "info"}, None),
    ],
)
def test_the_nats_client_by_its_settings(tmp_path: Path, values: dict[str, str], client: NatsClient | None) -> None:
    assert service(tmp_path, deployment(container=env(**values))).nats_client == client


@pytest.mark.parametrize(
    ("values", "buffer"),
    [
        ({"FALLBACK_QUEUE_MAX": "50"}, AckBuffer(50)),
        ({"EVENT_BUFFER_SIZE": "50", "EVENT_BUFFER_DIR": "/var/spool"}, AckBuffer(50, durable=True)),
        (
            {"PUBLISH_QUEUE_CAPACITY": "9", "CIRCUIT_FAILURE_THRESHOLD": "7", "CIRCUIT_RESET_TIMEOUT_MS": "1500"},
            AckBuffer(9, after_failures=7, half_open_after_s=Seconds(1.5)),
        ),
        ({"READ_BUFFER_SIZE": "4096"}, None),
        ({"WORK_QUEUE_SIZE": "10"}, None),
        ({"NATS_FALLBACK_QUEUE_SIZE": "0"}, None),
        ({"NATS_BREAKER_FAILURE_THRESHOLD": "3"}, None),
    ],
)
def test_a_buffer_of_acknowledged_messages(tmp_path: Path, values: dict[str, str], buffer: AckBuffer | None) -> None:
    assert service(tmp_path, deployment(container=env(**values))).ack_buffer == buffer


def test_no_value_of_a_secret_reaches_the_system_its_notes_or_errors(tmp_path: Path) -> None:
    hidden = "hunter2hunter2"
    text = f"""
    apiVersion: v1
    kind: Secret
    metadata: {{name: s}}
    data: {{TOKEN: {base64.b64encode(hidden.encode()).decode()}}}
    stringData:
      nats.conf: "authorization: {{token: {hidden}}}"
      URL: nats://user:{hidden}@nats:4222
    """
    app = deployment(container="envFrom: [{secretRef: {name: s}}], " + env(NATS_URL=f"nats://u:{hidden}@nats:4222"))
    found = discovered(tmp_path, {"a.yaml": app + "---\n" + dedent(text).lstrip()})
    (secret,) = found.system.secrets
    assert secret.keys == ("TOKEN", "nats.conf", "URL")
    told = repr(asdict(found.system)) + repr(found.system.marks) + repr(found)
    assert hidden not in told
    assert base64.b64encode(hidden.encode()).decode() not in told


def test_a_secret_that_is_only_referred_to_is_known_by_name_and_key(tmp_path: Path) -> None:
    app = deployment(container="env: [{name: T, valueFrom: {secretKeyRef: {name: gone, key: token}}}],")
    (secret,) = discovered(tmp_path, {"a.yaml": app}).system.secrets
    assert (secret.name, secret.keys, secret.store) == ("gone", ("token",), "")


def test_names_that_collide_are_told_with_their_namespace(tmp_path: Path) -> None:
    texts = [deployment(metadata=f"namespace: {namespace},") for namespace in ("a", "b", "c")]
    found = discovered(tmp_path, {"a.yaml": "---\n".join(texts)})
    assert [entry.name for entry in found.system.services] == ["app", "b/app", "c/app"]
    assert found.system.marks["services.b/app"].place is not None


def test_an_object_that_stands_twice_is_taken_once_and_noted(tmp_path: Path) -> None:
    found = discovered(tmp_path, {"a.yaml": deployment(), "b.yaml": deployment()})
    assert len(found.system.services) == 1
    assert found.notes == ("b.yaml:3:18: Deployment app is defined again; that of a.yaml:3:18 was kept",)


def test_unknown_kinds_are_counted_and_named(tmp_path: Path) -> None:
    other = "apiVersion: {0}\nkind: {1}\nmetadata: {{name: {2}}}\n"
    texts = [
        other.format("cert-manager.io/v1", "Issuer", "a"),
        other.format("cert-manager.io/v1", "Issuer", "b"),
        other.format("app.k8s.io/v1", "Application", "c"),
        other.format("v1", "Namespace", "d"),
    ]
    assert discovered(tmp_path, {"a.yaml": "---\n".join(texts)}).unknown == {
        "Application.app.k8s.io": 1,
        "Issuer.cert-manager.io": 2,
    }


def test_lists_are_unfolded(tmp_path: Path) -> None:
    text = "apiVersion: v1\nkind: List\nitems:\n" + "".join(
        f"  - {{apiVersion: apps/v1, kind: Deployment, metadata: {{name: d{i}}}, spec: {{}}}}\n" for i in range(3)
    )
    found = discovered(tmp_path, {"a.yaml": text})
    assert [entry.name for entry in found.system.services] == ["d0", "d1", "d2"]


def test_problems_of_all_parts_are_told_at_once(tmp_path: Path) -> None:
    rule = """
    apiVersion: monitoring.coreos.com/v1
    kind: PrometheusRule
    metadata: {name: r}
    spec: {groups: [{rules: [{alert: A, expr: up == 0, for: soon}]}]}
    """
    bad = deployment(
        container="resources: {limits: {memory: lots}}, ports: [{containerPort: http}],", spec="replicas: two,"
    )
    found = discovered(tmp_path, {"a.yaml": bad, "b.yaml": rule})
    told = " ".join(str(problem) for problem in found.unread)
    assert "'two' is not a whole number" in told
    assert "'http' is not a whole number" in told
    assert "'lots' is not a size" in told
    assert "'soon' is not a duration" in told


RULE = """
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata: {{name: r}}
spec:
  groups:
    - rules:
        - alert: {name}
          expr: {expression}
          for: 5m
"""


@pytest.mark.parametrize(
    ("name", "expression", "guards", "threshold"),
    [
        ("A", "time() - backup_last_success_timestamp > 90000", "backup-age", 90000),
        ("A", "time() - velero_backup_last_successful_timestamp > 25 * 3600", "backup-age", 90000),
        ("A", "(time() - backup_time) / 3600 > 24", "backup-age", 24),
        ("BackupFailed", "kube_job_status_failed > 0", "backup-age", None),
        ("A", "jetstream_mirror_lag_seconds > 60", "mirror-lag", 60),
        ("A", "time() - backup_time > (26 * 3600)", "backup-age", 93600),
        ("A", "time() - backup_time > 3600 / 2 and on() up == 1", "backup-age", 1800),
        ("A", "jetstream_mirror_lag > 1000", "mirror-lag", None),
        ("A", "up == 0", "availability", 0),
        ("ApiDown", "x > 1", "availability", 0),
        ("A", "cpu > 0.9", "other", None),
    ],
)
def test_what_an_alert_guards(
    tmp_path: Path, name: str, expression: str, guards: str, threshold: Seconds | None
) -> None:
    (alert,) = discovered(tmp_path, {"a.yaml": RULE.format(name=name, expression=expression)}).system.alerts
    assert (alert.guards, alert.threshold_s, alert.hold_s) == (guards, threshold, Seconds(300))


def test_alerts_of_one_name_are_numbered(tmp_path: Path) -> None:
    text = RULE.format(name="A", expression="up == 0") + "        - {alert: A, expr: up == 0}\n"
    found = discovered(tmp_path, {"a.yaml": text})
    assert [alert.name for alert in found.system.alerts] == ["A", "A-2"]


CONF = """
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: nats}
spec:
  replicas: 3
  template:
    spec:
      containers:
        - name: nats
          image: nats:2.12.3-alpine
          args: [-c, /etc/nats/main.conf]
          env: [{name: SIZE, value: 2GB}]
          volumeMounts: [{name: c, mountPath: /etc/nats}]
      volumes: [{name: c, projected: {sources: [{configMap: {name: conf}}]}}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: conf}
data:
  other.conf: "port: 1"
  main.conf: |
    include "js.conf"
    cluster { name: x, routes: ["nats://nats-0:6222"], tls { cert_file: "c" } }
  js.conf: |
    jetstream {
      max_file_store: $SIZE
      sync_interval: always
    }
"""


def test_the_configuration_that_the_server_is_started_with_is_read(tmp_path: Path) -> None:
    found = discovered(tmp_path, {"a.yaml": CONF})
    cluster: NatsCluster = found.system.nats[0]
    assert (cluster.version, cluster.servers, cluster.route_tls, cluster.sync_interval_s) == (
        "2.12.3-alpine",
        3,
        True,
        Seconds(0),
    )
    assert cluster.max_file_bytes == 2 * 1024**3
    marks = found.system.marks
    assert line_at(tmp_path, str(marks["nats.nats.sync_interval"].place)) == "sync_interval: always"
    assert line_at(tmp_path, str(marks["nats.nats.route_tls"].place)).startswith("cluster {")


def test_a_broken_nats_conf_is_told_with_its_line_and_nothing_of_it_is_known(tmp_path: Path) -> None:
    found = discovered(tmp_path, {"a.yaml": CONF.replace("max_file_store: $SIZE", "max_file_store: [1")})
    assert str(found.unread[0].place).startswith("a.yaml:2")
    assert found.system.marks["nats.nats.jetstream"].origin is Knowledge.ASSUMED


def test_an_old_ingress_and_a_gateway_that_is_not_here(tmp_path: Path) -> None:
    text = """
    apiVersion: extensions/v1beta1
    kind: Ingress
    metadata: {name: i, annotations: {kubernetes.io/ingress.class: nginx}}
    spec: {rules: [{host: shop.example.com, http: {paths: [{backend: {serviceName: app, servicePort: 80}}]}}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: app}
    spec: {selector: {app: app}}
    """
    found = discovered(tmp_path, {"a.yaml": deployment() + "---\n" + dedent(text).lstrip()}).system
    assert found.services[0].role is Role.API
    assert [(gateway.name, gateway.service, gateway.routes_to) for gateway in found.gateways] == [
        ("nginx", "", ("app",))
    ]
    assert (found.traffic.host, found.traffic.ttl_s) == ("shop.example.com", Seconds(300))
    assert found.marks["traffic.ttl"].origin is Knowledge.ASSUMED


def test_the_host_whose_record_is_described_comes_first(tmp_path: Path) -> None:
    text = """
    apiVersion: networking.k8s.io/v1
    kind: Ingress
    metadata: {name: docs}
    spec: {rules: [{host: docs.example.com}]}
    ---
    apiVersion: networking.k8s.io/v1
    kind: Ingress
    metadata: {name: api, annotations: {external-dns.alpha.kubernetes.io/ttl: "30"}}
    spec: {rules: [{host: api.example.com}]}
    """
    traffic = discovered(tmp_path, {"a.yaml": text}).system.traffic
    assert (traffic.host, traffic.ttl_s) == ("api.example.com", Seconds(30))


def test_a_health_check_on_the_record_switches_by_itself(tmp_path: Path) -> None:
    text = """
    apiVersion: v1
    kind: Service
    metadata:
      name: edge
      annotations:
        external-dns.alpha.kubernetes.io/hostname: shop.example.com
        external-dns.alpha.kubernetes.io/ttl: 2m
        external-dns.alpha.kubernetes.io/aws-health-check-id: abc
    """
    traffic = discovered(tmp_path, {"a.yaml": text}).system.traffic
    assert (traffic.host, traffic.ttl_s, traffic.automatic) == ("shop.example.com", Seconds(120), True)


def test_the_region_is_read_from_the_nodes_that_are_asked_for(tmp_path: Path) -> None:
    app = deployment(pod="nodeSelector: {topology.kubernetes.io/region: europe-west3},")
    system = discovered(tmp_path, {"a.yaml": app}).system
    assert (system.region.provider, system.region.name) == ("gcp", "europe-west3")
    assert system.second is not None
    assert system.second.provider == "gcp"
    assert system.marks["region.name"].origin is Knowledge.READ


def test_no_streams_and_no_nats_is_a_system_too(tmp_path: Path) -> None:
    found = discovered(tmp_path, {"a.yaml": deployment()})
    assert found.system.nats == ()
    assert found.system.marks["region.name"].origin is Knowledge.ASSUMED


@pytest.mark.parametrize(
    ("files", "what"),
    [
        (
            {"a.yaml": "kind: Deployment\napiVersion: apps/v1\nspec: {}\n"},
            "a.yaml:1:1: a Deployment without metadata.name",
        ),
        ({"a.yaml": "a: \0"}, "a.yaml: is binary"),
        ({"a.yaml": "a: [", "b.yaml": "b: ]"}, "b.yaml:1:4"),
    ],
)
def test_files_that_cannot_be_read_say_what_is_wrong(tmp_path: Path, files: dict[str, str], what: str) -> None:
    write(tmp_path, files)
    with pytest.raises(InputError) as caught:
        discover([tmp_path / name for name in files], base=tmp_path)
    assert what in str(caught.value)


def test_a_folder_without_files_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no YAML or JSON files"):
        discover([tmp_path], base=tmp_path)


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="gone: does not exist"):
        discover([tmp_path / "gone"], base=tmp_path)


def test_paths_below_the_base_are_told_relative_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {"deep/a.yaml": deployment()})
    monkeypatch.chdir(tmp_path)
    place = discover([Path("deep")], base=Path()).system.marks["services.app"].place
    assert str(place) == "deep/a.yaml:3:18"


SCALARS = st.sampled_from(
    ["1", "-3", "0", "x", "''", "null", "true", "[]", "{}", "[1]", "{a: b}", "1e999", "9" * 20, "50%", "'é'"]
)
WORDS = """
spec template metadata name namespace containers image ports containerPort env value replicas resources limits memory
readinessProbe periodSeconds volumes configMap affinity labels selector matchLabels rules host http paths backend
schedule jobTemplate groups alert expr for data subjects mirror sources config jetstream cluster
"""
TYPES = """
Deployment StatefulSet CronJob Service Ingress ConfigMap Secret HorizontalPodAutoscaler PodDisruptionBudget
NetworkPolicy ExternalSecret Schedule KongPlugin PrometheusRule Stream Consumer Application PersistentVolumeClaim List
"""
KEYS, KINDS = st.sampled_from(WORDS.split()), st.sampled_from(TYPES.split())


def flow(entries: dict[str, str]) -> str:
    return "{" + ", ".join(f"{key}: {value}" for key, value in entries.items()) + "}"


def collections(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    lists = st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
    return st.dictionaries(KEYS, inner, max_size=4).map(flow) | lists


VALUES = st.recursive(SCALARS, collections, max_leaves=12)


@given(st.lists(st.tuples(KINDS, VALUES, VALUES), min_size=1, max_size=4))
def test_manifests_of_any_shape_are_a_system_or_an_input_error(
    tmp_path_factory: pytest.TempPathFactory, parts: list[tuple[str, str, str]]
) -> None:
    groups = {"Schedule": "velero.io/v1", "Stream": "jetstream.nats.io/v1", "Consumer": "jetstream.nats.io/v1"}
    texts = [
        f"apiVersion: {groups.get(kind, 'v1')}\nkind: {kind}\nmetadata: {{name: n{number}}}\nspec: {spec}\n"
        f"data: {data}\n"
        for number, (kind, spec, data) in enumerate(parts)
    ]
    found = None
    try:
        found = discovered(tmp_path_factory.mktemp("any"), {"a.yaml": "---\n".join(texts)})
    except InputError as error:
        assert error.problems  # noqa: PT017 (either outcome is right)
    assert found is None or found.system.name


@pytest.mark.parametrize(
    ("image", "provider", "region"),
    [
        ("123456789012.dkr.ecr.eu-central-1.amazonaws.com/orders:1.2", "aws", "eu-central-1"),
        ("europe-west4-docker.pkg.dev/acme/apps/orders@sha256:ab", "gcp", "europe-west4"),
        ("registry.example.com/123456789012.dkr.ecr.eu-central-1.amazonaws.com/x", "aws", "us-east-1"),
    ],
)
def test_a_registry_tells_the_region_as_an_assumption(tmp_path: Path, image: str, provider: str, region: str) -> None:
    """One registry may serve several regions: it is a good guess, and marked as one."""
    text = f"""
    apiVersion: apps/v1
    kind: Deployment
    metadata: {{name: orders}}
    spec: {{template: {{spec: {{containers: [{{name: a, image: "{image}"}}]}}}}}}
    """
    system = discovered(tmp_path, {"a.yaml": text}).system
    assert (system.region.provider, system.region.name) == (provider, region)
    assert system.marks["region.name"].origin is Knowledge.ASSUMED


def test_a_region_that_is_named_beats_the_registry(tmp_path: Path) -> None:
    text = """
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: orders}
    spec:
      template:
        spec:
          nodeSelector: {topology.kubernetes.io/region: eu-west-1}
          containers: [{name: a, image: "123456789012.dkr.ecr.eu-central-1.amazonaws.com/orders:1"}]
    """
    assert discovered(tmp_path, {"a.yaml": text}).system.region.name == "eu-west-1"


@pytest.mark.parametrize(("pod_name", "notes"), [("valueFrom: {fieldRef: {fieldPath: metadata.name}}", 0), ("x: y", 1)])
def test_the_nats_chart_s_server_name_is_that_of_its_pod(tmp_path: Path, pod_name: str, notes: int) -> None:
    """`SERVER_NAME: $(POD_NAME)`, as the official chart renders it; a note only where nobody can know it."""
    text = f"""
    apiVersion: v1
    kind: ConfigMap
    metadata: {{name: nats-config}}
    data: {{nats.conf: 'server_name: $SERVER_NAME'}}
    ---
    apiVersion: apps/v1
    kind: StatefulSet
    metadata: {{name: nats}}
    spec:
      template:
        spec:
          containers:
            - name: nats
              image: nats:2.12.8
              args: [--config, /etc/nats-config/nats.conf]
              env: [{{name: POD_NAME, {pod_name}}}, {{name: SERVER_NAME, value: $(POD_NAME)}}]
              volumeMounts: [{{name: c, mountPath: /etc/nats-config}}]
          volumes: [{{name: c, configMap: {{name: nats-config}}}}]
    """
    found = discovered(tmp_path, {"a.yaml": text}).notes
    assert len([note for note in found if "is not known here" in note]) == notes
    assert all("$SERVER_NAME is not known here" in note for note in found)


def test_google_rules_are_alerts_and_understood(tmp_path: Path) -> None:
    rule = "{alert: NatsDown, expr: up == 0, for: 5m}"
    text = "".join(
        f"---\napiVersion: monitoring.googleapis.com/v1\nkind: {kind}\nmetadata: {{name: {kind.lower()}}}\n"
        f"spec: {{groups: [{{name: g, rules: [{rule}]}}]}}\n"
        for kind in ("Rules", "ClusterRules", "GlobalRules")
    )
    (tmp_path / "rules.yaml").write_text(text)
    found = discover([tmp_path / "rules.yaml"], base=tmp_path)
    assert [alert.name for alert in found.system.alerts] == ["NatsDown", "NatsDown-2", "NatsDown-3"]
    assert found.unknown == {}


def test_what_another_object_makes_is_no_service_of_its_own(tmp_path: Path) -> None:
    """A running cluster shows both; an owner that nobody understands leaves what it owns in."""
    made = (
        "---\napiVersion: apps/v1\nkind: {kind}\nspec: {{}}\n"
        "metadata: {{name: {name}, labels: {labels}, ownerReferences: [{owner}]}}\n"
    )
    objects = (
        "apiVersion: databases.spotahome.com/v1\nkind: RedisFailover\nmetadata: {name: cart}\n"
        "spec: {redis: {replicas: 3}}\n"
        "---\napiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: resize}\n"
        "spec: {template: {spec: {}}}\n"
        + made.format(
            kind="StatefulSet",
            name="rfr-cart",
            labels="{}",
            owner="{apiVersion: databases.spotahome.com/v1, kind: RedisFailover, name: cart}",
        )
        + made.format(
            kind="Deployment",
            name="resize-00001-deployment",
            labels="{serving.knative.dev/service: resize}",
            owner="{apiVersion: serving.knative.dev/v1, kind: Revision, name: resize-00001}",
        )
        + made.format(kind="StatefulSet", name="kafka", labels="{}", owner="{apiVersion: k/v1, kind: Kafka, name: k}")
    )
    (tmp_path / "all.yaml").write_text(objects)
    found = discover([tmp_path / "all.yaml"], base=tmp_path)
    assert {service.name for service in found.system.services} == {"cart", "resize", "kafka"}
