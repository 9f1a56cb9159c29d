"""What is backed up and what is kept, as options: shared by the run, the schedule, prune and the rendered CronJob."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from attrs import frozen
from cyclopts.types import NonNegativeInt, PositiveInt

from secondsite.cli.stores import option, read_keys
from secondsite.model.errors import InputError
from secondsite.model.units import parse_seconds

if TYPE_CHECKING:
    from secondsite.backup.cronjob import CronJobSpec
    from secondsite.backup.keep import KeepRules
    from secondsite.backup.run import BackupPlan

MIN_EVERY_S = 1.0
KEEP_FLAGS = ("last", "hourly", "daily", "weekly", "monthly")


@frozen
class BackupScope:
    """Which streams, and how they are written."""

    stream: Annotated[
        tuple[str, ...], option("Stream name or pattern such as KV_*; all streams by default.", negative="")
    ] = ()
    exclude: Annotated[tuple[str, ...], option("Stream name or pattern to exclude.", negative="")] = ()
    recipient: Annotated[tuple[str, ...], option("Encrypt for this age public key.", negative="")] = ()
    compress: Annotated[
        Literal["auto", "zstd", "none"],
        option("Compress with zstd on top of the server's compression; auto: only where it helps."),
    ] = "auto"
    sign: Annotated[Path | None, option("Sign with this ed25519 secret key, or with this age identity.")] = None
    parallel: Annotated[PositiveInt, option("Streams at the same time; each takes up to 64 MiB of memory.")] = 2
    accept_fewer: Annotated[bool, option("Accept that streams of the last backup no longer exist.", negative="")] = (
        False
    )
    single_writer: Annotated[bool, option("Accept a store that ignores conditional writes.", negative="")] = False

    def plan(self) -> BackupPlan:
        from secondsite.backup.run import BackupPlan
        from secondsite.backup.signing import read_signing_key

        return BackupPlan(
            streams=self.stream or ("*",),
            exclude=self.exclude,
            keys=read_keys(self.recipient, ()),
            compression=self.compress,
            parallel=self.parallel,
            single_writer=self.single_writer,
            signing=read_signing_key(self.sign) if self.sign else None,
            accept_fewer=self.accept_fewer,
        )

    def flags(self) -> list[str]:
        """The same options, spelled out."""
        flags = []
        for name, values in (("--stream", self.stream), ("--exclude", self.exclude), ("--recipient", self.recipient)):
            flags += [part for value in values for part in (name, value)]
        flags += ["--compress", self.compress] if self.compress != "auto" else []
        flags += ["--parallel", str(self.parallel)] if self.parallel != BackupScope().parallel else []
        return [*flags, "--single-writer"] if self.single_writer else flags


@frozen
class Keep:
    """Which backups stay. Without any of these, all do."""

    keep_last: Annotated[NonNegativeInt, option("Keep the last N backups.")] = 0
    keep_hourly: Annotated[NonNegativeInt, option("Keep the newest backup of each of the last N hours.")] = 0
    keep_daily: Annotated[NonNegativeInt, option("Keep the newest backup of each of the last N days.")] = 0
    keep_weekly: Annotated[NonNegativeInt, option("Keep the newest backup of each of the last N weeks.")] = 0
    keep_monthly: Annotated[NonNegativeInt, option("Keep the newest backup of each of the last N months.")] = 0

    def rules(self) -> KeepRules:
        from secondsite.backup.keep import KeepRules

        return KeepRules(self.keep_last, self.keep_hourly, self.keep_daily, self.keep_weekly, self.keep_monthly)

    def flags(self) -> list[str]:
        """The same options, spelled out."""
        counts = {flag: getattr(self, f"keep_{flag}") for flag in KEEP_FLAGS}
        return [part for flag, count in counts.items() if count for part in (f"--keep-{flag}", str(count))]


def every(text: str | None, name: str = "--every") -> float | None:
    if text is None:
        return None
    try:
        every_s = parse_seconds(text)
    except ValueError as error:
        raise InputError.at(name, str(error), "such as 5m") from None
    if every_s < MIN_EVERY_S:
        raise InputError.at(name, "is less than a second", "write 5m or 1h")
    return every_s


EVERYTHING = BackupScope()
KEEP_ALL = Keep()


@frozen
class InCluster:
    """How a CronJob runs in its cluster, and which secrets it may read."""

    name: Annotated[str, option("Name of the object.")] = "nats-backup"
    namespace: Annotated[str, option("Namespace of the object.")] = "default"
    service_account: Annotated[
        str, option("Service account that may write to the store (IRSA, workload identity).")
    ] = ""
    environment_secret: Annotated[
        str, option("Secret with environment variables, such as AWS_ACCESS_KEY_ID or NATS_PASSWORD.")
    ] = ""
    credentials_secret: Annotated[str, option("Secret with the file user.creds for NATS.")] = ""
    signing_secret: Annotated[str, option("Secret with the file `key`, the ed25519 key that signs backups.")] = ""

    def spec(self, image: str, every_s: float, arguments: list[str]) -> CronJobSpec:
        from secondsite.backup.cronjob import CronJobSpec

        return CronJobSpec(
            self.name,
            self.namespace,
            image,
            every_s,
            [*arguments, *self._files()],
            self.service_account,
            self.environment_secret,
            self.credentials_secret,
            signing_secret=self.signing_secret,
        )

    def _files(self) -> list[str]:
        login = ["--creds", "/etc/nats/user.creds"] if self.credentials_secret else []
        return [*login, "--sign", "/etc/signing/key"] if self.signing_secret else login


DEFAULTS = InCluster()
