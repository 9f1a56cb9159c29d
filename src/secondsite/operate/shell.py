"""What a command for a person is put together from: values as words of a shell, and requests to servers.

JetStream is asked by `nats request` alone, with the bodies that the executor sends, and `jq` reads the answers: what
the server refuses ends the command with an error instead of going on with half an answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from shlex import quote
from typing import Any

from secondsite.model.service import Service
from secondsite.model.traffic import Traffic
from secondsite.operate.layout import StreamPlacement

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
WENT_WELL = ".error.description // true | . == true or error(.)"


def word(value: str) -> str:
    """One shell word on one line, whatever the value holds."""
    if not _CONTROL.search(value):
        return quote(value)
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return "$'" + _CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", escaped) + "'"


def file_word(name: str) -> str:
    """A name as a part of a path that a command writes to."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)[:60]


def nats(region: str, *, system: bool = False) -> str:
    """Contexts of `nats` are called like the regions; those of the system account end in -system."""
    return f"nats --context {word(f'{region}-system' if system else region)} --timeout 5s"


def kubectl(region: str, namespace: str = "") -> str:
    inside = f" -n {word(namespace)}" if namespace else ""
    return f"kubectl --context {word(region)} --request-timeout=10s{inside}"


def same_cluster(region: str, uid: str) -> str:
    """Ends with an error where the context leads to another cluster than it is called after."""
    asked = f"{kubectl(region)} get namespace kube-system -o jsonpath={word('{.metadata.uid}')}"
    return f'test "$({asked})" = {word(uid)}  # the cluster of {region}: go on only if this holds'


def service_url(traffic: Traffic) -> str:
    """Where it is asked whether it is well."""
    path = traffic.check_path
    return word(f"https://{traffic.host}{path}") if traffic.host else f'"https://$HOST"{word(path)}'


def workload(service: Service) -> str:
    return word(f"{service.kind.lower()}/{service.object_name}" if service.kind else service.object_name)


def scaled(region: str, service: Service, replicas: int) -> str:
    return f"{kubectl(region, service.namespace)} scale {workload(service)} --replicas={replicas}"


def request(region: str, call: str, body: Mapping[str, Any] | str = "") -> str:
    """One request to the JetStream API; ``body`` is JSON, or shell text that becomes one word of JSON."""
    payload = body if isinstance(body, str) else word(json.dumps(body, ensure_ascii=False))
    return _asked(region, f"$JS.API.{call}", payload)


def _asked(region: str, subject: str, payload: str) -> str:
    return f"{nats(region)} request --raw {word(subject)} {payload or quote('')}"


def published(region: str, subject: str, data: str) -> str:
    """A message for a stream: it fails where none stores it."""
    return f"{_asked(region, subject, word(data))} | jq {word(WENT_WELL)}"


def changed(region: str, call: str, body: Mapping[str, Any] | str = "") -> str:
    """A request that changes something: it fails where the server refuses."""
    return f"{request(region, call, body)} | jq {word(WENT_WELL)}"


def read(region: str, call: str, program: str, body: Mapping[str, Any] | str = "", *, flags: str = "-ce") -> str:
    """What a request answers, through jq."""
    return f"{request(region, call, body)} | jq {flags} {word(program)}"


def updated(region: str, stream: str, edit: str, *, flags: str = "-ce") -> str:
    """A stream's configuration as it is, edited by jq; ``edit`` is given the whole of STREAM.INFO."""
    now = read(region, f"STREAM.INFO.{stream}", edit, flags=flags)
    return changed(region, f"STREAM.UPDATE.{stream}", f'"$({now})"')


def until_it_has(copy: StreamPlacement, origin: StreamPlacement) -> str:
    """Wait until a copy has all that its origin has now. What does not answer is asked again."""
    wanted, copied = last_sequence(origin.region, origin.name), last_sequence(copy.region, copy.name)
    return f'wanted=$({wanted}); until [ "$({copied})" -ge "$wanted" ]; do sleep 1 || break; done'


def last_sequence(region: str, stream: str) -> str:
    return read(region, f"STREAM.INFO.{stream}", ".state.last_seq", flags="-e")
