"""What every document is made from, and how it points at the files that the values were read from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from urllib.parse import quote

from attrs import Factory, frozen

from secondsite.evaluate.derive import leaves
from secondsite.evaluate.evaluation import Assessment, Evaluation
from secondsite.model.contract import Contract, Verdict
from secondsite.model.estimate import Estimate
from secondsite.model.hazard import Hazard
from secondsite.model.measurement import Measurement
from secondsite.model.place import Place
from secondsite.model.system import System
from secondsite.publish.text.markdown import Md, code, link, text

SYSTEM_FILE = "secondsite.yaml"
_DATE = re.compile(r"\b(20\d\d)-(0[1-9]|1[0-2])(?:-(0[1-9]|[12]\d|3[01]))?\b")
_FIRST = date(2026, 1, 1)


@frozen
class StoreVerdict:
    """One store by itself, of a contract on the whole state of which drills ran only a part; ``why`` tells what is
    behind the verdict. ``strategy`` is empty where no drill covers it.
    """

    contract: Contract
    strategy: str
    verdict: Verdict
    why: str
    measured: Measurement | None


@frozen
class Inputs:
    """``base`` leads from the documents to the folder of the system file. ``drills`` are the names that can be run.

    ``as_of`` is the day that ages are counted to; no clock is read. ``current``: whether a measurement was taken of
    what runs today (by its evidence folder); what is not named was. ``published`` is the address of the documents'
    folder, with a slash at its end; empty where none is known.
    """

    evaluation: Evaluation
    hazards: tuple[Hazard, ...]
    measurements: tuple[Measurement, ...]
    as_of: date
    base: str = "."
    outdated: Mapping[str, str] = Factory(dict)
    published: str = ""
    stores: tuple[StoreVerdict, ...] = ()

    @property
    def system(self) -> System:
        return self.evaluation.system

    @property
    def chosen(self) -> Assessment:
        return self.evaluation.recommended

    def place(self, place: Place, shown: str = "") -> Md:
        """``file:line``, or what is to be shown instead, with a link to it, where it is a file."""
        shown = text(shown) if shown else code(f"{place.file}:{place.line}" if place.line else place.file)
        if "://" in place.file or place.file.startswith("/"):
            return shown
        line = f"#L{place.line}" if place.line else ""
        return link(shown, f"{quote(self.base)}/{quote(place.file)}{line}")

    def at(self, path: str) -> Md:
        """Without its folders, which the link has: in a table they would be wider than what is shown."""
        place = self.system.place(path)
        name = place.file if "://" in place.file else place.file.rpartition("/")[2]
        return self.place(place, code(f"{name}:{place.line}" if place.line else name))

    def linked(self, path: str, shown: str) -> Md:
        """A value of the system's, as a link to where it is written."""
        place = self.system.place(path)
        if "://" in place.file or place.file.startswith("/"):
            return Md(f"{text(shown)} ({self.place(place)})")
        return self.place(place, shown)


def newest_date(evaluation: Evaluation, measurements: tuple[Measurement, ...]) -> date:
    """Of the evidence, or where there is none, of the sources that the evaluation used."""
    if measurements:
        return max(date.fromisoformat(one.at[:10]) for one in measurements)
    used = {leaf.source for figure in _figures(evaluation.recommended) for leaf in leaves(figure)}
    return max((day for source in used for day in _dates(source)), default=_FIRST)


def _figures(assessment: Assessment) -> tuple[Estimate, ...]:
    return tuple(figure for _, figure in assessment.figures())


def _dates(given: str) -> tuple[date, ...]:
    """A month without a day is its first."""
    return tuple(_day(int(y), int(m), int(d or 1)) for y, m, d in _DATE.findall(given))


def _day(year: int, month: int, day: int) -> date:
    while True:
        try:
            return date(year, month, day)
        except ValueError:
            day -= 1
