"""An access token for Google Cloud DNS: given, from a service account's key, or from the machine that this runs on.

No token is written anywhere; one is kept in memory until a minute before it ends.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx2
from attrs import define, field

from secondsite.dns.record import RecordRefusedError
from secondsite.model.errors import InputError, MachineError

SCOPE = "https://www.googleapis.com/auth/ndev.clouddns.readwrite"
METADATA = "http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/token"
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_PLACE = "operate.dns.key"
_LIVES_S, _EARLY_S, _ANSWER_S = 3600, 60.0, 5.0
_REFUSALS = (400, 401, 403)


@define
class GoogleLogin:
    """``key``: the JSON of a service account's key, or an access token; empty for the machine's own account."""

    key: str = field(default="", repr=False)
    metadata: str = METADATA
    wall: Callable[[], float] = time.time
    _token: str = field(default="", repr=False)
    _until: float = 0.0

    async def token(self) -> str:
        """Raises InputError for a key that is none, RecordRefusedError where it is not taken, MachineError where nobody
        answers."""
        if self.key and not self.key.lstrip().startswith("{"):
            return self.key
        if not self._token or self.wall() > self._until - _EARLY_S:
            answer = await self._exchanged() if self.key else await self._of_the_machine()
            self._token, self._until = str(answer["access_token"]), self.wall() + float(answer.get("expires_in", 0))
        return self._token

    async def _exchanged(self) -> Mapping[str, Any]:
        account = _account(self.key)
        where = str(account["token_uri"])
        form = {"grant_type": _GRANT, "assertion": _assertion(account, where, self.wall())}
        return await _asked("POST", where, data=form)

    async def _of_the_machine(self) -> Mapping[str, Any]:
        return await _asked("GET", self.metadata, headers={"Metadata-Flavor": "Google"})


async def _asked(method: str, url: str, **request: Any) -> Mapping[str, Any]:
    try:
        async with httpx2.AsyncClient(timeout=_ANSWER_S, trust_env=False) as client:
            answer = await client.request(method, url, **request)
            plain = answer.json()
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
        what = f"{url} gives no token ({type(error).__name__})"
        raise MachineError.at("Google Cloud DNS", what, "check that it can be reached from here") from None
    if answer.status_code in _REFUSALS:
        what = f"{url} refuses us ({plain.get('error', '') if isinstance(plain, dict) else ''}, {answer.status_code})"
        raise RecordRefusedError.at("Google Cloud DNS", what, "make a new key for the service account")
    if answer.status_code != 200 or not isinstance(plain, dict) or not plain.get("access_token"):
        raise MachineError.at("Google Cloud DNS", f"{url} answers {answer.status_code}, without a token", "ask again")
    return plain


def _account(key: str) -> Mapping[str, Any]:
    try:
        account = json.loads(key)
    except ValueError:
        account = None
    needed = ("client_email", "private_key", "token_uri")
    if not isinstance(account, dict) or not all(isinstance(account.get(name), str) for name in needed):
        remedy = "give the JSON key of a service account, or an access token"
        raise InputError.at(_PLACE, "is not a service account key", remedy)
    return account


def _assertion(account: Mapping[str, Any], audience: str, now: float) -> str:
    """RFC 7523, signed with RS256."""
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    try:
        private = serialization.load_pem_private_key(account["private_key"].encode(), None)
    except ValueError:
        private = None
    if not isinstance(private, rsa.RSAPrivateKey):
        raise InputError.at(_PLACE, "has no private key that can be read", "make a new key for the service account")
    claims = {
        "iss": account["client_email"],
        "scope": SCOPE,
        "aud": audience,
        "iat": int(now),
        "exp": int(now) + _LIVES_S,
    }
    head = {
        "alg": "RS256",
        "typ": "JWT",
        **({"kid": account["private_key_id"]} if account.get("private_key_id") else {}),
    }
    body = f"{_coded(json.dumps(head).encode())}.{_coded(json.dumps(claims).encode())}"
    return f"{body}.{_coded(private.sign(body.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def _coded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
