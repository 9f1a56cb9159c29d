"""What a failover does not move: stores of secrets and backups, DNS, and services of others, with how to check them."""

from __future__ import annotations

from collections.abc import Iterator

from secondsite.model.external_service import ExternalService
from secondsite.model.service import Service
from secondsite.operate.shell import kubectl, word, workload
from secondsite.publish.content.inputs import Inputs
from secondsite.publish.content.sources import Sources
from secondsite.publish.runbook.executor_commands import second_region
from secondsite.publish.text.markdown import Md, bullets, code, fence, joined, table, text

_JOBS = ("CronJob", "Job")
_ANSWER_S = 5
_SHOWN = word(r"%{http_code} %{remote_ip}\n")


def shared_parts(inputs: Inputs) -> Md:
    """Of the system's own, as far as its file says it."""
    system = inputs.system
    named = {f"secrets: {secret.store}" for secret in system.secrets if secret.store}
    named |= {f"backups: {backup.destination}" for backup in system.backups if backup.destination}
    if inputs.chosen.deployment.traffic.host:
        named.add(f"DNS of {inputs.chosen.deployment.traffic.host}")
    return bullets([text(one) for one in sorted(named)]) if named else Md("")


def services_of_others(inputs: Inputs, sources: Sources) -> Md:
    """Who calls them, and what has to be settled about each before the second region serves."""
    region = second_region(inputs)
    rows = [
        (
            joined([code(one.host), _place(inputs, sources, one)], " "),
            text(one.purpose or "not known"),
            joined(map(code, one.called_by)) or text("not known"),
            _either(one.allow_list, f"yes: list the addresses of {region} as well"),
            _either(one.webhooks, f"yes: to a name that leads to {region} after the failover"),
            text(one.fallback or "not known"),
        )
        for one in inputs.system.external_services
    ]
    heads = ("Service", "For", "Called by", "Listed addresses only", "Calls you back", "While it is away")
    return table(heads, rows) if rows else Md("")


def reach_checks(inputs: Inputs) -> Md:
    """Commands that ask each service from where it will be called, network policies and egress included."""
    lines = list(_reached(inputs))
    return fence(lines) if lines else Md("")


def _reached(inputs: Inputs) -> Iterator[str]:
    region = second_region(inputs)
    own_address: dict[str, str] = {}
    for one in inputs.system.external_services:
        caller = next(filter(None, map(inputs.system.service, one.called_by)), None)
        if caller is None or caller.kind in _JOBS:
            continue
        curl = f"{_inside(region, caller)} -- curl -sS --max-time {_ANSWER_S}"
        yield f"{curl} -o /dev/null -w {_SHOWN} {word(f'https://{one.host}/')}"
        if one.allow_list is not False:
            own_address.setdefault(caller.name, f"{curl} https://checkip.amazonaws.com")
    yield from own_address.values()


def _inside(region: str, caller: Service) -> str:
    return f"{kubectl(region, caller.namespace)} exec {workload(caller)}"


def _either(known: bool | None, yes: str) -> Md:
    return text("not known" if known is None else yes if known else "no")


def _place(inputs: Inputs, sources: Sources, one: ExternalService) -> Md:
    path = f"external_services.{one.host}"
    return sources.stated(f"{one.host} is called", "", inputs.at(path))
