"""A discovered system and the file that may be there already -> what would be written, to be shown before it is.

What was discovered last lies beside the file in ``.secondsite/discovered.yaml``: it tells a person's edit from a
change of the manifests. The schema that the first lines of the file name for editors lies there too.
"""

from __future__ import annotations

from difflib import unified_diff
from pathlib import Path

from attrs import evolve, frozen

from secondsite.discover.system_file.document import Document, parse
from secondsite.discover.system_file.editing import revise_document
from secondsite.discover.system_file.json_schema import schema_text, system_schema
from secondsite.discover.system_file.merging import carry_over, is_live, merge
from secondsite.discover.system_file.reading import load_system, load_text, read_system, system_of
from secondsite.discover.system_file.saving import save
from secondsite.discover.system_file.schema import identity, join
from secondsite.discover.system_file.writing import write_system
from secondsite.model.errors import InputError, Problem
from secondsite.model.flaw import Flaw
from secondsite.model.mark import key_of
from secondsite.model.system import System
from secondsite.model.units import Bytes
from secondsite.model.validate import find_cycle, flaws


@frozen
class Update:
    """``before`` is None where there is no file yet; ``notes`` are for a person to read."""

    path: Path
    before: str | None
    after: str
    system: System
    discovered: str
    notes: tuple[str, ...] = ()

    @property
    def first(self) -> bool:
        return self.before is None

    @property
    def changed(self) -> bool:
        return self.before != self.after

    def diff(self) -> list[str]:
        """Unified, without line ends."""
        before = (self.before or "").splitlines()
        name = str(self.path)
        return list(unified_diff(before, self.after.splitlines(), name, f"{name} (as discovered)", lineterm=""))


def beside(path: Path) -> Path:
    return path.parent / ".secondsite" / "discovered.yaml"


def plan(path: Path, discovered: System, *, live: bool) -> Update:
    """What `found` makes of the file at ``path``. ``live``: a NATS server was asked. Raises `InputError`."""
    discovered, notes = _without_cycles(discovered)
    if not path.exists():
        _refuse_flaws(discovered)
        text = write_system(discovered, edited=True)
        return Update(path, None, text, read_system(text, str(path)), write_system(discovered), notes)
    before = load_text(path)
    document = parse(before, str(path))
    yours = system_of(document)
    base, base_notes = _last_discovered(path)
    if base:
        discovered = carry_over(_not_asked(base, discovered, nats=live), discovered)
    _refuse_flaws(discovered)
    merged = merge(base, yours, discovered)
    _refuse_flaws(merged.system)
    after = revise_document(document, yours, merged.system)
    return Update(path, before, after, merged.system, write_system(discovered), (*notes, *base_notes, *merged.notes))


def _not_asked(base: System, discovered: System, *, nats: bool) -> System:
    """What was discovered last, without what servers were asked about anew."""
    asked = {store.name for store in discovered.stores if is_live(discovered.marks, f"stores.{store.name}.running")}
    stores = tuple(store for store in base.stores if store.name not in asked)
    return evolve(base, stores=stores, nats=() if nats else base.nats)


def apply(update: Update) -> None:
    """The file first: when this is interrupted between the two, the next run finds the same answer."""
    if update.changed:
        save(update.path, update.after)
    _renew(beside(update.path), update.discovered)
    _renew(beside(update.path).with_name("secondsite.schema.json"), schema_text(system_schema()))


def _renew(path: Path, text: str) -> None:
    if not path.exists() or path.read_text(encoding="utf-8", errors="replace") != text:
        save(path, text)


def record_restore(path: Path, backup: str, bytes_per_s: float) -> None:
    """That a restore of the backup was tested, and how fast it was: estimates use that rate from then on."""
    document, system = _with_backup(path, backup)
    rate = Bytes(max(1, round(bytes_per_s)))
    backups = tuple(
        evolve(each, restore_tested=True, restore_bytes_per_s=rate) if each.name == backup else each
        for each in system.backups
    )
    save(path, revise_document(document, system, evolve(system, backups=backups)))


def check_recordable(path: Path, backup: str) -> None:
    """Raises InputError where `record_restore` would: to be asked before a restore that takes hours."""
    _with_backup(path, backup)


def _with_backup(path: Path, backup: str) -> tuple[Document, System]:
    document = parse(load_text(path), str(path))
    system = system_of(document)
    if backup not in (each.name for each in system.backups):
        known = ", ".join(each.name for each in system.backups) or "none"
        raise InputError.at(str(path), f"no backup {backup}", f"write it under backups, or give one of: {known}")
    return document, system


def _last_discovered(path: Path) -> tuple[System | None, tuple[str, ...]]:
    kept = beside(path)
    if not kept.exists():
        what = f"{kept} is missing"
    else:
        try:
            return load_system(kept), ()
        except InputError:
            what = f"{kept} cannot be read"
    return None, (f"{what}: where the file and the manifests differ, the file is kept as yours",)


def _without_cycles(system: System) -> tuple[System, tuple[str, ...]]:
    """Services that call each other are no error of the manifests; for the order of starting, one has to give."""
    notes = []
    services = {service.name: service for service in system.services}
    for name, service in services.items():
        if name in service.depends_on:
            services[name] = evolve(service, depends_on=tuple(other for other in service.depends_on if other != name))
    while cycle := find_cycle({name: service.depends_on for name, service in services.items()}):
        last, first = cycle[-2], cycle[-1]
        service = services[last]
        services[last] = evolve(service, depends_on=tuple(other for other in service.depends_on if other != first))
        notes.append(
            f"services.{last}.depends_on: {first} left out, as the dependencies run in a circle: {' -> '.join(cycle)}"
        )
    return evolve(system, services=tuple(services.values())), tuple(notes)


def _refuse_flaws(system: System) -> None:
    problems = flaws(system)
    if problems:
        raise InputError([_problem(system, flaw) for flaw in problems])


def _problem(system: System, flaw: Flaw) -> Problem:
    path, noun = "", system
    for part in flaw.path:
        if isinstance(part, str):
            path, noun = join(path, key_of(part)), getattr(noun, part)
        elif hasattr(noun[part], "__attrs_attrs__"):  # type: ignore[index] # a list: a position leads into it
            noun = noun[part]  # type: ignore[index]
            path = join(path, identity(noun))
    return Problem(system.place(path), f"{path}: {flaw.what}", flaw.remedy)
