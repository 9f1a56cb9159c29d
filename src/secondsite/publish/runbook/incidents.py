"""How bad it is and who is woken when, and the numbers at which a gray failure or an attack is declared.

Times follow from the tightest RTO where a contract has one. What is proposed is marked assumed: a team agrees on it.
"""

from __future__ import annotations

from collections.abc import Iterator

from secondsite.model.contract import Subject
from secondsite.model.fault import Fault
from secondsite.model.strategy import Switch
from secondsite.operate.shell import word
from secondsite.publish.content.inputs import Inputs
from secondsite.publish.content.sources import Sources
from secondsite.publish.text.markdown import Md, bullets, code, fence, table, text
from secondsite.publish.text.nonbreaking import duration

_PROPOSED = "a proposal; to settle it: agree on it with the people on call, and try it at a drill"
_SPLIT = "a fifth, half and the whole of the tightest RTO after the loss of the region"
_USUAL_RTO_S = 300.0
_FAILING, _SLOW_S = "5 %", 2.0
_SHARES = (10, 50, 100)
_SHARE_MINUTES = 15


def tightest_rto_s(inputs: Inputs) -> float | None:
    limits = [o.contract.rto_s for o in inputs.chosen.outcomes if o.promised and o.contract.fault is Fault.REGION]
    return min((limit for limit in limits if limit is not None), default=None)


def levels(inputs: Inputs, sources: Sources) -> Md:
    """P0 to P3: what it is, by when somebody answers, and whom to wake after that."""
    rto_s = tightest_rto_s(inputs)
    mark = sources.stated("escalation of P0", "", _SPLIT, "c") if rto_s else _proposal(sources)
    limit_s = rto_s or _USUAL_RTO_S
    rows = [
        (
            "P0",
            "clients cannot write, acknowledged data is destroyed, or an attacker is inside",
            Md(f"{duration(limit_s / 5)} {mark}"),
            Md(f"next person on call; after {duration(limit_s / 2)} the incident commander decides; after "
               f"{duration(limit_s)} the contract's owner is informed"),
        ),
        ("P1", "clients are served, but a failover would fail or lose more than promised (critical alerts)",
         Md(f"{duration(900)} {_proposal(sources)}"),
         Md(f"incident commander after {duration(3600)} {_proposal(sources)}")),
        ("P2", "one replica, zone or check failed, and the rest covers it (warnings)",
         Md(f"{duration(14400)} {_proposal(sources)}"), text("the team's lead on the next working day")),
        ("P3", "evidence, documents or a TTL are out of date", text("next working day"),
         text("contract's owner after a week")),
    ]  # fmt: skip
    return table(("Level", "What it is", "Somebody answers within", "Then escalate to"), rows)


def _proposal(sources: Sources) -> Md:
    return sources.stated("escalation of P1 to P3, and triggers", "", _PROPOSED, "a")


def gray(inputs: Inputs, sources: Sources) -> Md:
    """Numbers, as a region that is green on every health check is argued about for too long."""
    traffic = inputs.chosen.deployment.traffic
    window_s = max(60.0, traffic.detection_s)
    mark = _proposal(sources)
    to = f" to {code(traffic.host)}" if traffic.host else ""
    signs = bullets(
        [
            Md(f"no probe write was acknowledged in {traffic.check_threshold} attempts in a row {mark}"),
            Md(f"more than {_FAILING} of requests{to} fail {mark}"),
            Md(f"19 of 20 acknowledged writes take longer than {duration(_SLOW_S)} {mark}"),
        ]
    )
    return Md(f"{signs}\n\nfor {duration(window_s)}, while health checks are green. Before that, treat it as P1.")


def attack(sources: Sources) -> Md:
    """What says that somebody is inside."""
    drift = "one secret differs between the regions without a change that you know of (alert `SecretDrift`)"
    mark = _proposal(sources)
    return bullets(
        [
            Md(f"one login to NATS, a database or Kubernetes comes from an unknown user or network {mark}"),
            Md(f"{drift} {mark}"),
            Md(f"one purge or deletion of a stream, or of more than 100 messages, is in no change log {mark}"),
            Md(f"the provider's threat detection names a machine or a key of this system {mark}"),
        ]
    )


def gradually(inputs: Inputs, sources: Sources) -> Md:
    """How clients are moved back a share at a time; only weighted records can."""
    traffic = inputs.chosen.deployment.traffic
    if inputs.chosen.strategy.switch is not Switch.WEIGHTED:
        return Md(
            f"The switch {code(str(inputs.chosen.strategy.switch))} moves all clients at once; it cannot give a "
            "region a share of them."
        )
    shares = ", ".join(f"{share} %" for share in _SHARES)
    watched = [o.contract for o in inputs.chosen.outcomes if o.contract.subject is Subject.API and o.promised]
    rto = f", {code(watched[0].name)} holds" if watched else ""
    moved = (
        f"Move clients of {code(traffic.host)} back in shares: set the weight of {code(inputs.system.region.name)} to "
        f"{shares} with the commands below. Wait {_SHARE_MINUTES} min after each {_proposal(sources)}; go on only "
        f"if fewer than {_FAILING} of requests fail{rto}; else set the weight back to 0.\n\n"
    )
    return Md(f"{moved}{fence(_weighing(traffic.host, inputs.system.region.name))}")


def _weighing(host: str, region: str) -> Iterator[str]:
    """The record as it is, with another weight."""
    mine = f"ResourceRecordSets[?Name==`{host.rstrip('.')}.` && SetIdentifier==`{region}`] | [0]"
    change = '{Changes: [{Action: "UPSERT", ResourceRecordSet: (.Weight = $weight)}]}'
    listed = f'aws route53 list-resource-record-sets --hosted-zone-id "$ZONE_ID" --query {word(mine)}'
    yield f"# WEIGHT: {', then '.join(map(str, _SHARES))}"
    yield f'{listed} | jq --argjson weight "$WEIGHT" {word(change)} > weight.json'
    yield 'aws route53 change-resource-record-sets --hosted-zone-id "$ZONE_ID" --change-batch file://weight.json'
