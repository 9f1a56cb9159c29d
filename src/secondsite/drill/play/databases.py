"""The databases of a drill: what its clients write into them, and what every surviving copy of their tables holds."""

from __future__ import annotations

from secondsite.drill.ledger.finals import CopyReader, FinalRead
from secondsite.drill.ledger.ledger import LedgerStream, store_stream
from secondsite.drill.load.client_config import ClientConfig, PostgresTarget
from secondsite.drill.play.store_clients import named_store, one_each
from secondsite.lab.postgres_files import TABLE, WRITER
from secondsite.lab.world import Lab
from secondsite.model.errors import MachineError

TRANSACTIONS = 850
"""The number of the first client that writes transactions."""
_ROWS = f"SELECT position, id, key, data FROM {TABLE} ORDER BY position"  # noqa: S608 - our own table


def store_streams(lab: Lab) -> tuple[LedgerStream, ...]:
    return tuple(LedgerStream(store_stream(name), name, store=True) for name in lab.stores.stores)


def store_clients(whole: ClientConfig, lab: Lab) -> tuple[ClientConfig, ...]:
    """One for each database; their streams are the first of all stores."""
    fleet, stream = lab.databases, len(whole.streams) - len(lab.stores.stores)

    def target(store: str) -> PostgresTarget:
        return PostgresTarget(**named_store(lab, fleet, store), user=WRITER, dbname="postgres", table=TABLE)

    return one_each(whole, fleet, client=TRANSACTIONS, stream=stream, target=target)


async def read_tables(lab: Lab, run: str, region: str) -> tuple[FinalRead, ...]:
    """Of each database that the region has; one that cannot be read is a copy that was not read."""
    held = [each for each in lab.databases.databases if each.region == region]
    return tuple([await _read(lab, run, each.replica.store.name, region) for each in held])


async def _read(lab: Lab, run: str, store: str, region: str) -> FinalRead:
    reader = CopyReader(run, store_stream(store), f"store {store} in {region}", store)
    try:
        async with lab.databases.server(store, region).place.open() as session:
            rows = await session.rows(_ROWS, within_s=30.0)
    except MachineError as error:
        return reader.finished(False, error.problems[0].what)
    for position, name, key, data in rows:
        reader.take(name, position, f"{store}.{key}", data.encode())
    return reader.finished(True)
