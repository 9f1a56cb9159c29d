"""Servers, gates, streams and consumers as files: the very texts that the lab starts its servers and streams from.

Nothing is described here a second time: they are those of ``strategies/``; only the address book differs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from attrs import frozen

from secondsite.discover.nats_conf import parse_conf
from secondsite.model.deployment import Deployment
from secondsite.model.errors import InputError
from secondsite.model.nats import Consumer, NatsCluster, Stream
from secondsite.operate.agent import agent_config, agent_text
from secondsite.operate.gate_config import gate_config, gate_text
from secondsite.strategies.server_config import AddressBook, NatsServer, plain_label, server_configs, servers_of
from secondsite.strategies.stream_config import consumer_config, stream_config
from secondsite.strategies.write_gate import OPEN, gate_file, gated_subjects

GATE_CONFIG = "gate.json"
_NAME = re.compile(r"[^./\\\x00-\x1f][^/\\\x00-\x1f]{0,199}")


@frozen
class PlacedStream:
    """A stream where it is created. ``path`` has no ending: ``us-east-1/streams/EVENTS``."""

    region: str
    cluster: NatsCluster
    stream: Stream
    path: str

    @property
    def file(self) -> str:
        return f"{self.path}.json"

    def consumer_file(self, consumer: Consumer) -> str:
        return f"{self.path.replace('/streams/', '/consumers/', 1)}/{file_name(consumer.name)}.json"


def placed_streams(deployment: Deployment) -> tuple[PlacedStream, ...]:
    """Origins before what is copied from them, as the lab creates them. Raises InputError for a name that is no file's.

    A folder for each cluster where a region has several.
    """
    home = deployment.primary.region.name
    placed = []
    for cluster in deployment.clusters:
        region = cluster.region or home
        several = sum(1 for each in deployment.clusters if each.streams and (each.region or home) == region) > 1
        folder = f"{file_name(region)}/streams" + (f"/{file_name(plain_label(cluster.name))}" if several else "")
        placed += [PlacedStream(region, cluster, each, f"{folder}/{file_name(each.name)}") for each in cluster.streams]
    return tuple(sorted(placed, key=lambda each: bool(each.stream.mirror or each.stream.sources)))


def server_file(server: NatsServer) -> str:
    """Below its region's folder."""
    return f"nats/{file_name(server.name)}.conf"


def server_files(deployment: Deployment, book: AddressBook) -> Mapping[str, str]:
    """nats.conf of each server, and the gate that it includes: open, as where a region starts for the first time."""
    configs, servers = server_configs(deployment, book), servers_of(deployment)
    files = {f"{file_name(each.region)}/{server_file(each)}": configs[each.name] for each in servers}
    for file, text in files.items():
        parse_conf(text, file, include=lambda name: (OPEN, name))  # what a server could not read is written nowhere
    for region in dict.fromkeys(server.region for server in servers):
        if gated_subjects(deployment, region):
            files[f"{region}/nats/{gate_file(region)}"] = OPEN
        if gate := gate_config(deployment, region):
            files[f"{region}/nats/{GATE_CONFIG}"] = gate_text(gate)
    return files


def stream_files(deployment: Deployment) -> Mapping[str, str]:
    """The body of ``STREAM.CREATE`` for each stream, and the configuration of each consumer."""
    files: dict[str, str] = {}
    for placed in placed_streams(deployment):
        files[placed.file] = _json(stream_config(placed.stream, placed.cluster))
        for consumer in placed.stream.consumers:
            files[placed.consumer_file(consumer)] = _json(consumer_config(consumer))
    return files


def agent_files(deployment: Deployment) -> Mapping[str, str]:
    """What the agent of each region reads: the very text that the lab starts one from."""
    regions = dict.fromkeys(server.region for server in servers_of(deployment))
    configs = {region: agent_config(deployment, region) for region in regions}
    return {f"{file_name(region)}/agent/agent.json": agent_text(config) for region, config in configs.items() if config}


def file_name(value: str) -> str:
    """As a part of a path: never out of the folder."""
    if not _NAME.fullmatch(value):
        raise InputError.at("secondsite.yaml", f"{value!r} cannot be the name of a file", "leave out / and a first dot")
    return value


def _json(content: Mapping[str, object]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
