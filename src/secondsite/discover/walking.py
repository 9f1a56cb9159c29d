"""Which files below a folder may hold manifests. A folder is entered once, however often linked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from attrs import define, field

from secondsite.discover.kustomize import kustomization_of
from secondsite.discover.other_languages import is_other_language
from secondsite.model.errors import InputError, Problem
from secondsite.model.place import Place

MAX_FILES = 20_000
ENDINGS = (".yaml", ".yml", ".json")
SCRIPT = ".sh"
_OF_A_CHART = ("templates", "crds", "charts", "ci")
_NEVER = ("node_modules", "vendor", "__pycache__")


@define
class Walk:
    """``files`` stand outside of kustomizations, but for the values of charts in them; ``charts`` have a Chart.yaml.

    ``others`` describe systems in languages that are not read.
    """

    shown: Callable[[Path], str]
    excluded: Sequence[str] = ()
    files: list[Path] = field(factory=list)
    kustomizations: list[Path] = field(factory=list)
    charts: list[Path] = field(factory=list)
    confs: list[Path] = field(factory=list)
    scripts: list[Path] = field(factory=list)
    others: list[Path] = field(factory=list)
    problems: list[Problem] = field(factory=list)

    def leaves_out(self, path: Path) -> bool:
        """Whether a pattern of --exclude names the path, one of its folders, or its last part."""
        shown = Path(self.shown(path))
        names = [*(str(part) for part in (shown, *shown.parents)), *shown.parts]
        return any(fnmatchcase(name, pattern.rstrip("/")) for pattern in self.excluded for name in names)

    def below(self, top: Path, limit: int) -> None:
        """Collect what is below a folder. Raises `InputError` beyond ``limit`` files."""
        visited: set[Path] = set()
        waiting = [(top, False)]
        while waiting:
            folder, inside = waiting.pop()
            real = folder.resolve()
            if real in visited:
                continue
            visited.add(real)
            waiting += self._enter(folder, inside)
            if len(self.files) + len(visited) > limit:
                remedy = "name the folder that matters, or leave some out with --exclude"
                raise InputError.at(self.shown(top), f"has more than {limit:,} files", remedy)
        self.files.sort()
        self.confs.sort()
        self.scripts.sort()
        self.others.sort()
        self.kustomizations.sort()

    def _enter(self, folder: Path, inside: bool) -> Iterator[tuple[Path, bool]]:
        if kustomization_of(folder):
            self.kustomizations.append(folder)
            inside = True
        chart = (folder / "Chart.yaml").is_file()
        if chart:
            self.charts.append(folder)
        for entry in sorted(self._entries(folder), reverse=True):
            if entry.name.startswith(".") or (chart and entry.name in (*_OF_A_CHART, "Chart.yaml")):
                continue
            if self.excluded and self.leaves_out(entry):
                continue
            if entry.is_dir():
                if entry.name not in _NEVER:
                    yield entry, inside
            elif is_other_language(entry) and entry.is_file():
                self.others.append(entry)
            elif entry.suffix in ENDINGS and (not inside or (chart and "values" in entry.name)) and entry.is_file():
                self.files.append(entry)
            elif entry.suffix == ".conf" and not inside and entry.is_file():
                self.confs.append(entry)
            elif entry.suffix == SCRIPT and entry.is_file():
                self.scripts.append(entry)

    def _entries(self, folder: Path) -> Iterator[Path]:
        try:
            yield from folder.iterdir()
        except OSError as error:
            what = f"cannot be listed: {error.strerror}"
            self.problems.append(Problem(Place(self.shown(folder)), what, "make it readable"))
