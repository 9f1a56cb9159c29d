"""Servers started from rendered text, with hosts, ports and folders of this machine put in: they log in and copy."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from identities import Certificates, certificates
from nats_world import free_port, wait_until
from rendered_pair import Pair

from secondsite.model.deployment import Deployment
from secondsite.model.errors import MachineError
from secondsite.strategies.server_config import GATEWAY_PORT, LEAF_PORT, ROUTE_PORT
from secondsite.strategies.write_gate import shut

pytestmark = pytest.mark.slow
__all__ = ["certificates"]


def test_a_leaf_logs_in_by_its_variable_over_tls_and_mirrors(
    laid_out: Callable[[str], Deployment], tmp_path: Path, certificates: Certificates
) -> None:
    pair = Pair(laid_out("warm-standby/leafnode-mirror"), tmp_path, certificates)
    with pair.running():
        wait_until(lambda: pair.page("us-west-2", "leafz")["leafnodes"] == 1, 60)
        listener = pair.page("us-east-1", "varz")["leaf"]
        assert listener["tls_required"]
        pair.create_streams()
        asyncio.run(pair.publish("us-east-1", "events.a"))
        wait_until(lambda: pair.messages("us-west-2", "EVENTS") == 1, 60)
        assert pair.messages("us-east-1", "EVENTS") == 1


def test_a_leaf_with_another_password_stays_out(
    laid_out: Callable[[str], Deployment], tmp_path: Path, certificates: Certificates
) -> None:
    pair = Pair(laid_out("warm-standby/leafnode-mirror"), tmp_path, certificates)
    url = f"nats-leaf://leaf:other1@127.0.0.1:{pair.port('us-east-1', LEAF_PORT)}"
    log = tmp_path / "us-west-2-nats-nats-us-west-2-0.conf.log"
    with pair.running(NATS_LEAF_URL_NATS_0=url):
        wait_until(lambda: "Authorization Violation" in log.read_text(), 60)
        assert pair.page("us-west-2", "leafz")["leafnodes"] == 0


def test_gateways_join_over_tls(
    laid_out: Callable[[str], Deployment], tmp_path: Path, certificates: Certificates
) -> None:
    pair = Pair(laid_out("warm-standby/supercluster-mirror"), tmp_path, certificates)
    with pair.running():
        for region, other in (("us-east-1", "nats-us-west-2"), ("us-west-2", "nats")):
            wait_until(lambda r=region, o=other: o in pair.page(r, "gatewayz")["outbound_gateways"], 60)  # type: ignore[misc] # mypy cannot type a default
            assert pair.page(region, "varz")["gateway"]["tls_required"]


@pytest.mark.parametrize(("login", "joins"), [("", False), ("route:guess1@", False), ("route:route1@", True)])
def test_a_server_that_knows_the_name_of_the_cluster_only_does_not_join_it(
    login: str, joins: bool, laid_out: Callable[[str], Deployment], tmp_path: Path, certificates: Certificates
) -> None:
    """With accounts of its own it would read and write what the application does, past the write gate."""
    pair = Pair(laid_out("warm-standby/supercluster-mirror"), tmp_path, certificates)
    with pair.running():
        port, own = pair.port("us-east-1", ROUTE_PORT), [free_port() for _ in range(2)]
        intruder = tmp_path / "intruder.conf"
        intruder.write_text(
            f"server_name: intruder\nlisten: 127.0.0.1:{own[0]}\n"
            "accounts { APP { users: [{user: x, password: x}] } }\n"
            f"cluster {{ name: nats, listen: 127.0.0.1:{own[1]}, routes: [nats://{login}127.0.0.1:{port}] }}\n"
        )
        before = pair.page("us-east-1", "routez")["num_routes"]
        with pair.started("intruder", intruder, dict(os.environ)) as log:
            said = "Route connection created" if joins else "Authorization Violation"
            wait_until(lambda: said in log.read_text(), 60)
            if joins:
                wait_until(lambda: pair.page("us-east-1", "routez")["num_routes"] > before, 60)
            else:
                assert pair.page("us-east-1", "routez")["num_routes"] == before


@pytest.mark.parametrize(("login", "joins"), [("", False), ("gateway: guess1", False), ("gateway: gateway1", True)])
def test_a_certificate_and_a_name_do_not_let_a_cluster_into_the_super_cluster(
    login: str, joins: bool, laid_out: Callable[[str], Deployment], tmp_path: Path, certificates: Certificates
) -> None:
    """Whoever has any certificate of the same authority, and the name of a cluster that does not exist."""
    pair = Pair(laid_out("warm-standby/supercluster-mirror"), tmp_path, certificates)
    pair.confs = [path for path in pair.confs if path.startswith("us-east-1/")]
    user, _, password = login.partition(": ")
    known = f"authorization {{ user: {user}, password: {password} }}" if login else ""
    files = f"cert_file: '{certificates.server}', key_file: '{certificates.server_key}', ca_file: '{certificates.ca}'"
    with pair.running():
        own, remote = [free_port() for _ in range(2)], f"nats://127.0.0.1:{pair.port('us-east-1', GATEWAY_PORT)}"
        intruder = tmp_path / "intruder.conf"
        intruder.write_text(
            f"server_name: intruder\nlisten: 127.0.0.1:{own[0]}\n"
            f"gateway {{ name: nats-us-west-2, listen: 127.0.0.1:{own[1]}, tls {{ {files} }}, {known}\n"
            f"  gateways: [{{ name: nats, urls: ['{remote}'] }}] }}\n"
        )
        with pair.started("intruder", intruder, dict(os.environ)) as log:
            ends = ("Outbound gateway connection to", "Authorization Violation")
            wait_until(lambda: any(said in log.read_text() for said in ends), 60)
            inbound = pair.page("us-east-1", "gatewayz")["inbound_gateways"]
            assert ("nats-us-west-2" in inbound) is joins, log.read_text()


def test_the_gate_beside_the_configuration_stops_the_application_and_not_the_operator(
    laid_out: Callable[[str], Deployment], tmp_path: Path, certificates: Certificates
) -> None:
    pair = Pair(laid_out("warm-standby/leafnode-mirror"), tmp_path, certificates)
    with pair.running():
        pair.create_streams()
        asyncio.run(pair.publish("us-east-1", "events.a"))
    (tmp_path / "us-east-1/nats/gate/us-east-1.conf").write_text(shut(("events.>",)))
    with pair.running():
        with pytest.raises((TimeoutError, MachineError)):
            asyncio.run(pair.publish("us-east-1", "events.a", within_s=1))
        asyncio.run(pair.publish("us-east-1", "events.a", user="operator"))
        assert pair.messages("us-east-1", "EVENTS") == 2
