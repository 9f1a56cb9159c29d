"""The Qdrants of a drill: the points that its clients write into them, and what every surviving copy holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from secondsite.drill.ledger.finals import CopyReader, FinalRead
from secondsite.drill.ledger.ledger import store_stream
from secondsite.drill.load.client_config import ClientConfig, QdrantTarget
from secondsite.drill.load.qdrant_sender import vector_of
from secondsite.drill.play.store_clients import named_store, one_each
from secondsite.lab.qdrant_fleet import COLLECTION, DIMENSIONS
from secondsite.lab.world import Lab
from secondsite.model.errors import MachineError

POINTS = 890
"""The number of the first client that writes points."""
_PAGE = 1000
_ALIKE = 1e-5
"""Between a number of a vector as it was sent and as it is kept, in 32 bits."""


def point_clients(whole: ClientConfig, lab: Lab) -> tuple[ClientConfig, ...]:
    """One for each store; after their streams there are those of Redis alone."""
    fleet = lab.stores.qdrant
    stream = len(whole.streams) - len(lab.stores.redis.stores) - len(fleet.stores)

    def target(store: str) -> QdrantTarget:
        return QdrantTarget(**named_store(lab, fleet, store), collection=COLLECTION, dimensions=DIMENSIONS)

    return one_each(whole, fleet, client=POINTS, stream=stream, target=target)


async def read_points(lab: Lab, run: str, region: str) -> tuple[FinalRead, ...]:
    """Of each store that the region has; one that cannot be read is a copy that was not read."""
    held = [each for each in lab.stores.qdrant.databases if each.region == region]
    return tuple([await _read(lab, run, each.replica.store.name, region) for each in held])


async def _read(lab: Lab, run: str, store: str, region: str) -> FinalRead:
    reader = CopyReader(run, store_stream(store), f"store {store} in {region}", store)
    try:
        take(reader, store, await every_point(lab, store, region))
    except MachineError as error:
        return reader.finished(False, error.problems[0].what)
    return reader.finished(True)


def take(reader: CopyReader, store: str, points: Iterable[Mapping[str, Any]]) -> None:
    """Qdrant keeps no order: its points are read in the order in which clients say that they wrote them."""
    ordered = sorted(points, key=lambda each: int(each["payload"]["written_ns"]))
    for position, point in enumerate(ordered, 1):
        written = point["payload"]
        name, data = str(written["id"]), str(written["data"])
        whole = _as_sent(name, point["vector"])
        reader.take(name, position, f"{store}.{written['key']}", (data if whole else f"{data}, its vector").encode())


def _as_sent(message_id: str, vector: list[float]) -> bool:
    wanted = vector_of(message_id, DIMENSIONS)
    return len(vector) == len(wanted) and all(abs(a - b) < _ALIKE for a, b in zip(vector, wanted, strict=True))


async def every_point(lab: Lab, store: str, region: str) -> list[dict[str, Any]]:
    """With payload and vector, page by page. Raises MachineError where the server does not answer like one."""
    import httpx2

    url = f"{lab.stores.qdrant.url(store, region)}/collections/{COLLECTION}/points/scroll"
    points: list[dict[str, Any]] = []
    offset: object = None
    try:
        async with httpx2.AsyncClient(timeout=30.0, trust_env=False, verify=False) as client:
            while True:
                asked = {"limit": _PAGE, "with_payload": True, "with_vector": True, "offset": offset}
                answer = await client.post(url, json=asked)
                if answer.status_code == 404:
                    return []
                page = answer.json()["result"]
                points += page["points"]
                offset = page["next_page_offset"]
                if offset is None:
                    return points
    except (httpx2.HTTPError, ValueError, KeyError, TypeError) as error:
        raise MachineError.at(f"{store} in {region}", f"its points cannot be read: {error}", "see its log") from None
