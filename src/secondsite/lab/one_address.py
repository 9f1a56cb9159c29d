"""A lab on one address, for machines that answer on 127.0.0.1 only (macOS, some containers): each region is a block
of its ports.

Addresses keep their meaning: each says which region it belongs to, names lead to them, and evidence holds them. Whoever
listens or dials asks ``dialled`` first. Blocks below ``FIRST`` have addresses of their own: nothing is changed there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from secondsite.model.endpoint import Endpoint
from secondsite.model.errors import MachineError
from secondsite.strategies.server_config import CLIENT_PORT, GATEWAY_PORT, LEAF_PORT, MONITOR_PORT, ROUTE_PORT

FIRST, BLOCKS = 20, 2
"""The numbers of the labs that share one address, and how many there can be."""
LOOPBACK = "127.0.0.1"
DIFFERS = (
    "the lab has one address: each region is a block of ports of 127.0.0.1 instead of a network of its own, no port is "
    "the standard one, and only the drill's own clients can go where the service's name leads"
)
REGION_PORTS = 1000
MOST_REGIONS = 7
_BLOCK_PORTS, _NETWORKS = 10_000, 10

Row = tuple[int, int, tuple[int, ...]]
"""The last number of the first address, how many there are, and the ports of each."""
_STORES: Row = (60, 10, (5432, 6379))
_OWN: tuple[Row, ...] = (
    (9, 21, (CLIENT_PORT, ROUTE_PORT, GATEWAY_PORT, LEAF_PORT, MONITOR_PORT)),
    _STORES,
    (80, 2, (8000, 8080, 8081)),
    (90, 3, (4318, 9000, 9090)),
    (95, 1, (8091,)),
    (150, 50, (8000, 8080)),
)
_OF_ANOTHER: tuple[Row, ...] = (
    (10, 20, (CLIENT_PORT, ROUTE_PORT, GATEWAY_PORT, LEAF_PORT)),
    _STORES,
    (80, 1, (8000,)),
    (90, 1, (9000,)),
)
_SHARED = ("0.1:5399", "52.1:5200", "53.1:5300", "53.1:5301", "53.2:5300", "54.1:9000", "60.1:8091", "60.2:8088")
"""What belongs to no region."""


def is_shared(block: int) -> bool:
    return block >= FIRST


def first_port(block: int, region: int) -> int:
    """Of the region with this number, counted from 1."""
    return _BLOCK_PORTS * (block - FIRST + 1) + REGION_PORTS * region


def dialled(host: str, port: int) -> Endpoint:
    """Where this address and port are on this machine. Raises MachineError for one that has no place there."""
    numbers = host.split(".")
    if len(numbers) != 4 or numbers[0] != "127" or not numbers[1].isdecimal() or int(numbers[1]) < FIRST * _NETWORKS:
        return Endpoint(host, port)
    block, region = divmod(int(numbers[1]), _NETWORKS)
    slot = _slot(region, int(numbers[2]), int(numbers[3]), port)
    if slot is None:
        what = f"{host}:{port} has no place among the {REGION_PORTS} ports of its region"
        raise MachineError.at("lab", what, f"rehearse a system of at most {MOST_REGIONS} regions, 20 servers in each")
    return Endpoint(LOOPBACK, first_port(block, region) + slot)


def _slot(region: int, third: int, fourth: int, port: int) -> int | None:
    if region == 0:
        name = f"{third}.{fourth}:{port}"
        return _SHARED.index(name) if name in _SHARED else None
    if third == 0:
        return _at(_OWN, fourth, port)
    at, of = _at(_OF_ANOTHER, fourth, port), third - 101
    return None if at is None or not 0 <= of < MOST_REGIONS else _size(_OWN) + of * _size(_OF_ANOTHER) + at


def _at(rows: Sequence[Row], fourth: int, port: int) -> int | None:
    return next((number for number, end in enumerate(_ends(rows)) if end == (fourth, port)), None)


def _size(rows: Sequence[Row]) -> int:
    return sum(count * len(ports) for _, count, ports in rows)


def _ends(rows: Sequence[Row]) -> Iterator[tuple[int, int]]:
    for first, count, ports in rows:
        yield from ((fourth, port) for fourth in range(first, first + count) for port in ports)
