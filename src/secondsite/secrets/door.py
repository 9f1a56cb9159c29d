"""The secrets of a procedure: what they should be, what each region has, and how a region is brought up to date."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import frozen

from secondsite.model.errors import InputError, MachineError
from secondsite.secrets.cluster import KubeSecrets
from secondsite.secrets.entry import SecretEntry, SecretReader
from secondsite.secrets.fingerprints import RunKey
from secondsite.secrets.recorded import RecordedFingerprints

_REFRESHED_WITHIN_S = 60.0


class UnrefreshedSecrets:
    """What places have in common that nothing can make read their secrets anew."""

    @property
    def refreshes(self) -> bool:
        return False

    def run_key(self) -> RunKey:
        return RunKey.fresh()

    async def refresh(self, region: str, names: Sequence[str]) -> None:
        raise MachineError.at(
            region, f"nothing refreshes {', '.join(names)} there", "synchronise it by hand, then resume"
        )


@frozen
class SecretPlaces:
    """``source`` says what each secret should be; ``refreshes``: External Secrets runs in the regions."""

    entries: tuple[SecretEntry, ...]
    source: SecretReader
    regions: Mapping[str, KubeSecrets]
    refreshes: bool = False
    within_s: float = _REFRESHED_WITHIN_S

    @property
    def shown(self) -> dict[str, str]:
        """What an approval is bound to: who is asked, and no secret."""
        return {"reference": self.source.shown, **{name: one.shown for name, one in sorted(self.regions.items())}}

    def run_key(self) -> RunKey:
        """A fresh one for each comparison, or the one under which the reference was recorded."""
        return self.source.key if isinstance(self.source, RecordedFingerprints) else RunKey.fresh()

    async def reference(self, key: bytes) -> Mapping[str, str]:
        entries = self.entries
        if not isinstance(self.source, KubeSecrets | RecordedFingerprints):
            entries = await self._mapped()
        return await self.source.fingerprints(entries, key)

    async def fingerprints(self, region: str, key: bytes) -> Mapping[str, str]:
        return await self._of(region).fingerprints(self.entries, key)

    async def refresh(self, region: str, names: Sequence[str]) -> None:
        """Returns when the operator of that region has read each anew."""
        wanted = [one for one in self.entries if one.name in names]
        await self._of(region).refresh(wanted, self.within_s)

    async def _mapped(self) -> tuple[SecretEntry, ...]:
        """Where each comes from in the store, as the region says that is still there."""
        for reader in self.regions.values():
            return await reader.mapped(self.entries)
        return self.entries

    def _of(self, region: str) -> KubeSecrets:
        if region not in self.regions:
            remedy = f"name its cluster: operate.places.{region}.kube"
            raise InputError.at("secondsite.yaml", f"no cluster is configured for the secrets of {region}", remedy)
        return self.regions[region]
