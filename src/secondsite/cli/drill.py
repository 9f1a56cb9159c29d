"""``secondsite drill``: run the plan on real servers, take the region away, and count what was lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter
from cyclopts.types import PositiveInt

from secondsite.cli.drill_options import AS_IT_IS, DrillWorld
from secondsite.cli.game_day import IN_THE_LAB, GameDayOptions, game_days, staged
from secondsite.cli.operating_world import deployed
from secondsite.cli.options import SYSTEM_FILE
from secondsite.model.errors import EXIT_DOES_NOT_HOLD, EXIT_HOLDS, EXIT_UNPROVEN, InputError, SecondsiteError

if TYPE_CHECKING:
    from secondsite.backup.signing import SigningKey
    from secondsite.drill.evidence.register import CampaignSeries
    from secondsite.drill.play.setup import Setup
    from secondsite.drill.run import RunResult
    from secondsite.model.measurement import Measurement
    from secondsite.model.system import System
    from secondsite.publish.terminal.drill_board import DrillBoard


app = App(name="drill", help="Rehearse a failover on real servers and count what is lost.")
app.command(
    "secondsite.cli.explore:explore",
    name="explore",
    help="Search for a schedule of faults under which a failover or failback loses data or has two writers.",
)

app.command(
    "secondsite.cli.drill_undo:undo",
    name="undo",
    help="Undo the faults of a game day, now or (--guard) as each expires.",
)


_STRATEGY = (
    "Strategy, or STRATEGY@VERSION; STRATEGY@today runs on the system as it is now. By default what `operate:` says is "
    "deployed, or what `evaluate` recommends."
)


@app.default
def drill(
    name: Annotated[str, Parameter(name="drill", help="The drill to run; `--list` shows all.")] = "region-loss",
    /,
    *,
    file: Annotated[Path, Parameter(help="The system file.")] = SYSTEM_FILE,
    strategy: Annotated[
        tuple[str, ...],
        Parameter(help=_STRATEGY, negative=""),
    ] = (),
    runs: Annotated[PositiveInt, Parameter(help="Number of runs; 22 that all hold prove a contract at 90 %.")] = 1,
    jobs: Annotated[PositiveInt | None, Parameter(help="Runs at the same time; two per core by default.")] = None,
    workers: Annotated[
        str, Parameter(help="Spread the runs over a Dask cluster: dask://localhost:PORT, or tls://HOST:PORT.")
    ] = "",
    all_: Annotated[
        bool, Parameter(name="--all", negative="", help="Run every drill with every strategy that the lab can run.")
    ] = False,
    controls: Annotated[bool, Parameter(negative="", help="Run the negative controls: every one must fail.")] = False,
    world: Annotated[DrillWorld, Parameter(name="*")] = AS_IT_IS,
    staging: Annotated[GameDayOptions, Parameter(name="*")] = IN_THE_LAB,
    evidence: Annotated[Path | None, Parameter(help="Folder for evidence; .secondsite/evidence by default.")] = None,
    sign: Annotated[Path | None, Parameter(help="Sign the campaign's record with this ed25519 secret key.")] = None,
    list_: Annotated[
        bool, Parameter(name="--list", negative="", help="List the drills and negative controls.")
    ] = False,
    json_: Annotated[bool, Parameter(name="--json", negative="", help="Print JSON.")] = False,
) -> int:
    """Lay a strategy out on real processes, load it, break it, fail over by its own procedure, count what is lost.

    ``--on staging``: on your own clusters, once you typed the hash that is printed.

    Exit code 0 when every contract it ran held, 1 when one did not (or a control stayed green), 3 where nothing was
    proven, 4 where this machine cannot run it.
    """
    if list_:
        return _list()
    from secondsite.backup.signing import read_signing_key
    from secondsite.catalogue.bundle import load_catalogue
    from secondsite.catalogue.table import USER_FOLDER
    from secondsite.discover.system_file.reading import load_system
    from secondsite.drill.registry import MATRIX, find_drill

    system, catalogue = load_system(file), load_catalogue(file.parent / USER_FOLDER)
    root = evidence or file.parent / ".secondsite" / "evidence"
    name = world.fault or name

    def setup(text: str) -> Setup:
        return world.setup(system, catalogue, name, text)

    if staging.on == "staging":
        if controls or all_ or len(strategy) > 1:
            raise InputError.at("--on staging", "is one drill of what is deployed", "leave the other options out")
        text = deployed(system, "")
        made = staged(world.reaching(name, setup(text), 1))
        results = game_days(find_drill(name), made, staging, file, runs, root, _report)
        return _finish(results, root, sign, json_)
    if controls:
        return _controls(setup, root, json_)
    one = find_drill(name).id
    pairs = MATRIX if all_ else [(one, text) for text in strategy or (_usual(system, file),)]
    pairs = [(one, each) for one, text in pairs for each in world.versions(text)]
    planned = [(one, world.reaching(one, setup(text), runs)) for one, text in pairs]
    if workers:
        return _finish(_run_there(workers, planned, runs, file, root), root, sign, json_)
    planned = [_with_old_writes(one, each) for one, each in planned]
    if sign is not None:
        read_signing_key(sign)  # before anything runs
    results = _run_beside(planned, runs, root, jobs) if runs > 1 else _run(planned, root, skip=all_)
    return _finish(results, root, sign, json_)


def _usual(system: System, file: Path) -> str:
    """What to rehearse where no strategy is named; an evaluation that was kept is read."""
    from secondsite.cli.evaluations import recommended

    return (system.operate.deployed if system.operate else "") or recommended(file).strategy.id


def _finish(results: list[RunResult], root: Path, sign: Path | None, as_json: bool) -> int:
    from secondsite.backup.signing import read_signing_key

    if sign is not None:
        _sign(root, results, read_signing_key(sign))
    if not results:
        return EXIT_UNPROVEN
    _print(results, as_json)
    return _exit_code(results)


def _report(text: str) -> None:
    from secondsite.publish.terminal.console import PrintableConsole

    PrintableConsole(stderr=True).print(text)


def _with_old_writes(name: str, setup: Setup) -> tuple[str, Setup]:
    """Made before the campaign is opened, once for a design, and kept for the next."""
    from attrs import evolve

    from secondsite.drill.play.ageing import can_be_kept, old_writes
    from secondsite.drill.registry import find_drill
    from secondsite.drill.run import options_of
    from secondsite.publish.terminal.console import PrintableConsole

    drill = find_drill(name)
    if not setup.reach_s or drill.fits(setup.deployment) or not can_be_kept(setup):
        return name, setup
    return name, evolve(setup, aged=old_writes(setup, options_of(drill, setup), PrintableConsole(stderr=True).print))


def _list() -> int:
    from secondsite.drill.controls import CONTROLS
    from secondsite.drill.registry import DRILLS
    from secondsite.publish.terminal.console import terminal_console
    from secondsite.publish.terminal.drill import catalogue_table

    console = terminal_console()
    console.print(catalogue_table((drill.id, drill.title) for drill in DRILLS.values()))
    console.print("\nNegative controls (--controls): every one must fail")
    console.print(catalogue_table((control.id, control.title) for control in CONTROLS.values()))
    return EXIT_HOLDS


def _controls(setup: Callable[[str], Setup], root: Path, as_json: bool) -> int:
    import asyncio

    from secondsite.drill.controls import CONTROLS, check_control
    from secondsite.drill.run import run_drill

    checked = []
    board = _board([f"control {control.id}: {control.title}" for control in CONTROLS.values()])
    with board.shown():
        for control in CONTROLS.values():
            report = board.begin()
            spoiled = control.spoil(setup(control.strategy.id))
            options = control.options(spoiled)
            run = run_drill(control.drill, spoiled, root, report, control=control.id, options=options)
            checked.append(check_control(control, asyncio.run(run)))
            board.end("red" if checked[-1].red else "GREEN", checked[-1].red)
    if as_json:
        outcomes = [{"control": each.control.id, "red": bool(each.red), "why": each.red} for each in checked]
        print(json.dumps({"schema": "secondsite/drill-controls/1", "controls": outcomes}, indent=2))
    else:
        from secondsite.publish.terminal.console import terminal_console
        from secondsite.publish.terminal.drill import render_controls

        render_controls(checked, terminal_console())
    return EXIT_HOLDS if all(each.red for each in checked) else EXIT_DOES_NOT_HOLD


def _run(planned: list[tuple[str, Setup]], root: Path, *, skip: bool) -> list[RunResult]:
    """``skip``: what does not fit or cannot run here is told and left out, so that the rest is seen."""
    import asyncio

    from secondsite.drill.evidence.campaign import CampaignRecord
    from secondsite.drill.registry import find_drill
    from secondsite.drill.run import RunOf, run_drill
    from secondsite.publish.terminal.drill import held, outcome

    results = []
    board = _board([_title(*each) for each in planned])
    with board.shown():
        for name, setup in planned:
            report = board.begin()
            record = CampaignRecord.open(root, _series(name, setup), 1)
            of = RunOf(1, record.begun(1), record.id)
            try:
                result = asyncio.run(run_drill(find_drill(name), setup, root, report, run=of))
            except SecondsiteError as error:
                record.died(of.id, str(error))
                if not skip:
                    raise
                board.end("left out", str(error))
            else:
                record.ended(of.id, _closing(result))
                results.append(result)
                board.end(held(result.verdict), outcome(result))
            finally:
                record.close()
    return results


def _run_beside(planned: list[tuple[str, Setup]], runs: int, root: Path, jobs: int | None) -> list[RunResult]:
    """A campaign for each; its runs beside each other. A run that could not be made is told, and counts as one."""
    from secondsite.drill.evidence.campaign import CampaignRecord
    from secondsite.drill.run import RunOf
    from secondsite.drill.series import RunOrder, RunSeries, series_size
    from secondsite.publish.terminal.drill import held, outcome

    results: list[RunResult] = []
    board = _board([_title(*each, number) for each in planned for number in range(1, runs + 1)], beside=True)

    def ended(first: int, number: int, result: RunResult | str) -> None:
        if isinstance(result, str):
            board.end("died", result, first + number)
        else:
            results.append(result)
            board.end(held(result.verdict), outcome(result), first + number)

    with board.shown():
        for place, (name, setup) in enumerate(planned):
            record = CampaignRecord.open(root, _series(name, setup), runs)
            orders = [RunOrder(name, setup, root, RunOf(number)) for number in range(1, runs + 1)]
            size = series_size(runs, setup.waits_s, jobs, one_address=setup.one_address)
            try:
                RunSeries(size, record, board.begin, partial(ended, place * runs)).run(orders)
            finally:
                record.close()
    return results


def _run_there(workers: str, planned: list[tuple[str, Setup]], runs: int, file: Path, root: Path) -> list[RunResult]:
    """What does not fit is left out before anything is sent."""
    from secondsite.cli.drill_workers import run_on_workers
    from secondsite.drill.evidence.folder import read_evidence
    from secondsite.drill.registry import find_drill
    from secondsite.publish.terminal.drill import held, outcome

    planned = [each for each in planned if not find_drill(each[0]).fits(each[1].deployment)]
    results: list[RunResult] = []
    board = _board([_title(*each, number) for each in planned for number in range(1, runs + 1)], beside=True)

    def ended(place: int, result: RunResult | str) -> None:
        if isinstance(result, str):
            board.end("died", result, place)
        else:
            results.append(result)
            machine = read_evidence(result.evidence).manifest.host.get("worker", "")
            board.end(held(result.verdict), f"{outcome(result)}; on {machine}", place)

    with board.shown():
        for _ in range(len(planned) * runs):
            board.begin()("sent to the cluster")
        run_on_workers(workers, planned, runs, file, root, _series, ended)
    return results


def _sign(root: Path, results: list[RunResult], key: SigningKey) -> None:
    """The records of what ran here."""
    from secondsite.drill.evidence.campaign import campaigns_below
    from secondsite.drill.evidence.folder import read_evidence
    from secondsite.drill.evidence.signature import sign_campaign

    mine = {read_evidence(result.evidence).manifest.campaign for result in results}
    for campaign in campaigns_below(root)[0]:
        if campaign.id in mine:
            sign_campaign(campaign.path, key)


def _series(name: str, setup: Setup) -> CampaignSeries:
    from secondsite.drill.evidence.register import CampaignSeries
    from secondsite.drill.registry import find_drill

    drill = find_drill(name)
    subjects = tuple(str(subject) for subject in drill.subjects)
    version = f"@{setup.nats_version}" if setup.nats_version else ""
    return CampaignSeries(f"{setup.strategy.id}{version}", name, setup.profile.name, str(drill.fault), subjects)


def _closing(result: RunResult) -> str:
    from secondsite.drill.evidence.chain import last_hash

    return last_hash(result.evidence)


def _title(name: str, setup: Setup, run: int = 1) -> str:
    from secondsite.lab.nats_binary import replaced

    version = f"@{setup.nats_version}" if setup.nats_version else ""
    asked = () if setup.nats_server else dict.fromkeys(cluster.version for cluster in setup.deployment.clusters)
    others = "".join(f"; {shown}" for shown in map(replaced, asked) if shown)
    return f"{name}, {setup.strategy.id}{version}, seed {setup.seed}" + (f", run {run}" if run > 1 else "") + others


def _board(titles: list[str], *, beside: bool = False) -> DrillBoard:
    from secondsite.publish.terminal.console import PrintableConsole
    from secondsite.publish.terminal.drill_board import DrillBoard

    return DrillBoard(titles, PrintableConsole(stderr=True), beside)


def _print(results: list[RunResult], as_json: bool) -> None:
    groups = _groups(results)
    if as_json:
        from secondsite.publish.machine.drill import drill_json

        reports = [drill_json(group, _measured(group)) for group in groups]
        print(json.dumps(reports[0] if len(reports) == 1 else reports, indent=2, allow_nan=False))
        return
    from secondsite.publish.terminal.console import terminal_console
    from secondsite.publish.terminal.drill import render_drills

    measurements = [each for group in groups for each in _measured(group)]
    render_drills(results, terminal_console(), measurements)


def _groups(results: list[RunResult]) -> list[list[RunResult]]:
    """Runs of one drill of one strategy belong together."""
    groups: dict[tuple[str, str, str], list[RunResult]] = {}
    for result in results:
        groups.setdefault((result.drill.id, result.setup.strategy.id, result.version), []).append(result)
    return list(groups.values())


def _measured(group: list[RunResult]) -> list[Measurement]:
    from secondsite.drill.evidence.folder import read_evidence
    from secondsite.drill.verdict.measurements import Run, measured

    runs = [Run(read_evidence(result.evidence), result.judgement) for result in group]
    ran = group[0].drill.subjects
    return [measurement for contract, measurement in measured(runs) if contract.subject in ran]


def _exit_code(results: list[RunResult]) -> int:
    from secondsite.model.contract import Verdict

    verdicts = {result.verdict for result in results}
    if Verdict.BREACHED in verdicts:
        return EXIT_DOES_NOT_HOLD
    return EXIT_UNPROVEN if Verdict.UNPROVEN in verdicts else EXIT_HOLDS
