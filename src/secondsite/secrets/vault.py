"""Vault or OpenBao, KV version 2, over HTTP: read only, by a token that is a reference."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import field, frozen

from secondsite.model.errors import MachineError
from secondsite.secrets.entry import SecretEntry, SecretsRefusedError, assembled, by_name, printed, remotes

_LIMIT_S = 5.0
_MOST_BYTES = 4 << 20
_MISSING, _DENIED, _REFUSED = 404, 403, 400


@frozen
class VaultSecrets:
    """``address`` is the server's URL, ``namespace`` that of Vault Enterprise or OpenBao."""

    address: str
    token: str = field(repr=False)
    mount: str = "secret"
    namespace: str = ""

    @property
    def shown(self) -> str:
        return f"Vault at {self.address}"

    async def fingerprints(self, entries: Sequence[SecretEntry], key: bytes) -> Mapping[str, str]:
        """Raises SecretsRefusedError where the token may not read, MachineError where nobody answers."""
        import httpx2

        headers = {"X-Vault-Token": self.token, "X-Vault-Request": "true"}
        headers |= {"X-Vault-Namespace": self.namespace} if self.namespace else {}
        async with httpx2.AsyncClient(timeout=_LIMIT_S, headers=headers, trust_env=False) as client:
            fields = {name: await self._read(client, name) for name in remotes(entries)}
        return by_name((one, printed(one, assembled(one, fields), key)) for one in entries)

    async def _read(self, client: Any, name: str) -> Mapping[str, Any] | None:
        import httpx2

        try:
            answer = await client.get(f"{self.address.rstrip('/')}/v1/{self.mount}/data/{name}")
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError):
            raise MachineError.at(
                self.shown, "does not answer", "check that it is running and reachable from here"
            ) from None
        if answer.status_code == _MISSING:
            return None
        if answer.status_code in (_DENIED, _REFUSED):
            remedy = f"the token needs `read` on {self.mount}/data/{name}"
            raise SecretsRefusedError.at(self.shown, f"refuses {name} ({answer.status_code})", remedy)
        if answer.status_code != 200 or len(answer.content) > _MOST_BYTES:
            what = f"answers {answer.status_code} for {name}"
            raise MachineError.at(self.shown, what, "check whether it is sealed, or a standby without a leader")
        return self._fields(answer.content, name)

    def _fields(self, body: bytes, name: str) -> Mapping[str, Any] | None:
        """None for a version that was deleted."""
        try:
            data = json.loads(body)["data"]["data"]
        except (ValueError, KeyError, TypeError, RecursionError):
            what = f"answers for {name} as no KV version 2 does"
            raise MachineError.at(self.shown, what, "give a KV version 2 mount") from None
        return data if isinstance(data, dict) else None
