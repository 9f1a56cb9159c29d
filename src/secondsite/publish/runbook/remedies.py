"""What to do when a step of a procedure does not pass its check within its limit. One answer for each verb."""

from __future__ import annotations

from collections.abc import Mapping

from secondsite.model.procedure import Step, Verb

_REMEDIES: Mapping[Verb, str] = {
    Verb.DETECT: "one place alone sees it: check from a second network before anything else",
    Verb.DECIDE: "signals disagree: treat it as a gray failure; the incident commander decides",
    Verb.FENCE: "the old primary does not answer: go on, and note it as unfenced; nobody may start it but isolated",
    Verb.RECORD_STATE: "go on without the sequences of the lost side; what was lost is then known at failback only",
    Verb.RESTORE_QUORUM: "stop. Wiping meta state and adding servers both destroy streams: restore from backup",
    Verb.DELETE_ORIGIN: "a timeout is unknown: look at the stream's subjects; repeat only where it was not applied",
    Verb.ELECT: "no leader after the limit: count the servers that run; without a majority, restore from backup",
    Verb.PROMOTE_STREAMS: "400/10055: the server is below 2.12; 400/10065: the origin still holds the subjects; "
    "503/10008: no meta leader. In each case restore from backup under the same name",
    Verb.RESTORE_STREAMS: "run it again: it goes on where it was; then take the backup before the newest",
    Verb.RESTORE_ORIGINS: "run it again: it goes on where it was; then take the backup before that one",
    Verb.REMAKE_COPIES: "run it again: it goes on where it was; until then a mirror stands still and shows no lag",
    Verb.RESTORE_CONSUMERS: "create it from the stream's first sequence; consumers have to ignore repeats",
    Verb.CREATE_CLUSTER: "no capacity or no control plane: try another machine type, another zone, the third region",
    Verb.RESTART: "the same pod fails again: roll its last change back",
    Verb.START_SERVICES: "see what is not ready; the API may go on without observability, not without NATS",
    Verb.SCALE_SERVICES: "no capacity: keep what runs, shed load by tenant at the gateway, ask for capacity elsewhere",
    Verb.PROMOTE_STORES: "the replica refuses: restore the newest dump, and say which writes are gone",
    Verb.RESTORE_STORES: "take the backup before; compare counts with its manifest",
    Verb.FOLLOW_STORES: "stop: the serving region stays primary. Keep the old files until every row is saved or listed",
    Verb.VERIFY_SECRETS: "a fingerprint differs: force a refresh of the ExternalSecret, then restart what uses it",
    Verb.CHANGE_TRAFFIC: "the provider's API refuses: use its console, then the second provider; do not undo promotion",
    Verb.CONVERGE: "resolvers keep the old address: wait; it ends with the TTL for most, not for all",
    Verb.VERIFY_PATH: "do not announce. Follow the path backwards: gateway, API, publish, stream",
    Verb.WAIT: "longer than the limit: escalate to the provider; consider the failover of the region",
    Verb.RESYNCHRONISE: "stop: the serving region stays primary; nothing is lost by trying later",
    Verb.SALVAGE: "keep the disks. Nothing may be wiped before every message is copied or listed",
    Verb.ANNOUNCE: "tell customers by mail",
}


def remedy(step: Step) -> str:
    return _REMEDIES[step.verb]
