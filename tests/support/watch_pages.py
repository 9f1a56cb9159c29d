"""Pages of a watch in each of its moods, served from plain data that a test may change."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from attrs import define, evolve
from in_loop import in_loop
from observed import API_DEAD
from watched_world import ALL_WELL, GONE, Watched, plan_of

from secondsite.model.fault import Fault
from secondsite.operate.action import Guard
from secondsite.watch.answering import Answering
from secondsite.watch.http_server import HttpAnswer, HttpRequest, HttpServer, ListenAt
from secondsite.watch.operations import PlanRefusal
from secondsite.watch.permission import LastOperation, LastStep
from secondsite.watch.readiness import ReadyPlan, ReadyStep
from secondsite.watch.status import ContractRow, watch_status

BEHIND = PlanRefusal("record-state", "lagging-mirror", "EVENTS is 912 messages behind", "look at the link", False)
THIN = PlanRefusal("start-services", "standby-not-ready", "api: 1 of 2 pods are ready", "find out why", True)
CONTRACTS = (ContractRow("api/region", 300.0, 60.0, "met"), ContractRow("state/region", 1800.0, None, "unproven"))
UNFENCED = Guard("unfenced", "us-east-1 cannot be reached: it may take writes", "--allow unfenced, if you are sure")
REFUSED = Guard("refused-us", "us-west-2 answered: wrong password", "give the right one", absolute=True)
STEPS = (
    LastStep("detect", "health checks fail", "done"),
    LastStep("fence", "nobody writes in us-east-1", "done"),
    LastStep("promote-streams", "EVENTS and 2 more take writes in us-west-2", "interrupted"),
    LastStep("promote-stores", "postgres is promoted", "waiting", "manual step: promote postgres"),
    LastStep("change-traffic", "the record leads to us-west-2"),
)
OPEN = LastOperation("failover-3f9a", 2.0, True, True, "watch west on vm acts; heard 2 s ago", "watch west", STEPS)
SEEN = (
    ReadyStep("record-state", "record where the streams are", now=("EVENTS: last sequences origin 912, copy 911",)),
    ReadyStep("promote-streams", "promote the copies", changes=("promote EVENTS in us-west-2",)),
)
LAG_S = [*[0.0] * 30, 0.4, 1.2, 2.5, 4.0, 11.0, None, None, 3.0, 0.6, *[0.0] * 12]
COPIES: dict[str, Any] = {
    "looked_s": 12.0,
    "problem": "",
    "every_s": 60.0,
    "streams": [
        {"stream": "EVENTS", "missing_messages": 3, "behind_s": 0.4, "highest_s": 11.0, "history_s": LAG_S},
        {
            "stream": "KV_sessions",
            "missing_messages": None,
            "behind_s": None,
            "highest_s": 0.0,
            "history_s": [0.0, None],
        },
    ],
    "store": True,
    "store_problem": "",
    "backup_age_s": 840.0,
    "archive_age_s": 9.0,
}
READY = {fault: ReadyPlan(fault, 900.0, "4be1c2d3a4b5c6d7", steps=SEEN) for fault in (Fault.GRAY, Fault.REGION)}


@in_loop
async def _pass(one: Watched, says: Any) -> None:
    await one.well()
    await one.pass_s(10, says)


def mood(name: str) -> dict[str, Any]:
    """`well`, `asks`, `acts`, `behind`, `thin` or `over`."""
    one = Watched.of(plan_of(UNFENCED, REFUSED) if name == "asks" else plan_of())
    if name == "acts":
        one.hands.known = OPEN
    _pass(one, {"asks": dict.fromkeys(GONE, API_DEAD), "acts": GONE}.get(name, ALL_WELL))
    plans = dict(READY)
    if name == "behind":
        plans[Fault.REGION] = evolve(plans[Fault.REGION], refusals=(BEHIND,))
    if name == "thin":
        plans[Fault.REGION] = evolve(plans[Fault.REGION], refusals=(THIN,), felt=(THIN,))
    if name == "over":
        one.watch.last = evolve(OPEN, is_open=False, age_s=7300.0, acting="")
    return watch_status(
        one.watch, {"east": "no answer (ConnectError)"} if name == "acts" else {}, plans, CONTRACTS, COPIES
    )


@define
class Shown:
    """Stands for the running watch: the page needs no more of it."""

    status: dict[str, Any]
    posted: list[HttpRequest]


@contextmanager
def served(name: str, token: str = "") -> Iterator[tuple[Shown, str]]:
    shown = Shown(mood(name), [])
    loop = asyncio.new_event_loop()
    answering = Answering(shown, loop, {}, token)  # type: ignore[arg-type] # what it says

    def answer(request: HttpRequest) -> HttpAnswer:
        if request.method == "POST":
            shown.posted.append(request)
            return HttpAnswer(200, b"approved: it begins\n")
        return answering(request)

    try:
        with HttpServer(ListenAt("127.0.0.1", 0), answer) as server:
            yield shown, f"http://127.0.0.1:{server.port}/"
    finally:
        loop.close()
