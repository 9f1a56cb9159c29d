"""What to do when a step of a procedure does not pass its check within its limit.

One answer for each verb; another where a failback or the repair of destroyed data asks for the opposite: on the way
back the region that serves has everything, so nothing is restored over it.
"""

from __future__ import annotations

from collections.abc import Mapping

from secondsite.model.fault import Fault
from secondsite.model.procedure import Step, Verb

_REMEDIES: Mapping[Verb, str] = {
    Verb.DETECT: "only one place sees it: check from a second network first",
    Verb.DECIDE: "signals disagree: treat it as a gray failure; the incident commander decides",
    Verb.FENCE: "the old primary does not answer: continue and record it as unfenced; start it only isolated",
    Verb.RECORD_STATE: "continue without the sequences of the lost side; the loss is then known only at failback",
    Verb.RESTORE_QUORUM: "stop. Wiping meta state and adding servers both destroy streams: restore from backup",
    Verb.DELETE_ORIGIN: (
        "the outcome of a timeout is unknown: check the stream's subjects, and repeat only if it was not applied"
    ),
    Verb.ELECT: "no leader after the limit: count the running servers; without a majority, restore from backup",
    Verb.PROMOTE_STREAMS: "400/10055: the server is below 2.12; 400/10065: the origin still holds the subjects; "
    "503/10008: no meta leader. In each case restore from backup under the same name",
    Verb.RESTORE_STREAMS: "run it again, it resumes; if it fails again, use the backup before the newest",
    Verb.RESTORE_ORIGINS: "run it again, it resumes; if it fails again, use the backup before that one",
    Verb.REMAKE_COPIES: "run it again, it resumes; until then a mirror has stopped and shows no lag",
    Verb.RESTORE_CONSUMERS: "create it from the stream's first sequence; consumers must be idempotent",
    Verb.CREATE_CLUSTER: "no capacity or no control plane: try another machine type, another zone, the third region",
    Verb.RESTART: "if the same pod fails again, roll back its last change",
    Verb.START_SERVICES: "find what is not ready; the API can run without observability, but not without NATS",
    Verb.SCALE_SERVICES: "no capacity: keep what runs, shed load by tenant at the gateway, ask for capacity elsewhere",
    Verb.PROMOTE_STORES: "if the replica cannot be promoted, restore the newest dump and list the lost writes",
    Verb.RESTORE_STORES: "use the previous backup, and compare counts with its manifest",
    Verb.FOLLOW_STORES: "stop: the serving region stays primary. Keep the old files until every row is saved or listed",
    Verb.VERIFY_SECRETS: "a fingerprint differs: force a refresh of the ExternalSecret, then restart what uses it",
    Verb.CHANGE_TRAFFIC: (
        "if the provider's API fails, use its console, then the second provider; do not undo the promotion"
    ),
    Verb.CONVERGE: "resolvers cache the old address: wait; most drop it after the TTL, but not all",
    Verb.VERIFY_PATH: "do not announce. Follow the path backwards: gateway, API, publish, stream",
    Verb.WAIT: "longer than the limit: escalate to the provider; consider the failover of the region",
    Verb.RESYNCHRONISE: "stop: the serving region stays primary, and a later attempt loses nothing",
    Verb.SALVAGE: "keep the disks: wipe nothing before every message is copied or listed",
    Verb.ANNOUNCE: "tell customers by mail",
}

_ON_THE_WAY_BACK: Mapping[Verb, str] = {
    Verb.FENCE: "if it cannot be isolated, do not start it: the serving region stays primary, and nothing is lost",
    Verb.PROMOTE_STREAMS: (
        "before the first stream is promoted, give the serving region its subjects back (`secondsite failback abort`); "
        "after that, repeat the promotion. Restore nothing: the serving region has every message"
    ),
    Verb.PROMOTE_STORES: (
        "the server that was fenced still has every row: remove its fence (`secondsite postgres unfence` or `redis "
        "unfence`), then find the cause. Restore no dump over it"
    ),
    Verb.RESTORE_STORES: "take a new snapshot of the serving region and load it again; delete nothing there",
}
_WHAT_TO_RESTORE = (
    "if nobody knows the last good message, restore into a stream with another name (`secondsite restore --stream "
    "NAME=NEWNAME`) and compare; overwrite nothing before that"
)
_UNDECIDED = "the incident commander decides now, with what is known; no decision is a decision to wait"


def remedy(step: Step, fault: Fault | None) -> str:
    """``fault`` is None on the way back."""
    if fault is None and step.verb in _ON_THE_WAY_BACK:
        return _ON_THE_WAY_BACK[step.verb]
    if step.verb is Verb.DECIDE and fault is not None and fault.destroys_data:
        return _WHAT_TO_RESTORE
    if step.verb is Verb.DECIDE and step.by_person:
        return _UNDECIDED
    return _REMEDIES[step.verb]
