"""``drill --workers``: the runs of campaigns spread over machines, with their evidence sent back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

from secondsite.cli.workers import cluster_at
from secondsite.model.errors import MachineError, SecondsiteError

if TYPE_CHECKING:
    from distributed import Client

    from secondsite.drill.evidence.campaign import CampaignRecord
    from secondsite.drill.evidence.register import CampaignSeries
    from secondsite.drill.play.setup import Setup
    from secondsite.drill.remote import RemoteOrder
    from secondsite.drill.run import RunResult

Ended = Callable[[int, "RunResult | str"], None]
"""With the place of the run among all, and the result or why there is none."""


@frozen
class _Sent:
    place: int
    order: RemoteOrder
    setup: Setup
    record: CampaignRecord


def run_on_workers(
    address: str,
    planned: list[tuple[str, Setup]],
    runs: int,
    file: Path,
    root: Path,
    series: Callable[[str, Setup], CampaignSeries],
    ended: Ended,
) -> None:
    """All at once: a cluster takes as many as it has threads. A run that did not come back died, and counts."""
    from secondsite.drill.evidence.campaign import CampaignRecord

    with cluster_at(address) as client:
        _check_failures(client, address)
        records: list[CampaignRecord] = []
        try:
            sent: dict[object, _Sent] = {}
            for name, setup in planned:
                records.append(CampaignRecord.open(root, series(name, setup), runs))
                for each in _orders(name, setup, runs, file, records[-1], len(sent)):
                    sent[_submitted(client, each.order)] = each
            _collected(client, sent, root, ended)
        finally:
            for record in records:
                record.close()


def _check_failures(client: Client, address: str) -> None:
    """A run that is begun again in silence where its machine died would be a run that nobody counts."""
    allowed = client.run_on_scheduler(lambda dask_scheduler: dask_scheduler.allowed_failures)  # type: ignore[no-untyped-call] # theirs
    if allowed != 0:
        what = f"it would start a run again {allowed} times when a worker is lost, and hide the loss"
        raise MachineError.at(
            f"--workers {address}", what, "start the scheduler with DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES=0"
        )


def _orders(name: str, setup: Setup, runs: int, file: Path, record: CampaignRecord, first: int) -> list[_Sent]:
    from secondsite.drill.remote import order_of
    from secondsite.drill.run import RunOf

    orders = []
    for number in range(1, runs + 1):
        run = RunOf(number, record.begun(number), record.id)
        orders.append(_Sent(first + number - 1, order_of(name, setup, file, run), setup, record))
    return orders


def _submitted(client: Client, order: RemoteOrder) -> object:
    from secondsite.drill.remote import run_there

    return client.submit(run_there, order.text(), pure=False, retries=0)


def _collected(client: Client, sent: dict[object, _Sent], root: Path, ended: Ended) -> None:
    from distributed import as_completed

    from secondsite.drill.remote import RemoteRun, taken

    for future in as_completed(list(sent), loop=client.loop):  # type: ignore[no-untyped-call] # theirs
        each = sent[future]
        try:
            machine, name, packed, why = future.result()
            run = RemoteRun(str(machine), str(name), bytes(packed), str(why))
            result, closing = taken(each.order, each.setup, run, root)
        except SecondsiteError as error:
            each.record.died(each.order.id, str(error))
            ended(each.place, str(error))
        except Exception as error:  # whatever Dask says of a worker that it lost
            each.record.died(each.order.id, f"{type(error).__name__}: {error}")
            ended(each.place, f"its worker was lost: {type(error).__name__}")
        else:
            each.record.ended(each.order.id, closing)
            ended(each.place, result)
