"""The register of an evidence folder: every campaign that was ever opened in it, noted before the campaign begins.

One file beside the campaigns' records, only ever appended to, each line bound to the one before; when a campaign is
over, the last hash of its record follows. A record says which line of which register it stands in. So a campaign, a
run of it or the register itself cannot be taken away, nor a record be written anew, without what is left saying so.
What only a copy elsewhere tells is that the newest campaigns were cut off at the end: keep the head, or sign.
"""

from __future__ import annotations

import fcntl
import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

from secondsite.drill.evidence.chained_lines import FIRST, append_line, read_lines
from secondsite.drill.ledger.envelope import disk_error
from secondsite.model.errors import InputError, Problem

SUFFIX = ".register"
SCHEMA = "secondsite/register/1"
_REMEDY = "the runs it lists no longer count as evidence: restore the file from a copy, or drill again"


class RegisterEvent(StrEnum):
    BEGUN = "begun"
    OPENED = "opened"
    CLOSED = "closed"


@frozen
class CampaignSeries:
    """What the runs of a campaign have in common; ``strategy`` as ``--strategy`` takes it. ``fault`` and ``subjects``
    are what it is about."""

    strategy: str
    drill: str
    profile: str
    fault: str = ""
    subjects: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str, str]:
        return self.strategy, self.drill, self.profile


@frozen
class RegisterLine:
    """Where a campaign is registered: the ``register``'s id and the hash of the ``line`` that announced it."""

    register: str
    line: str


@frozen
class RegisteredCampaign:
    """``line``: the hash of the line that announced it. ``last``: of its record when it was over; empty before."""

    id: str
    name: str
    series: CampaignSeries
    planned: int
    opened: datetime
    line: str
    last: str = ""


@frozen
class Register:
    """``hashes`` of all its lines, in their order."""

    id: str
    path: Path
    campaigns: tuple[RegisteredCampaign, ...]
    hashes: tuple[str, ...]

    @property
    def head(self) -> str:
        return self.hashes[-1]

    def knows(self, line: RegisterLine, campaign: str) -> bool:
        return line.register == self.id and any(
            each.id == campaign and each.line == line.line for each in self.campaigns
        )


def register_campaign(root: Path, campaign: str, name: str, series: CampaignSeries, planned: int) -> RegisterLine:
    """Noted, on the disk, in the folder's register, which is begun where there is none."""
    with _alone(root):
        register = _first_sound(root) or _begin(root)
        what = {"campaign": campaign, "name": name, "planned": planned, **series_json(series)}
        return RegisterLine(register.id, _append(register.path, register.head, RegisterEvent.OPENED, what))


def close_campaign(root: Path, line: RegisterLine, campaign: str, last: str) -> None:
    """The campaign is over, and its record ends with the hash ``last``."""
    with _alone(root):
        for register in registers_below(root)[0]:
            if register.knows(line, campaign):
                _append(register.path, register.head, RegisterEvent.CLOSED, {"campaign": campaign, "last": last})


def read_register(path: Path) -> Register:
    """Raises InputError where a line was changed, removed or moved."""
    lines = list(read_lines(path, _REMEDY))
    try:
        name = {(RegisterEvent.BEGUN, SCHEMA): str(lines[0]["register"])}[lines[0]["event"], lines[0]["schema"]]
        campaigns: dict[str, RegisteredCampaign] = {}
        for line in lines[1:]:
            campaign = str(line["campaign"])
            if line["event"] == RegisterEvent.OPENED:
                campaigns[campaign] = _opened(campaign, line)
            else:
                campaigns[campaign] = evolve(campaigns[campaign], last=str(line["last"]))
        return Register(name, path, tuple(campaigns.values()), tuple(str(line["hash"]) for line in lines))
    except (ValueError, KeyError, TypeError, IndexError, OverflowError):
        raise InputError.at(str(path), "is not a register of campaigns", _REMEDY) from None


def registers_below(root: Path) -> tuple[tuple[Register, ...], tuple[Problem, ...]]:
    """Several where folders were put together; and what is wrong with the others."""
    registers: list[Register] = []
    problems: list[Problem] = []
    for path in sorted(root.glob(f"*{SUFFIX}")) if root.is_dir() else []:
        try:
            registers.append(read_register(path))
        except InputError as error:
            problems += error.problems
    return tuple(registers), tuple(problems)


def series_json(series: CampaignSeries) -> dict[str, Any]:
    of = {"fault": series.fault, "subjects": list(series.subjects)} if series.fault else {}
    return {"strategy": series.strategy, "drill": series.drill, "profile": series.profile, **of}


def series_from(plain: Mapping[str, Any]) -> CampaignSeries:
    """Raises KeyError and TypeError for what `series_json` did not write."""
    subjects = tuple(str(each) for each in plain.get("subjects", ()))
    strategy, drill, profile = (str(plain[name]) for name in ("strategy", "drill", "profile"))
    return CampaignSeries(strategy, drill, profile, str(plain.get("fault", "")), subjects)


def cut_off(registers: Sequence[Register], heads: Sequence[str]) -> tuple[str, ...]:
    """Those of the ``heads``, by their first digits, that no register goes back to."""
    known = [digest for register in registers for digest in register.hashes]
    return tuple(head for head in heads if not any(digest.startswith(head.lower()) for digest in known))


def _opened(campaign: str, line: Mapping[str, Any]) -> RegisteredCampaign:
    at = datetime.fromisoformat(str(line["at"]))
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return RegisteredCampaign(campaign, str(line["name"]), series_from(line), int(line["planned"]), at, line["hash"])


def _first_sound(root: Path) -> Register | None:
    return next(iter(registers_below(root)[0]), None)


def _begin(root: Path) -> Register:
    name = uuid.uuid4().hex
    path = root / f"{name[:8]}{SUFFIX}"
    return Register(name, path, (), (_append(path, FIRST, RegisterEvent.BEGUN, {"schema": SCHEMA, "register": name}),))


def _append(path: Path, head: str, event: RegisterEvent, what: Mapping[str, Any]) -> str:
    return append_line(path, head, {"at": datetime.now(UTC).isoformat(), "event": str(event), **what})


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """One writer at a time in this folder, of whichever process."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(root, os.O_RDONLY)
    except OSError as error:
        raise disk_error(root, error) from None
    try:
        with suppress(OSError):  # a file system without locks has one user
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
