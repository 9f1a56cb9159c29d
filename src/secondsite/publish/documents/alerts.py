"""Prometheus rules for what has to be true before a failover, with the thresholds that the contracts state.

Metrics are those of prometheus-nats-exporter, postgres_exporter, kube-state-metrics, external-secrets, the blackbox
exporter, `secondsite backup`, `archive` and `watch`; every series carries a `region` label. The `lag` that a mirror
reports is not used.
"""

from __future__ import annotations

import json
import string
from collections.abc import Iterator, Sequence

from attrs import frozen

from secondsite.model.contract import Subject
from secondsite.model.deployment import Deployment, LinkKind
from secondsite.model.service import Role
from secondsite.model.strategy import Link
from secondsite.publish.content.inputs import Inputs
from secondsite.publish.content.state import Replicated, replicated
from secondsite.publish.text.markdown import plain
from secondsite.publish.text.nonbreaking import duration
from secondsite.publish.text.yaml_text import yaml_text
from secondsite.strategies.links.archive import METHOD
from secondsite.strategies.observed import region_unseen, why_invisible

_FED = "Exported by the two jobs in docs/publish/dr-alerts.md."
RUNBOOK = "runbook.md"
_STANDS_S = 60
_PLAN_OLD_S = 1200
"""Three looks that did not come, and a little."""


@frozen
class AlertRule:
    """``value`` is what a panel draws; the alert fires when it is ``fires`` for ``hold_s``."""

    name: str
    value: str
    fires: str
    hold_s: int
    severity: str
    summary: str
    remedy: str
    unit: str = "none"
    threshold: float | None = None
    contract: str = ""

    @property
    def expression(self) -> str:
        return f"{self.value} {self.fires}"


def alerts(inputs: Inputs) -> tuple[AlertRule, ...]:
    """In the order of what hurts most."""
    deployment = inputs.chosen.deployment
    copies = replicated(inputs.chosen)
    return (
        *_mirrors(inputs, copies),
        *_links(deployment),
        *(alert for one in copies for alert in _copy(one)),
        *_secrets(inputs),
        *_edge(inputs),
        *_regions(inputs),
        *_watched(inputs),
    )


def _mirrors(inputs: Inputs, copies: Sequence[Replicated]) -> Iterator[AlertRule]:
    """Sequences of both sides, divided by the origin's rate."""
    mirror = next((one for one in copies if one.copy.subject is Subject.NATS and not one.scheduled), None)
    if mirror is None:
        return
    home, there = _text(inputs.system.region.name), _text(mirror.copy.region)
    origin = f"max by (stream_name) (jetstream_stream_last_seq{{region={home}}})"
    copied = f"max by (stream_name) ({_named_alike(inputs, mirror.copy.region)})"
    rate = f"clamp_min(max by (stream_name) (rate(jetstream_stream_last_seq{{region={home}}}[5m])), 0.1)"
    limit = mirror.alert_s
    yield AlertRule(
        "MirrorBehind",
        f"({origin} - {copied}) / {rate}",
        f"> {limit:g}",
        60,
        "critical",
        f"{{{{ $labels.stream_name }}}} in {_literal(mirror.copy.region)} is more than {duration(limit)} behind",
        "check the link, then the leader of the origin",
        "s",
        limit,
        mirror.contract,
    )
    yield AlertRule(
        "MirrorAheadOfOrigin",
        f"min_over_time({copied}[10m:]) - {origin}",
        "> 0",
        600,
        "critical",
        "the mirror of {{ $labels.stream_name }} has more messages than its origin: the origin was recreated",
        "the mirror no longer copies: save what only it has, then recreate it",
    )
    yield AlertRule(
        "MirrorUnseen",
        f"absent(jetstream_stream_last_seq{{region={there}}})",
        "== 1",
        300,
        "critical",
        f"no metrics of the streams in {_literal(mirror.copy.region)}",
        "check the exporter, then the cluster there; a failover now would be blind",
    )


def _named_alike(inputs: Inputs, region: str) -> str:
    """The copies' sequences under their origins' names: in one account space mirrors carry the region's name too."""
    series = f"jetstream_stream_last_seq{{region={_text(region)}}}"
    if inputs.chosen.strategy.link not in (Link.SUPERCLUSTER_MIRROR, Link.SUPERCLUSTER_MIRROR_WITNESS):
        return series
    pattern = _text(f"(.*)-{_escaped(region)}")
    return f'label_replace({series}, "stream_name", "$1", "stream_name", {pattern})'


def _links(deployment: Deployment) -> Iterator[AlertRule]:
    """What carries the mirrors."""
    region = deployment.standby.region.name if deployment.standby else ""
    here = f"{{region={_text(region)}}}"
    if any(link.kind is LinkKind.LEAF for link in deployment.links):
        yield AlertRule(
            "LeafLinkDown",
            f"max(gnatsd_leafz_conn_nodes_total{here})",
            "< 1",
            60,
            "critical",
            f"no leaf connection from {_literal(region)}: mirrors have stopped, and report a lag of 0",
            "check certificates, credentials and the network between the regions",
            threshold=1,
        )
    if any(link.kind is LinkKind.GATEWAY for link in deployment.links):
        yield AlertRule(
            "GatewayLinkDown",
            f"max by (remote_gateway_name) (gnatsd_gatewayz_outbound_gateway_conn_idle_seconds{here})",
            "> 60",
            60,
            "critical",
            f"the gateway from {_literal(region)} is silent",
            "check certificates and the network between the regions; the meta group may have no majority",
            "s",
            60,
        )


def _copy(one: Replicated) -> Iterator[AlertRule]:
    if one.copy.method == METHOD:
        yield from _archive(one)
    elif one.copy.subject is Subject.NATS and one.scheduled:
        yield _aged("StreamBackupOld", "max(secondsite_backup_age_seconds)", one, "secondsite backup list")
        yield AlertRule(
            "StreamBackupUnseen",
            "absent(secondsite_backup_age_seconds)",
            "== 1",
            900,
            "critical",
            "no metrics of the stream backups",
            "start `secondsite backup --every`, with its metrics scraped",
        )
    elif one.copy.subject is Subject.STATE and one.scheduled:
        value = 'time() - min(max by (cronjob) (kube_cronjob_status_last_successful_time{cronjob=~".*backup.*"}))'
        yield _aged("StoreBackupOld", value, one, "check the job's last log")
    elif one.copy.subject is Subject.STATE:
        value = f"max(pg_replication_lag_seconds{{region={_text(one.copy.region)}}})"
        yield _aged("DatabaseReplicaBehind", value, one, "check pg_stat_replication on the primary")


def _archive(one: Replicated) -> Iterator[AlertRule]:
    yield _aged(
        "ArchiveBehind",
        "max(secondsite_archive_stream_age_seconds)",
        one,
        "check the archiver's log for the stream and the reason",
    )
    yield AlertRule(
        "ArchiveStands",
        "min(secondsite_archive_age_seconds)",
        f"> {_STANDS_S}",
        60,
        "critical",
        "no copy of the archiver is shipping",
        "check the store's answers in the log of each `secondsite archive`",
        "s",
        _STANDS_S,
    )
    yield AlertRule(
        "ArchiveUnseen",
        "absent(secondsite_archive_age_seconds)",
        "== 1",
        300,
        "critical",
        "no metrics of the archive",
        "start `secondsite archive`, with its metrics scraped",
    )


def _aged(name: str, value: str, one: Replicated, check: str) -> AlertRule:
    limit = one.alert_s
    summary = f"{_literal(one.copy.what)} in {_literal(one.copy.region)}: older than {duration(limit)}"
    return AlertRule(name, value, f"> {limit:g}", 60, "critical", summary, f"look at {check}", "s", limit, one.contract)


def _watched(inputs: Inputs) -> Iterator[AlertRule]:
    """Where a watch is set up: whether it could do what it is for, before it has to."""
    operate = inputs.system.operate
    if operate is None or operate.watch is None or not operate.watch.observers:
        return
    yield AlertRule(
        "FailoverNotReady",
        "min by (fault) (secondsite_plan_ready)",
        "< 1",
        600,
        "critical",
        "a failover for {{ $labels.fault }} could not run now, or would lack something",
        "secondsite_plan_refused and the page of the watch show what blocks it",
        threshold=1,
    )
    yield AlertRule(
        "FailoverPlanOld",
        "max by (fault) (secondsite_plan_age_seconds)",
        f"> {_PLAN_OLD_S}",
        60,
        "warning",
        "no recent plan for {{ $labels.fault }}: it is unknown whether a failover could run",
        "check the log of the watch",
        "s",
        _PLAN_OLD_S,
    )
    yield AlertRule(
        "WatchAsks",
        "max(secondsite_watch_asks)",
        "== 1",
        0,
        "critical",
        "a failover waits for approval",
        "read the page of the watch, then approve or decline",
    )
    yield AlertRule(
        "ObserverDoesNotCount",
        "max by (observer) (secondsite_watch_observer_counts)",
        "< 1",
        300,
        "warning",
        "the observer {{ $labels.observer }} is silent, stuck, or reaches nothing",
        "if one more fails, a loss needs approval instead of an automatic failover",
        threshold=1,
    )
    yield AlertRule(
        "WatchUnseen",
        "absent(secondsite_plan_ready)",
        "== 1",
        300,
        "critical",
        "no watch is running: only people would notice a lost region",
        "start `secondsite watch`, with its metrics scraped",
    )


def _secrets(inputs: Inputs) -> Iterator[AlertRule]:
    if not inputs.system.secrets:
        return
    yield AlertRule(
        "SecretNotSynchronised",
        'max by (region, namespace, name) (externalsecret_status_condition{condition="Ready",status="False"})',
        "== 1",
        600,
        "warning",
        "{{ $labels.namespace }}/{{ $labels.name }} is not synchronised in {{ $labels.region }}",
        "check the secret store of that region",
    )
    yield AlertRule(
        "SecretDrift",
        "count by (namespace, name) (count by (namespace, name, digest) (secondsite_secret_digest_info))",
        "> 1",
        900,
        "critical",
        "{{ $labels.namespace }}/{{ $labels.name }} differs between the regions",
        f"force a refresh in both regions; a standby with a stale secret starts but cannot serve. {_FED}",
        threshold=1,
    )


def _regions(inputs: Inputs) -> Iterator[AlertRule]:
    """In each region that is left: where the rules of both regions meet is lost with one of them."""
    deployment = inputs.chosen.deployment
    if len(deployment.sites) == 1 or why_invisible(deployment):
        return
    rule = region_unseen(deployment.system.with_role(Role.API)[0])
    yield AlertRule(
        rule.name,
        rule.value,
        rule.fires,
        rule.hold_s,
        "critical",
        "no API of {{ $labels.region }} can be scraped from here: it is gone, or the way to it is",
        "runbook, Before you fail over; load this rule in every region, each scraping the API of all",
        threshold=1,
    )


def _edge(inputs: Inputs) -> Iterator[AlertRule]:
    deployment, traffic = inputs.chosen.deployment, inputs.chosen.deployment.traffic
    if traffic.host:
        host = _text(traffic.host)
        yield AlertRule(
            "TtlDrift",
            f"max(secondsite_dns_ttl_seconds{{host={host}}})",
            f"> {traffic.ttl_s:g}",
            300,
            "warning",
            f"the record has a TTL above {duration(traffic.ttl_s)}, so clients follow a failover later",
            f"set it back.  {_FED}",
            "s",
            traffic.ttl_s,
        )
        yield AlertRule(
            "GatewayDown",
            f"min by (region) (probe_success{{instance={_text(f'https://{traffic.host}{traffic.check_path}')}}})",
            "== 0",
            round(traffic.detection_s),
            "critical",
            f"{_literal(traffic.host)} does not answer from {{{{ $labels.region }}}}",
            "see the runbook, Before you fail over",
            threshold=1,
        )
    ready = tuple(name for name in _doors(inputs) if deployment.standby and deployment.standby.replicas(name))
    if deployment.standby is not None and ready:
        region = deployment.standby.region.name
        names = "|".join(map(_escaped, ready))
        yield AlertRule(
            "StandbyNotReady",
            f"max by (deployment) (kube_deployment_status_replicas_available"
            f"{{region={_text(region)},deployment=~{_text(names)}}})",
            "< 1",
            300,
            "critical",
            f"{{{{ $labels.deployment }}}} is not ready in {_literal(region)}: there is nothing to fail over to",
            "run kubectl describe in that region",
            threshold=1,
        )


def _doors(inputs: Inputs) -> tuple[str, ...]:
    return tuple(service.name for service in inputs.system.services if service.role in (Role.GATEWAY, Role.API))


def _literal(value: str) -> str:
    """In an annotation, which is a Go template: braces in names stay braces."""
    return plain(value).replace("{{", "{{`{{`}}")


def _text(value: str) -> str:
    """A string of PromQL, which escapes like JSON."""
    return json.dumps(plain(value))


def _escaped(value: str) -> str:
    """Of a regular expression in RE2."""
    return "".join(f"\\{letter}" if letter in string.punctuation else letter for letter in plain(value))


def anchor(alert: AlertRule) -> str:
    """The chapter of the runbook that somebody who is woken by it needs."""
    return {"GatewayDown": "dr-before", "WatchAsks": "dr-before", "SecretDrift": "dr-attack"}.get(
        alert.name, "dr-severity"
    )


def rules(system: str, alert_rules: Sequence[AlertRule], runbooks: str = RUNBOOK) -> str:
    """The file, as `promtool check rules` takes it. ``runbooks`` is where the runbook is published."""
    entries = [
        {
            "alert": alert.name,
            "expr": alert.expression,
            "for": f"{alert.hold_s}s",
            "labels": {"severity": alert.severity, **({"contract": alert.contract} if alert.contract else {})},
            "annotations": {
                "summary": alert.summary,
                "remedy": alert.remedy,
                "runbook_url": f"{runbooks}#{anchor(alert)}",
            },
        }
        for alert in alert_rules
    ]
    groups = {"groups": [{"name": f"{plain(system)} disaster recovery", "rules": entries}]}
    return f"# Written by `secondsite publish`; thresholds as in dr-contracts.md.\n{yaml_text(groups)}"
