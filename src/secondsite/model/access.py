"""How each place is reached in earnest: its servers, its cluster, its databases, and the record that leads there.

References only: a field made by `reference` holds ``env:NAME``, ``file:PATH`` or the like, which is followed when it
is needed; the file itself proves nothing to anybody.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from attrs import Attribute, field, frozen

_KINDS = "reference"


def reference(*kinds: str) -> Any:
    """A field that is empty, or one of these kinds with a colon and a name behind it."""
    return field(default="", metadata={_KINDS: kinds})


def kinds_of(attribute: Attribute[Any]) -> tuple[str, ...]:
    """Empty for a field that is no reference."""
    kinds: tuple[str, ...] = attribute.metadata.get(_KINDS, ())
    return kinds


@frozen
class NatsAccess:
    """A context of the nats command by its name, or a URL with the references of a login.

    ``domain`` is what the servers have to call their JetStream domain, where the deployment does not say it.
    """

    context: str = ""
    url: str = ""
    domain: str = ""
    user: str = ""
    password: str = reference("env", "file")
    token: str = reference("env", "file")
    creds: str = reference("file")
    nkey: str = reference("file")
    ca: str = reference("file")
    cert: str = reference("file")
    key: str = reference("file")


@frozen
class KubeAccess:
    """``context`` of a kubeconfig, empty: what kubectl would use. ``cluster``: uid of the namespace kube-system."""

    kubeconfig: str = reference("env", "file")
    context: str = ""
    cluster: str = ""


@frozen
class Entrance:
    """Where clients enter a region: a Service ``NAMESPACE/NAME`` of its cluster, or an address or a name."""

    service: str = ""
    at: str = ""


@frozen
class StoreAccess:
    """A store of a region, and where its login is read."""

    store: str
    login: str


@frozen
class RegionPlace:
    """``system`` is the system account of the same servers."""

    region: str
    nats: NatsAccess | None = None
    system: NatsAccess | None = None
    kube: KubeAccess | None = None
    address: Entrance | None = None
    stores: tuple[StoreAccess, ...] = ()


class DnsProvider(StrEnum):
    """Who is asked to change the record."""

    RFC2136 = "rfc2136"
    ROUTE53 = "route53"
    CLOUDFLARE = "cloudflare"
    GOOGLE = "google"
    POWERDNS = "powerdns"


class RecordSwitch(StrEnum):
    """``record``: somebody changes it. ``failover-records``: the provider's health checks choose among those there."""

    RECORD = "record"
    FAILOVER_RECORDS = "failover-records"


@frozen
class RecordAccess:
    """``zone``: its name, the id at Route 53 and Cloudflare, PROJECT/ZONE at Google. ``server``: HOST or HOST:PORT that
    takes updates, the URL of PowerDNS's webserver; ``authoritative``: those that are asked, by default that server or
    the zone's own. ``resolvers`` are asked until they follow, too.
    """

    provider: DnsProvider
    zone: str
    server: str = ""
    key: str = reference("env", "file")
    authoritative: tuple[str, ...] = ()
    resolvers: tuple[str, ...] = ()
    switch: RecordSwitch = RecordSwitch.RECORD


class SecretSource(StrEnum):
    """What says what a secret should be."""

    AWS_SECRETS_MANAGER = "aws-secrets-manager"
    KUBE = "kube"
    VAULT = "vault"
    RECORDED = "recorded"


@frozen
class SecretAccess:
    """``refresh``: the operator that brings a secret into the cluster, such as external-secrets."""

    reference: SecretSource
    refresh: str = ""


@frozen
class JournalPlace:
    """In whose domain lease and journal are kept; empty for the standby's."""

    region: str = ""
