"""What `repair` brings back, and from when."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from attrs import frozen

from secondsite.cli.stores import open_store, option, read_keys
from secondsite.model.errors import InputError

if TYPE_CHECKING:
    from secondsite.model.procedure import Procedure
    from secondsite.nats.place import NatsPlace
    from secondsite.operate.restorer import BackupRestorer


@frozen
class RestoredOrigins:
    """For `repair` alone."""

    restore: Annotated[
        tuple[str, ...],
        option("Replace this stream, after saving it; may be repeated. By default, the missing streams.", negative=""),
    ] = ()
    at: Annotated[str, option("Point in time to restore, such as 2026-11-23T12:00:00Z; the latest by default.")] = ""
    at_sequence: Annotated[
        str, option("STREAM=N: point in time of an archive at which message N was the last of the stream.")
    ] = ""
    identity: Annotated[tuple[Path, ...], option("File with the age key that decrypts the backup.", negative="")] = ()

    @property
    def bound(self) -> Mapping[str, Any]:
        """What an approval is bound to."""
        choices = {"restore": list(self.restore), "at": self.at, "at sequence": self.at_sequence}
        return {key: value for key, value in choices.items() if value}

    def check(self, procedure: Procedure) -> None:
        """Raises InputError where it would be passed over."""
        if self.bound and not procedure.fault.destroys_data:
            option = f"--{next(iter(self.bound)).replace(' ', '-')}"
            raise InputError.at(option, f"{procedure.name} restores nothing in place", "use `secondsite repair`")

    def restorer(self, url: str, regions: Mapping[str, NatsPlace]) -> BackupRestorer:
        from secondsite.archive.source import Asked
        from secondsite.operate.restorer import BackupRestorer

        asked = Asked(at=_time(self.at), at_sequence=self.at_sequence or None)
        store = open_store(url, None, "--from")
        return BackupRestorer(store, regions, read_keys((), self.identity), asked=asked, chosen=self.restore)


_CLOCKS_APART = timedelta(minutes=1)
NOTHING_CHOSEN = RestoredOrigins()


def _time(text: str) -> datetime | None:
    if not text:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise InputError.at("--at", f"{text!r} is not a time", "write 2026-11-23T12:00:00Z") from None
    instant = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    if instant > datetime.now(UTC) + _CLOCKS_APART:
        raise InputError.at("--at", f"{text!r} is in the future", "give the moment right before the mistake, in UTC")
    return instant
