"""What is rendered is what the lab starts: the same text, but for hosts, folders, logins and certificates."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import attrs
import pytest
from attrs import evolve
from identities import Certificates, certificates

from secondsite.lab.addresses import LabAddresses
from secondsite.lab.nats_binary import fetch, find, is_here
from secondsite.lab.nats_fleet import NatsFleet
from secondsite.lab.options import LabOptions
from secondsite.model.deployment import Deployment
from secondsite.model.errors import InputError
from secondsite.model.nats import Consumer, NatsCluster, Retention, Stream
from secondsite.model.service import Volume
from secondsite.model.strategy import Link
from secondsite.model.units import Bytes
from secondsite.publish.deploy.texts import server_files, stream_files
from secondsite.publish.deploy.tree import files, left_over
from secondsite.strategies.deployed_addresses import CERTIFICATES, DeployedAddresses, variables
from secondsite.strategies.registry import STRATEGIES
from secondsite.strategies.server_config import server_configs, servers_of
from secondsite.strategies.stores import store_replicas
from secondsite.strategies.stream_config import stream_config
from secondsite.strategies.write_gate import OPEN

pytestmark = pytest.mark.slow

__all__ = ["certificates"]

RUNNABLE = [strategy.id for strategy in STRATEGIES if strategy.link is not Link.MANAGED]
LEAF = "warm-standby/leafnode-mirror"


def book(deployment: Deployment, domain: str = "nats.example.com") -> DeployedAddresses:
    return DeployedAddresses(deployment.system.services, domain)


def lab_book(deployment: Deployment, folder: Path) -> LabAddresses:
    return LabAddresses(0, tuple(dict.fromkeys(site.region.name for site in deployment.sites)), str(folder))


def rendered(deployment: Deployment, domain: str = "nats.example.com") -> Mapping[str, str]:
    return files(deployment, book(deployment, domain), "secondsite render", "secondsite:1")


@pytest.mark.parametrize("strategy", RUNNABLE)
def test_with_the_labs_addresses_it_is_what_the_lab_writes(
    strategy: str, laid_out: Callable[[str], Deployment], tmp_path: Path
) -> None:
    deployment = laid_out(strategy)
    addresses = lab_book(deployment, tmp_path)
    fleet = NatsFleet(deployment, addresses, LabOptions(nats_server=find("2.15.1")), tmp_path)
    fleet.specs(frozenset(server.region for server in servers_of(deployment)))
    started = {path.name: path.read_text() for path in (tmp_path / "nats").glob("*.conf")}
    texts = {path: text for path, text in server_files(deployment, addresses).items() if path.endswith(".conf")}
    texts = {path: text for path, text in texts.items() if "/gate/" not in path}
    assert {path.rpartition("/")[2]: text for path, text in texts.items()} == started


def normalised(text: str) -> str:
    """Without what an address book decides. Hosts are told by their ports, which stay."""
    text = re.sub(r"\n\s*tls \{[^}]*\}", "", text)
    text = re.sub(r"(password|store_dir): \S+", r"\1: *", text)
    text = re.sub(r'"nats-leaf://\S+"|\$NATS_LEAF_URL_\w+', "LEAF", text)
    text = re.sub(r'"nats://\w+:\w+@\S+"|\$NATS_ROUTE_URL_\w+', "ROUTE", text)
    return re.sub(r'"(nats://)?[\w.-]+:(\d+)"', r"HOST:\2", text)


@pytest.mark.parametrize("strategy", RUNNABLE)
def test_it_differs_from_the_labs_in_what_the_address_book_says(
    strategy: str, laid_out: Callable[[str], Deployment]
) -> None:
    deployment = laid_out(strategy)
    ours = server_configs(deployment, book(deployment))
    labs = server_configs(deployment, lab_book(deployment, Path("/stores")))
    assert ours != labs
    for name, text in ours.items():
        assert normalised(text) == normalised(labs[name])
        assert "127." not in text


def write(folder: Path, texts: Mapping[str, str]) -> None:
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def with_certificates(texts: Mapping[str, str], made: Certificates) -> dict[str, str]:
    files = {CERTIFICATES.cert_file: made.server, CERTIFICATES.key_file: made.server_key, CERTIFICATES.ca_file: made.ca}
    return {name: re.sub("|".join(files), lambda found: str(files[found[0]]), text) for name, text in texts.items()}


def environment(texts: Mapping[str, str]) -> dict[str, str]:
    """A value for each variable."""
    names = {name[1:] for text in texts.values() for name in variables(text)}
    host = "{}.example.com"
    kinds = {"NATS_LEAF_URL": f"nats-leaf://leaf:p1@{host}:7422", "NATS_ROUTE_URL": f"nats://route:p1@{host}:6222"}
    return {
        name: next((url.format(name.lower()) for kind, url in kinds.items() if name.startswith(kind)), "p1")
        for name in names
    }


@pytest.mark.slow
@pytest.mark.parametrize("version", ["2.10.26", "2.15.1"])
@pytest.mark.parametrize("strategy", RUNNABLE)
def test_servers_take_it_where_every_variable_is_set(
    strategy: str, version: str, laid_out: Callable[[str], Deployment], tmp_path: Path, certificates: Certificates
) -> None:
    texts = with_certificates(rendered(laid_out(strategy)), certificates)
    write(tmp_path, texts)
    confs = list(tmp_path.glob("*/nats/*.conf"))
    assert confs
    for path in confs:
        given = environment({path.name: path.read_text()})
        assert {"NATS_APP_PASSWORD", "NATS_OPERATOR_PASSWORD", "NATS_LEAF_PASSWORD", "NATS_SYS_PASSWORD"} <= set(given)
        done = check(version, path, given)
        assert done.returncode == 0, done.stderr
    missing = {name: value for name, value in given.items() if name != "NATS_SYS_PASSWORD"}
    assert "'NATS_SYS_PASSWORD' on line" in check(version, path, missing).stderr


def check(version: str, path: Path, given: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("NATS")}
    command = [str(find(version) if is_here(version) else fetch(version)), "-t", "-c", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=clean | dict(given))


@pytest.mark.parametrize("strategy", RUNNABLE)
def test_no_login_is_in_a_file(strategy: str, laid_out: Callable[[str], Deployment]) -> None:
    for name, text in rendered(laid_out(strategy)).items():
        assert not re.findall(r"password: (?!\$NATS_[A-Z]+_PASSWORD$)", text, re.MULTILINE), name
        assert not re.findall(r"://\w+:(?!\$\(NATS_(?:LEAF|ROUTE)_PASSWORD\)|PASSWORD)[^@\s]*@", text), name


def test_streams_are_those_of_the_api_and_a_mirror_has_no_consumers(laid_out: Callable[[str], Deployment]) -> None:
    deployment = laid_out(LEAF)
    texts = stream_files(deployment)
    assert set(texts) == {
        "us-east-1/streams/EVENTS.json",
        "us-east-1/streams/kgent-events.json",
        "us-east-1/consumers/EVENTS/metering.json",
        "us-west-2/streams/EVENTS.json",
        "us-west-2/streams/kgent-events.json",
    }
    home, second = deployment.clusters
    for cluster in (home, second):
        for stream in cluster.streams:
            told = json.loads(texts[f"{cluster.region}/streams/{stream.name}.json"])
            assert told == json.loads(json.dumps(stream_config(stream, cluster)))
    assert json.loads(texts["us-east-1/consumers/EVENTS/metering.json"])["durable_name"] == "metering"


def test_origins_come_before_their_copies(laid_out: Callable[[str], Deployment]) -> None:
    deployment = laid_out(LEAF)
    turned = attrs.evolve(deployment, clusters=deployment.clusters[::-1])
    regions = [path.partition("/")[0] for path in stream_files(turned) if "/streams/" in path]
    assert regions == ["us-east-1", "us-east-1", "us-west-2", "us-west-2"]


def test_a_work_queue_without_known_consumers_is_named_where_its_mirror_is_created(
    laid_out: Callable[[str], Deployment],
) -> None:
    """Its mirror takes every job that no durable consumer waits for (nats-server 2.14 and newer)."""
    deployment = laid_out(LEAF)

    def queue(stream: Stream, *consumers: Consumer) -> Stream:
        return evolve(stream, retention=Retention.WORKQUEUE, consumers=consumers if stream.mirror is None else ())

    def readme(*consumers: Consumer) -> str:
        clusters = tuple(
            evolve(
                one, streams=tuple(queue(each, *consumers) if each.name == "EVENTS" else each for each in one.streams)
            )
            for one in deployment.clusters
        )
        return rendered(evolve(deployment, clusters=clusters))["README.md"]

    warned = "# EVENTS: no durable consumer of this work queue is known. Create those of its workers in us-east-1 first"
    text = readme(Consumer("gone", durable=False))
    assert text.index(warned) < text.index("nats --context us-west-2 stream add EVENTS ")
    assert text.count(warned) == 1
    assert "no durable consumer of this work queue" not in readme(Consumer("worker"))


def test_several_clusters_of_a_region_have_folders(laid_out: Callable[[str], Deployment]) -> None:
    deployment = laid_out("single-region/none/manual")
    cluster = deployment.clusters[0]
    other = attrs.evolve(cluster, name="other", service="")
    both = stream_files(attrs.evolve(deployment, clusters=(cluster, other)))
    assert {"us-east-1/streams/nats/EVENTS.json", "us-east-1/consumers/other/EVENTS/metering.json"} <= set(both)


def test_the_gate_is_where_the_configuration_includes_it_and_open(laid_out: Callable[[str], Deployment]) -> None:
    texts = rendered(laid_out(LEAF))
    assert [name for name in texts if "/gate/" in name] == ["us-east-1/nats/gate/us-east-1.conf"]
    assert texts["us-east-1/nats/gate/us-east-1.conf"] == OPEN
    assert 'include "gate/us-east-1.conf"' in texts["us-east-1/nats/nats-0.conf"]
    assert not any("/gate/" in name for name in rendered(laid_out("warm-standby/stretch")))


def test_names_inside_a_region_are_kubernetes_and_between_regions_the_domains(
    laid_out: Callable[[str], Deployment],
) -> None:
    deployment = laid_out("warm-standby/supercluster-mirror")
    text = server_configs(deployment, book(laid_out(LEAF)))["nats-us-west-2-1"]
    assert "$NATS_ROUTE_URL_NATS_US_WEST_2_0\n" in text
    found = book(laid_out(LEAF)).url_of("$NATS_ROUTE_URL_NATS_US_WEST_2_0", "us-west-2", servers_of(deployment), str)
    assert found == "nats://route:$NATS_ROUTE_PASSWORD@nats-0.nats.default.svc.cluster.local:6222"
    assert '"nats://nats-2.us-east-1.nats.example.com:7222"' in text
    assert 'advertise: "nats-1.us-west-2.nats.example.com:7222"' in text
    assert 'store_dir: "/data"' in text


def test_a_namespace_that_is_not_known_is_not_made_up(laid_out: Callable[[str], Deployment]) -> None:
    deployment = laid_out("single-region/none/manual")
    found = DeployedAddresses().url_of("$NATS_ROUTE_URL_NATS_0", "us-east-1", servers_of(deployment), str)
    assert found == "nats://route:$NATS_ROUTE_PASSWORD@nats-0.nats:6222"


@pytest.mark.parametrize("strategy", RUNNABLE)
def test_a_domain_is_asked_for_where_servers_reach_another_region(
    strategy: str, laid_out: Callable[[str], Deployment]
) -> None:
    deployment = laid_out(strategy)
    apart = deployment.strategy.link in (Link.NONE, Link.BACKUP, Link.ARCHIVE)
    if apart and not store_replicas(deployment):
        assert rendered(deployment, "")
        return
    who = "postgres in .* has to reach" if apart else "servers in .* give a domain whose records you can write"
    with pytest.raises(InputError, match=rf"--domain: {who}"):
        rendered(deployment, "")


@pytest.mark.parametrize("domain", ["-", "a b", "nats.example.com.", "x" * 250, "nats.example.com:4222", "é.example"])
def test_a_domain_that_makes_no_host_names_is_told(domain: str, laid_out: Callable[[str], Deployment]) -> None:
    with pytest.raises(InputError, match="is not a host name"):
        rendered(laid_out(LEAF), domain)


def test_what_a_provider_runs_is_not_rendered(laid_out: Callable[[str], Deployment]) -> None:
    with pytest.raises(InputError, match="the provider's; choose a strategy"):
        rendered(laid_out("warm-standby/managed"))


def test_nothing_to_render_is_told(laid_out: Callable[[str], Deployment]) -> None:
    with pytest.raises(InputError, match="no NATS cluster"):
        rendered(attrs.evolve(laid_out("single-region/none/manual"), clusters=()))


@pytest.mark.parametrize("name", ["../x", "a/b", ".hidden", "a\nb", "x" * 201])
def test_no_name_leads_out_of_the_folder(name: str, laid_out: Callable[[str], Deployment]) -> None:
    deployment = laid_out("single-region/none/manual")
    cluster = deployment.clusters[0]
    stream = attrs.evolve(cluster.streams[0], consumers=(Consumer(name),))

    def changed(cluster: NatsCluster) -> Deployment:
        return attrs.evolve(deployment, clusters=(cluster,))

    of_clusters = (changed(attrs.evolve(cluster, name=name)), changed(attrs.evolve(cluster, service=name)))
    for bad in (
        changed(attrs.evolve(cluster, streams=(stream,))),
        changed(attrs.evolve(cluster, streams=(attrs.evolve(stream, name=name),))),
        *(of_clusters if name != "a/b" else ()),  # NAMESPACE/NAME is one that init gives: a-b in paths
    ):
        with pytest.raises(InputError, match="cannot be the name of a file"):
            rendered(bad)


def test_what_an_earlier_strategy_left_is_found_and_files_of_others_are_not(
    laid_out: Callable[[str], Deployment], tmp_path: Path
) -> None:
    write(tmp_path, rendered(laid_out("warm-standby/supercluster-mirror-witness")))
    write(tmp_path, {"us-east-2/notes.txt": "", "us-east-1/kubernetes/mine.yaml": ""})
    texts = rendered(laid_out(LEAF))
    write(tmp_path, texts)
    assert [str(path.relative_to(tmp_path)) for path in left_over(tmp_path, texts)] == [
        "us-east-2/kubernetes/nats.network-policy.yaml",
        "us-east-2/kubernetes/nats.patch.yaml",
        "us-east-2/kustomization.yaml",
        "us-east-2/nats/nats-us-east-2-0.conf",
        "us-east-2/rights/secondsite-deploy.yaml",
        "us-east-2/rights/secondsite-failover.yaml",
        "us-west-2/streams/EVENTS-us-west-2.json",
        "us-west-2/streams/kgent-events-us-west-2.json",
    ]


def doors(deployment: Deployment) -> list[tuple[str, str, str]]:
    """Of the table in the README: the name, the ports, who dials."""
    rows = re.findall(
        r"^\| `(\S+\.example\.com)` *\|[^|]*\| ([\d, ]+?) *\| ([^|]+?) *\|$", rendered(deployment)["README.md"], re.M
    )
    return [(name.removesuffix(".nats.example.com"), ports, who) for name, ports, who in rows]


def test_the_readme_names_what_has_to_resolve_and_who_dials_it(laid_out: Callable[[str], Deployment]) -> None:
    assert doors(laid_out(LEAF)) == [(f"nats-{number}.us-east-1", "7422", "us-west-2") for number in range(3)]
    assert doors(laid_out("warm-standby/stretch")) == [
        ("nats-0.us-east-1", "6222", "us-west-2, us-east-2"),
        ("nats-0.us-west-2", "6222", "us-east-2"),
        ("nats-0.us-east-2", "6222", "gossip"),
    ]
    assert len(doors(laid_out("warm-standby/supercluster-mirror-witness"))) == 7
    assert doors(laid_out("single-region/none/manual")) == []


def test_the_readme_asks_for_the_storage_class_before_servers_start(laid_out: Callable[[str], Deployment]) -> None:
    deployment = laid_out(LEAF)
    run = {cluster.service for cluster in deployment.clusters}
    volume = Volume("data", Bytes(2**30), "gp3")
    services = tuple(evolve(s, volumes=(volume,)) if s.name in run else s for s in deployment.system.services)
    text = rendered(evolve(deployment, system=evolve(deployment.system, services=services)))["README.md"]
    asked = text.index("kubectl --context us-west-2 get storageclass gp3")
    assert asked < text.index("kubectl --context us-west-2 apply -k")


def test_the_readme_lists_every_variable_that_a_configuration_has(laid_out: Callable[[str], Deployment]) -> None:
    texts = rendered(laid_out(LEAF))
    used = {name[1:] for text in texts.values() for name in variables(text)}
    assert set(re.findall(r"^\| `(NATS_\w+)`", texts["README.md"], re.M)) == used
    assert "`nats-leaf://leaf:PASSWORD@nats-1.us-east-1.nats.example.com:7422`" in texts["README.md"]


def test_the_readme_says_which_archive_to_compact(laid_out: Callable[[str], Deployment]) -> None:
    text = rendered(laid_out("backup-restore/archive"))["README.md"]
    (verified,) = re.findall(r"^secondsite archive verify --from (\S+) --no-restore$", text, re.M)
    assert f"`secondsite archive compact --from {verified} --keep 7d`" in text
