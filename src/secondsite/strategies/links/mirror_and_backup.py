"""A link for each stream: leaf-node mirrors of those that may lose little, backups of those that may lose hours.

What is only backed up crosses no region message by message, and is restored where the others are promoted.
"""

from __future__ import annotations

from attrs import evolve, frozen

from secondsite.model.contract import Subject
from secondsite.model.deployment import Copy, Deployment, LinkKind, Site, WanLink
from secondsite.model.nats import NatsCluster
from secondsite.model.procedure import Step, Verb
from secondsite.model.system import System
from secondsite.strategies.clusters import stream_copy
from secondsite.strategies.design import Kit
from secondsite.strategies.links.backup import stream_backup
from secondsite.strategies.links.leafnode_mirror import LeafnodeMirror
from secondsite.strategies.sizing import all_streams, stream_bytes, stream_rate_bytes_per_s, transfer_time, write_shares
from secondsite.strategies.steps import make_step


def mirrored_streams(system: System, backup_s: float) -> frozenset[str]:
    """Those that a contract lets lose less than a backup is old, of themselves or of all streams together."""
    limits = [
        (contract.part, contract.rpo_s)
        for contract in system.contracts
        if contract.subject is Subject.NATS and contract.fault.leaves_region and contract.rpo_s is not None
    ]
    near = {part for part, rpo_s in limits if rpo_s <= backup_s}
    names = {stream.name for stream in all_streams(system) if stream.mirror is None}
    return frozenset(names if "" in near else near & names)


def differs(system: System, backup_s: float) -> bool:
    """Whether some streams need a mirror and others do not: otherwise it is one link for all."""
    names = {stream.name for stream in all_streams(system) if stream.mirror is None}
    return 0 < len(mirrored_streams(system, backup_s)) < len(names)


@frozen
class MirrorAndBackup(LeafnodeMirror):
    kit: Kit

    def clusters(self, sites: tuple[Site, ...]) -> tuple[NatsCluster, ...]:
        return tuple(self._thinned(cluster) for cluster in super().clusters(sites))

    def _thinned(self, cluster: NatsCluster) -> NatsCluster:
        """The second region holds the mirrors that somebody asked for, and room for the rest."""
        if cluster.region == self.kit.home.name:
            return cluster
        mirrored = self.mirrored
        return evolve(cluster, streams=tuple(s for s in cluster.streams if s.name in mirrored))

    @property
    def mirrored(self) -> frozenset[str]:
        return mirrored_streams(self.kit.system, self.kit.figures["backup.streams.interval"].mean)

    @property
    def _share(self) -> float:
        """Of all writes, those into mirrored streams."""
        mirrored = self.mirrored
        return sum(share for name, share in write_shares(self.kit.system).items() if name in mirrored)

    def links(self) -> tuple[WanLink, ...]:
        kit, interval = self.kit, self.kit.figures["backup.streams.interval"].mean
        rest = stream_bytes(kit.system, kit.figures) * (1 - self._share) / interval
        rate = stream_rate_bytes_per_s(kit.system) * self._share
        return (
            WanLink(LinkKind.LEAF, kit.home.name, kit.second.name, "streams", rate),
            WanLink(LinkKind.BACKUP, kit.home.name, kit.second.name, "stream backups", rest),
        )

    def copies(self) -> tuple[Copy, ...]:
        kit, load = self.kit, self.kit.system.load
        asked = evolve(load, mean_per_s=load.mean_per_s * self._share, peak_per_s=load.peak_per_s * self._share)
        mirror = stream_copy(evolve(kit, system=evolve(kit.system, load=asked)), kit.second, "mirror over a leaf link")
        return evolve(mirror, covers=tuple(sorted(self.mirrored))), stream_backup(kit, kit.second)

    def stream_steps(self, deployment: Deployment, after: str) -> tuple[Step, ...]:
        steps = super().stream_steps(deployment, after)
        if steps[-1].blocked:
            return steps
        return (*(self._of_mirrored(step) for step in steps), self._restored(steps[-1].id))

    def _of_mirrored(self, step: Step) -> Step:
        mirrored = self.mirrored
        return evolve(step, targets=tuple(one for one in step.targets if one.split("/")[0] in mirrored))

    def _restored(self, after: str) -> Step:
        kit = self.kit
        mirrored = self.mirrored
        names = tuple(stream.name for stream in all_streams(kit.system) if stream.name not in mirrored)
        size = stream_bytes(kit.system, kit.figures) * (1 - self._share)
        return make_step(
            kit,
            Verb.RESTORE_STREAMS,
            "restore the streams that are not mirrored, with their consumers, from the newest backup",
            transfer_time("restore of the streams", size, kit.figures["restore.rate"]),
            check="messages, first and last sequence and digest as in the backup's manifest",
            after=(after,),
            region=kit.second.name,
            targets=names,
        )
