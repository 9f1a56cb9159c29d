"""A backup job, and what it really saves."""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen

from secondsite.model.units import Bytes, Seconds


class Content(StrEnum):
    """What one could get back from it."""

    MESSAGES = "messages"
    DATA = "data"
    VOLUMES = "volumes"
    RESOURCES = "resources"
    CONFIGURATION = "configuration"
    UNKNOWN = "unknown"


class Where(StrEnum):
    """The smallest failure that takes the backup together with what it saves."""

    CLUSTER = "same-cluster"
    REGION = "same-region"
    ELSEWHERE = "other-region"
    UNKNOWN = "unknown"


@frozen
class Backup:
    """``covers`` names services. ``optional_upload``: the copy elsewhere is skipped when a credential is missing.

    ``copy_of``: the backup whose copies these are, a level above it in a chain. A copy waits ``hold_s`` before it sets
    out and is in progress for ``travel_s``. A restore waits ``fetch_s`` until it is at hand, and reads it at
    ``restore_bytes_per_s``. None: as the catalogue's figures say.
    """

    name: str
    covers: tuple[str, ...]
    content: Content
    where: Where
    interval_s: Seconds
    service: str = ""
    retention_s: Seconds | None = None
    destination: str = ""
    errors_swallowed: bool = False
    optional_upload: bool = False
    restore_tested: bool = False
    copy_of: str = ""
    hold_s: Seconds = Seconds(0)
    travel_s: Seconds | None = None
    fetch_s: Seconds | None = None
    restore_bytes_per_s: Bytes | None = None
