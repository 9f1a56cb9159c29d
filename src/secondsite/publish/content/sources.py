"""Where every figure comes from: a mark beside the figure, and an item of one page that the mark leads to.

A mark is a letter and a number: ``m`` measured, ``p`` published, ``a`` assumed, ``s`` stated (read from the team's
files or written by the team), ``c`` counted or computed from those. A figure made of several has the letter of the
weakest, and one that rests on an assumption looks like it: ``~``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import groupby
from textwrap import shorten

from attrs import Factory, define, frozen

from secondsite.evaluate.derive import leaves
from secondsite.model.estimate import Estimate, Provenance
from secondsite.model.mark import Knowledge, Mark
from secondsite.model.stated import value_at
from secondsite.model.system import System
from secondsite.publish.text.figure import figure
from secondsite.publish.text.markdown import Md, code, joined, plain, text

LETTERS = {"m": "measured", "p": "published", "a": "assumed", "s": "stated", "c": "computed"}
_FORMULA = 160
_MARK = re.compile(r"\[\[([apmsc]\d+)\]\]")
_WEAKEST_FIRST = "apmsc"
_OF = {Provenance.MEASURED: "m", Provenance.PUBLISHED: "p", Provenance.ASSUMED: "a", Provenance.DERIVED: "c"}


@frozen
class Source:
    """One item of the list. ``made_of`` are the marks of what a computed figure rests on."""

    mark: str
    what: str
    value: Md
    basis: str
    made_of: tuple[str, ...] = ()


@define
class Sources:
    """The sources of a set of documents, numbered by letter in the order of their first use."""

    system: System
    _rows: dict[object, Source] = Factory(dict)
    _used: dict[str, int] = Factory(dict)

    def figure(self, estimate: Estimate, *, mean: bool = False, span: bool = False) -> Md:
        """The value with its mark; ``span``: also the 5 and 95 % quantiles, where they differ."""
        shown = figure(estimate, mean=mean)
        spread = f" ({text(shown.span)})" if span and shown.span else ""
        return Md(f"{self.value(estimate, shown.text)}{spread} {self.mark(estimate)}")

    def value(self, estimate: Estimate, shown: str) -> Md:
        """A value without its mark; assumed ones look assumed."""
        return Md(f"{'~' if not estimate.unbounded and self.letter(estimate) == 'a' else ''}{text(shown)}")

    def mark(self, estimate: Estimate) -> Md:
        return _link(self._row(estimate).mark)

    def of_all(self, what: str, estimates: Iterable[Estimate], basis: str = "each computed from some of these") -> Md:
        """One mark for all figures of a table: what they rest on together."""
        ends = tuple(dict.fromkeys(leaf for one in estimates for leaf in leaves(one)))
        return _link(self._composite(("table", what), what, Md(""), basis, ends))

    def head(self, name: str, *marks: Md) -> Md:
        """A heading of a column whose figures share their marks; a tab at its end stays there."""
        plain_name = name.removesuffix("\t")
        return Md(f"{joined((plain_name, *marks), ' ')}{name[len(plain_name) :]}")

    def stated(self, what: str, value: str, basis: str, letter: str = "s") -> Md:
        """A mark for something that is no estimate: a measurement, a file, a server's own answer."""
        key = (letter, what, basis)
        if key not in self._rows:
            self._rows[key] = Source(self._next(letter), what, text(value), basis)
        return _link(self._rows[key].mark)

    def letter(self, estimate: Estimate) -> str:
        return weakest(self._letter(leaf) for leaf in leaves(estimate))

    def rows(self) -> Sequence[Source]:
        return sorted(self._rows.values(), key=lambda row: ("mpasc".index(row.mark[0]), int(row.mark[1:])))

    def listing(self) -> Md:
        """By how they are known; a list, as what a source says does not fit into a column. Empty without figures."""
        groups = groupby(self.rows(), key=lambda row: row.mark[0])
        return Md("\n\n".join(f"**{LETTERS[letter].capitalize()}**\n\n{_items(rows)}" for letter, rows in groups))

    def targets(self, used: str, page: str = "") -> str:
        """Where the marks in a text lead to, in the order of their letters; on no page, but needed by it."""
        there = set(_MARK.findall(used))
        return "\n".join(f"[{row.mark}]: {page}#{row.mark}" for row in self.rows() if row.mark in there)

    def _row(self, estimate: Estimate) -> Source:
        key = _key(estimate)
        if key in self._rows:
            return self._rows[key]
        if not estimate.inputs:
            letter = self._letter(estimate)
            self._rows[key] = Source(self._next(letter), estimate.name, _shown(estimate), self._origin(estimate))
        else:
            ends = tuple(dict.fromkeys(leaves(estimate)))
            basis = shorten(plain(estimate.formula or estimate.source), _FORMULA, placeholder=" …")
            self._composite(key, estimate.name, _shown(estimate), basis, ends)
        return self._rows[key]

    def _composite(self, key: object, what: str, value: Md, basis: str, ends: tuple[Estimate, ...]) -> str:
        if key not in self._rows:
            letter = weakest(self._letter(end) for end in ends)
            row = Source(self._next(letter), what, value, basis)
            self._rows[key] = row
            marks = dict.fromkeys(self._row(end).mark for end in ends if self._letter(end) != "c")
            self._rows[key] = Source(row.mark, what, value, basis, tuple(marks))
        return self._rows[key].mark

    def _next(self, letter: str) -> str:
        self._used[letter] = self._used.get(letter, 0) + 1
        return f"{letter}{self._used[letter]}"

    def _letter(self, leaf: Estimate) -> str:
        mark = self._mark(leaf)
        if mark is None:
            return _OF[leaf.provenance]
        return "a" if mark.origin is Knowledge.ASSUMED else "s"

    def _mark(self, leaf: Estimate) -> Mark | None:
        """Of a leaf that is a value of today's system: how the system came by it. What a strategy sets is no such."""
        stated = leaf.provenance is Provenance.DERIVED and value_at(self.system, leaf.source) == leaf.mean
        return self.system.marks.get(leaf.source) if stated else None

    def _origin(self, leaf: Estimate) -> str:
        mark = self._mark(leaf)
        basis = plain(f"{leaf.source}, {mark}" if mark else leaf.source)
        if leaf.plausible != (1.0, 1.0):
            low, high = leaf.plausible
            basis += f"; range × {low:.2g} to × {high:.2g}"
        return f"{basis}; to settle it: {plain(leaf.settle)}" if leaf.settle else basis


def weakest(letters: Iterable[str]) -> str:
    present = set(letters)
    return next((letter for letter in _WEAKEST_FIRST if letter in present), "c")


def _key(estimate: Estimate) -> object:
    """Equal figures share a row, however they were reached."""
    return (estimate.name, estimate.unit, estimate.distribution, estimate.source, estimate.formula)


def _shown(estimate: Estimate) -> Md:
    shown = figure(estimate)
    return Md(f"{text(shown.text)} ({text(shown.span)})" if shown.span else text(shown.text))


def _items(rows: Iterable[Source]) -> str:
    return "\n".join(f'- <a id="{row.mark}"></a>**{row.mark}** {_item(row)}' for row in rows)


def _item(row: Source) -> Md:
    return Md(f"{text(row.what)}{f', {row.value}' if row.value else ''}: {_basis(row)}")


def _basis(row: Source) -> Md:
    if not row.made_of:
        return text(row.basis)
    return Md(f"{text(row.basis)}; from {joined(map(_link, row.made_of), ' ')}")


def _link(mark: str) -> Md:
    """In brackets, which stay when it is drawn as a link: a mark does not look like a digit of the figure."""
    return Md(f"[[{mark}]]")


def legend() -> Md:
    """How to read the marks."""
    return joined((Md(f"{code(letter)} {word}") for letter, word in LETTERS.items()))
