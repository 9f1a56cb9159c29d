"""Progress over drills: a board where there is a terminal and several of them, lines elsewhere."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from secondsite.model.contract import Verdict
from secondsite.publish.terminal.drill_board import DrillBoard

TITLES = [f"drill-{number}, warm-standby/leafnode-mirror, seed 1" for number in range(40)]


def _plain() -> tuple[Console, StringIO]:
    out = StringIO()
    return Console(file=out, width=80), out


def test_lines_without_a_terminal() -> None:
    console, out = _plain()
    board = DrillBoard(TITLES[:2], console)
    with board.shown():
        board.begin()("lab up")
        board.end(Verdict.MET, "back after 3 s")
        board.begin()("[not markup]")
        board.end("left out", "nothing to promote")
    lines = out.getvalue().splitlines()
    assert lines[0] == f"[1/2] {TITLES[0]}"
    assert lines[1].endswith(" s  lab up")
    assert lines[2].strip() == "met: back after 3 s"
    assert lines[4].endswith("[not markup]")
    assert lines[5].strip() == "left out: nothing to promote"


def test_one_drill_is_its_lines_alone_even_on_a_terminal() -> None:
    out = StringIO()
    board = DrillBoard(TITLES[:1], Console(file=out, width=80, force_terminal=True))
    with board.shown():
        board.begin()("lab up")
        board.end(Verdict.MET, "back after 3 s")
    assert [line.split()[-2:] for line in out.getvalue().splitlines()] == [["seed", "1"], ["lab", "up"]]


def test_the_board_shows_what_fits_around_what_runs() -> None:
    out = StringIO()
    board = DrillBoard(TITLES, Console(file=out, width=100, height=16, force_terminal=True))
    with board.shown():
        for _ in range(20):
            board.begin()("starting 2 regions")
            board.end(Verdict.BREACHED, "did not come back")
        board.begin()("fault: us-east-1 is lost")
        shown, plain = board._table(), StringIO()
        Console(file=plain, width=100).print(shown)
    lines = plain.getvalue().splitlines()
    assert len(lines) <= 16
    assert lines[0].startswith("21 of 40")
    assert max(map(len, lines)) <= 100
    assert any("drill-20" in line and "runs" in line and "us-east-1 is lost" in line for line in lines)
    assert any("drill-19" in line and "breached" in line for line in lines)
    assert any("drill-21" in line and "waits" in line for line in lines)


def test_the_first_and_the_last_rows_fill_the_board() -> None:
    board = DrillBoard(TITLES, Console(file=StringIO(), width=100, height=16, force_terminal=True))
    assert board._table().row_count == 10
    for _ in TITLES:
        board.begin()
    assert board._table().row_count == 10
