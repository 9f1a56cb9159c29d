"""``secondsite archive deployment|policy``: what runs an archiver in a cluster, and what it may do in the bucket."""

from __future__ import annotations

import json
import sys
from typing import Annotated

from cyclopts import Parameter

from secondsite.cli.archive import EVERY_STREAM, ON_AND_ON, ArchiveScope, Pace
from secondsite.cli.stores import Endpoint
from secondsite.model.errors import EXIT_HOLDS, InputError


def deployment_(
    *,
    nats: str,
    to: str,
    image: str,
    endpoint: Endpoint = None,
    what: Annotated[ArchiveScope, Parameter(name="*")] = EVERY_STREAM,
    pace: Annotated[Pace, Parameter(name="*")] = ON_AND_ON,
    name: str = "secondsite-archive",
    namespace: str = "default",
    service_account: str = "",
    environment_secret: str = "",
    credentials_secret: str = "",
    signing_secret: str = "",
    domain: str | None = None,
) -> int:
    """Print a Kubernetes Deployment that archives the same: two copies, of which one ships.

    Parameters
    ----------
    nats
        NATS URL as seen from inside the cluster.
    to
        The store.
    image
        Container image with secondsite.
    name
        Name of the object.
    namespace
        Namespace of the object.
    service_account
        One that may write to the store (IRSA, workload identity): see `secondsite archive policy`.
    environment_secret
        Secret with environment variables, such as AWS_ACCESS_KEY_ID or NATS_PASSWORD.
    credentials_secret
        Secret with the file user.creds for NATS.
    signing_secret
        Secret with the file `key`, the ed25519 key that signs checkpoints.
    domain
        The JetStream domain.
    """
    from ruamel.yaml import YAML

    from secondsite.archive.manifests import ArchiverSpec, deployment
    from secondsite.backup.pod import PodSpec
    from secondsite.nats.address import parse_addresses
    from secondsite.objects.address import parse_store

    parse_addresses(nats)
    parse_store(to, endpoint)
    if what.sign:
        remedy = "store it in a Secret as the file `key`, and give --signing-secret NAME"
        raise InputError.at("--sign", "a file on this machine does not exist in the cluster", remedy)
    if pace.once:
        raise InputError.at("--once", "a Deployment runs forever", "leave it out")
    pace.rhythm()
    arguments = ["--nats", nats, "--to", to, "--every", pace.every, "--bytes", pace.bytes, "--json", *what.flags()]
    arguments += ["--endpoint", endpoint] if endpoint else []
    arguments += ["--domain", domain] if domain else []
    arguments += ["--creds", "/etc/nats/user.creds"] if credentials_secret else []
    arguments += ["--sign", "/etc/signing/key"] if signing_secret else []
    secrets = (service_account, environment_secret, credentials_secret, signing_secret)
    writer = YAML()
    writer.default_flow_style = False
    writer.width = 120
    writer.dump(deployment(ArchiverSpec(name, namespace, PodSpec("archive", image, arguments, *secrets))), sys.stdout)
    return EXIT_HOLDS


def policy_(*, to: str) -> int:
    """Print the AWS IAM policy of an archiver: write, read and list below its prefix, and delete nothing.

    Parameters
    ----------
    to
        The store: s3://bucket/prefix.
    """
    from secondsite.archive.manifests import bucket_policy
    from secondsite.objects.address import parse_store

    address = parse_store(to)
    if address.scheme != "s3":
        raise InputError.at("--to", f"{to!r} is no bucket of AWS", "write s3://bucket/prefix")
    print(json.dumps(bucket_policy(address.container, address.prefix), indent=2))
    return EXIT_HOLDS
