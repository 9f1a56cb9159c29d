"""The write gate: a primary that comes back by itself takes no writes before the other region says that it still may.

Its servers start with their writers' subjects denied, by a file that their configuration includes. Whoever keeps the
gate (`secondsite gate`, beside the servers) opens it once every copy elsewhere was seen to be a mirror still, and shuts
it where one was promoted. Nobody else has to be alive for that: not the region's peers, not a controller.
"""

from __future__ import annotations

from secondsite.model.deployment import Deployment, Requirement
from secondsite.strategies import requirements
from secondsite.strategies.design import Kit
from secondsite.strategies.nats_quote import nats_string
from secondsite.strategies.stream_config import subjects_of

REQUIREMENT = "write-gate"
OPEN = "# open: whoever logs in as the application may write\n"
SHUT = "permissions"


def write_gate(kit: Kit) -> Requirement:
    return requirements.work(
        kit,
        REQUIREMENT,
        "work.gate",
        f"servers of {kit.home.name} start shut to writers; `secondsite gate` beside them opens once {kit.second.name} "
        "still mirrors",
        "a region that comes back by itself would take writes until somebody reaches it to fence it",
        "two writers from the old primary's return until it is fenced",
    )


def gate_file(region: str) -> str:
    """Beside nats.conf; the server takes it relative to that."""
    return f"gate/{region}.conf"


def gated_subjects(deployment: Deployment, region: str) -> tuple[str, ...]:
    """What the region's writers may not use while its gate is shut; empty where it has none."""
    if not any(requirement.id == REQUIREMENT for requirement in deployment.requirements):
        return ()
    mirrored = {stream.mirror.stream for cluster in deployment.clusters for stream in cluster.streams if stream.mirror}
    here = [cluster for cluster in deployment.clusters if (cluster.region or deployment.primary.region.name) == region]
    origins = [s for cluster in here for s in cluster.streams if s.name in mirrored and s.mirror is None]
    return tuple(dict.fromkeys(subject for origin in origins for subject in subjects_of(origin)))


def shut(subjects: tuple[str, ...]) -> str:
    """Reading, acknowledging and everything else go on."""
    listed = ", ".join(nats_string(subject) for subject in subjects)
    return f"{SHUT} {{ publish {{ deny: [{listed}] }} }}\n"
