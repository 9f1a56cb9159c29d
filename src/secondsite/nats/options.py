"""How to reach a NATS server: everything but its address, and nothing of it ever printed."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path

from attrs import evolve, field, frozen

from secondsite.model.errors import InputError

MAX_SAMPLE_S = 60.0


@frozen
class ConnectOptions:
    """``credentials`` is a .creds file, ``nkey`` a file with a seed. A password comes from the environment."""

    credentials: Path | None = None
    nkey: Path | None = None
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_first: bool = False
    inbox_prefix: str = "_INBOX"
    timeout_s: float = 5.0
    sample_s: float = 3.0

    def with_environment(self, environment: Mapping[str, str]) -> ConnectOptions:
        """What was not given, from the variables that the nats command reads too."""
        credentials, nkey = environment.get("NATS_CREDS"), environment.get("NATS_NKEY")
        named = self.credentials or self.nkey or self.user
        return evolve(
            self,
            credentials=self.credentials or (Path(credentials) if credentials and not named else None),
            nkey=self.nkey or (Path(nkey) if nkey and not named and not credentials else None),
            user=self.user or environment.get("NATS_USER"),
            password=self.password or environment.get("NATS_PASSWORD"),
            token=self.token or environment.get("NATS_TOKEN"),
        )

    def with_login(self, user: str | None, password: str | None) -> ConnectOptions:
        """The login of a URL, where none was named; a user without a password is a token there."""
        if user is None or self.credentials or self.nkey or self.user or self.token:
            return self
        if password is None:
            return evolve(self, token=user)
        return evolve(self, user=user, password=password)

    def with_inbox(self, prefix: str) -> ConnectOptions:
        """Answers are heard there, unless a context names another place."""
        return evolve(self, inbox_prefix=prefix) if self.inbox_prefix == "_INBOX" else self

    @property
    def asks_for_tls(self) -> bool:
        """Whoever names an authority or a certificate wants no connection without TLS."""
        return bool(self.tls_ca or self.tls_cert or self.tls_key or self.tls_first)

    def tls(self) -> ssl.SSLContext | None:
        """A context where any of the TLS files is given; raises InputError for one that cannot be used."""
        if not (self.tls_ca or self.tls_cert or self.tls_key):
            return None
        if bool(self.tls_cert) != bool(self.tls_key):
            raise InputError.at("--tlscert", "a client certificate needs its key", "give --tlscert and --tlskey")
        context = ssl.create_default_context()
        if self.tls_ca:
            _load(self.tls_ca, "a certificate authority", lambda: context.load_verify_locations(self.tls_ca))
        if self.tls_cert and self.tls_key:
            certificate, key = self.tls_cert, self.tls_key
            _load(certificate, "a certificate with its key", lambda: context.load_cert_chain(certificate, key))
        return context


def _load(path: Path, what: str, load: object) -> None:
    try:
        load()  # type: ignore[operator]
    except (OSError, ssl.SSLError) as error:
        raise InputError.at(str(path), f"cannot be read as {what}", "give a PEM file that you may read") from error
