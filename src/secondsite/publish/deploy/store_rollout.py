"""The steps that lay out databases: standbys that follow, logs that are shipped, replicas of a provider's."""

from __future__ import annotations

from collections.abc import Iterator

from secondsite.model.deployment import Deployment
from secondsite.model.service import Service
from secondsite.operate.shell import word
from secondsite.publish.deploy.deploy_step import DeployStep
from secondsite.publish.deploy.snapshots import snapshot_steps
from secondsite.publish.deploy.store_archives import BUCKETS, KEYS, RenderedArchive, rendered_archives
from secondsite.publish.deploy.store_providers import TERRAFORM, provided, provider_files
from secondsite.publish.deploy.stores import (
    CLUSTER,
    PASSWORD,
    USERS,
    WAITING_PATCH,
    WAITING_SQL,
    RenderedReplica,
    rendered_replicas,
)
from secondsite.publish.text.markdown import Md, code, fence, joined, text
from secondsite.strategies.deployed_addresses import DeployedAddresses
from secondsite.strategies.provider_replicas import offered
from secondsite.strategies.stores import REDIS, StoreReplica


def store_steps(deployment: Deployment, book: DeployedAddresses) -> Iterator[DeployStep]:
    for each in rendered_replicas(deployment, book):
        yield _replica(each)
    for archive in rendered_archives(deployment):
        yield _archive(archive)
    yield from snapshot_steps(deployment)
    if replicas := provided(deployment):
        yield _provided(deployment, replicas)


def _archive(each: RenderedArchive) -> DeployStep:
    """What restores it is for the day of the failover: applied sooner, it would be a second database."""
    replica, service = each.replica, each.service
    title = Md(f"Ship the log of {text(replica.store.name)} to {text(replica.standby)}")
    if service is None or each.why:
        return DeployStep(title, Md(f"{text(each.why)}."), Md(""), Md("its newest segment is in the object store"))
    home, away = (f"kubectl --context {word(one)} -n {word(service.namespace)}" for one in _regions(replica))
    lines, cnpg = [], service.kind == CLUSTER
    if each.bucket:
        lines += ["terraform -chdir=./log-archive init  # or tofu", "terraform -chdir=./log-archive apply"]
    for path in each.files:
        file = word(f"./{path}")
        if path.endswith(".sql"):
            lines.append(f'psql "$PRIMARY_AS_SUPERUSER" --file {file}  # then restart it')
        elif path.endswith(".patch.yaml"):
            lines.append(f"{home} patch cluster {word(service.object_name)} --type merge --patch-file {file}")
        elif path.endswith(".base-backup.yaml"):
            lines.append(f"{home} apply -f {file}")
            lines += [] if cnpg else [_first_base_backup(replica, service)]
        elif not cnpg:
            lines.append(f"{away} apply -f {file}  # no pod runs before the failover scales it up")
    held = f"{joined(map(code, KEYS))}" + ("" if cnpg else ", and `PGUSER`, `PGPASSWORD` of a role that replicates")
    about = f"The Secret {code(each.secret)}, in both regions, holds {held}. The bucket is {code(each.url)}."
    about += (
        f" The Cluster of {text(replica.standby)} is applied on the day of the failover, and not before."
        if cnpg
        else " The image has to have `wal-g`, and the primary's pod `WALG_S3_PREFIX`, `AWS_REGION` and the keys."
    )
    if each.bucket:
        about += (
            f" {code(BUCKETS)} makes the bucket and two policies, to ship and to restore. It keeps versions under a "
            "lock, so S3 takes no upload without a checksum: where archiving fails for that, drop the lock's resource."
        )
    shown = "SELECT archived_count, last_archived_time, failed_count FROM pg_stat_archiver"
    return DeployStep(title, Md(about), fence(lines), Md(f"{code(shown)} counts up, and nothing failed"))


def _first_base_backup(replica: StoreReplica, service: Service) -> str:
    """No log restores anything without one, and the schedule makes the first at night; CloudNativePG begins at once."""
    made = f"{service.object_name}-base-backup"
    of = f"cronjob/{service.namespace}/{made}"
    return (
        f"secondsite operate job {word(replica.primary)} {word(of)} --as {word(f'{made}-1')} --apply  # the first one"
    )


def _regions(replica: StoreReplica) -> tuple[str, str]:
    return replica.primary, replica.standby


def _provided(deployment: Deployment, replicas: tuple[StoreReplica, ...]) -> DeployStep:
    names = joined(text(each.store.name) for each in replicas)
    written = provider_files(deployment)
    lines = ["terraform -chdir=./stores init  # or tofu", "terraform -chdir=./stores apply"] if written else []
    calls = [offered(each.store).create for each in replicas if not written]
    lines += [
        call.format(name=word(each.store.name), region=word(each.standby), home=word(each.primary))
        for each, call in zip(replicas, calls, strict=False)
        if call
    ]
    about = f"The variables of {code(TERRAFORM)} are yours to give. " if written else ""
    return DeployStep(
        Md(f"Let the provider replicate {names}"),
        Md(
            f"{about}Nothing here may promote such a replica: it is the provider's call, made by hand on the day of "
            "the failover, as the runbook prints it. Whoever makes it needs the right to, in the region that is left."
        ),
        fence(lines),
        Md("the provider's lag metric of the replica is there, and below the RPO"),
    )


def _replica(each: RenderedReplica) -> DeployStep:
    """The primary first: its replica begins with a copy of it."""
    replica, service = each.replica, each.service
    title = Md(f"Let a replica of {text(replica.store.name)} in {text(replica.standby)} follow")
    if service is None or each.why:
        return DeployStep(title, Md(f"{text(each.why)}."), Md(""), Md("the replica receives from its primary"))
    home, away = (f"kubectl --context {word(one)} -n {word(service.namespace)}" for one in each.regions)
    last = [path for path in each.files if path.endswith((WAITING_SQL, WAITING_PATCH))]
    first = [path for path in each.files if path not in last]
    pod, sql = word(f"{service.object_name}-0"), [path for path in first if path.endswith(".sql")]
    lines = [f'psql "$PRIMARY_AS_SUPERUSER" --file {word(f"./{path}")}  # with {PASSWORD} set' for path in sql]
    lines += [f"{away} apply -f {word(f'./{path}')}" for path in first if path.endswith(".yaml")]
    secret = f"The Secret {code(each.secret)} in {text(replica.standby)} holds the follower's password"
    if replica.store.engine in REDIS:
        about = f"{secret} as {code(PASSWORD)}, and all users of the primary's ACL as {code(USERS)}."
        look = f"{away} exec {pod} -- {replica.store.engine}-cli INFO replication"
    elif sql:
        about = (
            f"{secret} as {code(PASSWORD)}. The primary lets the follower in by a line of `pg_hba.conf`: see the file."
        )
        look = f"{home} exec {pod} -- psql -c 'TABLE pg_stat_replication'"
    else:
        about = "A replica cluster of CloudNativePG: copy the Secrets of the primary's certificates that it names."
        look = f"{away} get cluster {word(service.object_name)}"
    about += f" The primary has to be reached there as {code(each.host)}."
    if last:
        about += (
            " The last command, once the replica receives: from then on each COMMIT waits for it, and stops while it "
            "is away (`ALTER SYSTEM SET synchronous_standby_names = ''` and a reload end that)."
        )
    for path in last:
        file = word(f"./{path}")
        patch = f"{home} patch cluster {word(service.object_name)} --type merge --patch-file {file}"
        lines.append(patch if path.endswith(WAITING_PATCH) else f'psql "$PRIMARY_AS_SUPERUSER" --file {file}')
    return DeployStep(title, Md(about), fence(lines), Md(f"{code(look)} shows that it receives"))
