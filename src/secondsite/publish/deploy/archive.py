"""The archiver of a region, and the bucket that it ships to: the very command that a drill starts.

The bucket lies in the other region and keeps versions under a lock, so that whoever takes over the cluster, its
archiver and its keys cannot take back what was shipped. Its name is shared by everybody: change it in both files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from secondsite.archive.manifests import ArchiverSpec, bucket_policy
from secondsite.archive.manifests import deployment as two_copies
from secondsite.backup.pod import PodSpec
from secondsite.model.deployment import Deployment
from secondsite.publish.deploy.buckets import bucket
from secondsite.publish.text.yaml_text import yaml_text
from secondsite.strategies.archiver import archive_arguments, archived, bucket_of, store_url, vault_of
from secondsite.strategies.deployed_addresses import CREDENTIALS_SECRET, DeployedAddresses
from secondsite.strategies.server_config import CLIENT_PORT, servers_of

ARCHIVE = "secondsite-archive"
"""The Deployment, and the service account that may write to the bucket."""
TERRAFORM = "archive/bucket.tf.json"


def archiver_folder(region: str) -> str:
    return f"{region}/archive"


def archiver_file(region: str) -> str:
    return f"{archiver_folder(region)}/deployment.yaml"


def archive_files(deployment: Deployment, book: DeployedAddresses, image: str, logins: str) -> Mapping[str, str]:
    """By path; none where nothing is shipped. ``logins`` is the Secret with the password."""
    regions = dict.fromkeys(server.region for server in servers_of(deployment))
    shipped = [region for region in regions if archived(deployment, region)]
    files = {archiver_file(each): _deployment(deployment, each, book, image, logins) for each in shipped}
    if shipped and vault_of(deployment).provider == "aws":
        name, prefix = bucket_of(deployment), store_url(deployment).rpartition("/")[2]
        made = bucket("archive", name, vault_of(deployment).name, {"archiver": bucket_policy(name, prefix)})
        files[TERRAFORM] = json.dumps(made, indent=2) + "\n"
    return files


def _deployment(deployment: Deployment, region: str, book: DeployedAddresses, image: str, logins: str) -> str:
    """One archiver reads the streams of all clusters of the account: its URLs are those of the first."""
    servers = [each for each in servers_of(deployment) if each.region == region]
    near = [each for each in servers if each.cluster.name == servers[0].cluster.name]
    urls = ",".join(f"nats://{book.inside(each)}:{CLIENT_PORT}" for each in near)
    env: tuple[dict[str, Any], ...] = (
        {"name": "NATS_USER", "value": book.archive.user},
        {"name": "NATS_PASSWORD", "valueFrom": {"secretKeyRef": {"name": logins, "key": book.archive.password[1:]}}},
    )
    if book.account_key:
        env = ({"name": "NATS_CREDS", "value": f"/etc/nats/{book.archive.user}.creds"},)
    arguments = archive_arguments(urls, store_url(deployment))[1:]
    namespace = book.namespace(near[0].cluster) or "default"
    pod = PodSpec(
        *("archive", image, arguments),
        service_account=ARCHIVE,
        credentials_secret=CREDENTIALS_SECRET if book.account_key else "",
        env=env,
    )
    spec = ArchiverSpec(ARCHIVE, namespace, pod)
    return f"# Written by `secondsite render`.\n{yaml_text(two_copies(spec))}"
