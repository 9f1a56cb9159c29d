"""A block of loopback networks for one lab, held as long as any process of it lives.

The lock is a bound socket that the warden inherits: the system lets go of it when both the lab and its warden are
gone, so nothing stale is left, and labs of different users do not collide either.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable

from secondsite.lab import one_address
from secondsite.lab.addresses import BLOCKS, claim_of
from secondsite.model.endpoint import Endpoint
from secondsite.model.errors import MachineError

_ELSEWHERE = "127.1.0.10"
"""An address of the first lab's first region."""


def claim_block(*, one: bool = False) -> tuple[int, socket.socket]:
    """The first free block and its lock; raises MachineError where all are taken.

    ``one``: on one address, as where this machine has no other.
    """
    for block in _blocks(one):
        lock = _bind(claim_of(block))
        if lock:
            return block, lock
    raise MachineError.at(
        "lab", "every block of loopback addresses is taken by another lab", "stop one with `secondsite lab down`"
    )


def _blocks(one: bool) -> range:
    if one or not _has_more_addresses():
        return range(one_address.FIRST, one_address.FIRST + one_address.BLOCKS)
    return range(BLOCKS)


def _has_more_addresses() -> bool:
    """Linux answers on all of 127.0.0.0/8; macOS and some containers on 127.0.0.1 only."""
    with socket.socket() as probe:
        try:
            probe.bind((_ELSEWHERE, 0))
        except OSError as error:
            return error.errno != errno.EADDRNOTAVAIL
    return True


def _bind(at: Endpoint) -> socket.socket | None:
    lock = socket.socket()
    try:
        lock.bind((at.host, at.port))
    except OSError as error:
        lock.close()
        if error.errno == errno.EADDRNOTAVAIL:
            raise no_such_addresses([at.host]) from None
        if error.errno != errno.EADDRINUSE:
            raise
        return None
    lock.set_inheritable(True)
    return lock


def check_free(endpoints: Iterable[Endpoint]) -> None:
    """Raises MachineError, naming what is missing or taken, before anything is started."""
    missing: dict[str, None] = {}
    for endpoint in endpoints:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((endpoint.host, endpoint.port))
            except OSError as error:
                if error.errno == errno.EADDRNOTAVAIL:
                    missing[endpoint.host] = None
                elif error.errno == errno.EADDRINUSE:
                    remedy = f"stop the process that listens on port {endpoint.port} of this or of every address"
                    raise MachineError.at(str(endpoint), "this address is taken", remedy) from None
                else:
                    raise
    if missing:
        raise no_such_addresses(list(missing))


def no_such_addresses(hosts: list[str]) -> MachineError:
    """Where somebody added some of the addresses to a machine that has one."""
    commands = "; ".join(f"sudo ifconfig lo0 alias {host} up" for host in hosts)
    return MachineError.at(
        hosts[0],
        f"{len(hosts)} loopback address{'es' if len(hosts) > 1 else ''} that a lab "
        "needs cannot be used on this machine",
        f"run the lab with --one-address, or add them, on macOS with: {commands}",
    )


def free_blocks(*, one: bool = False) -> int:
    """How many labs could start now."""
    return sum(not is_claimed(block) for block in _blocks(one))


def is_claimed(block: int) -> bool:
    """Whether a lab, or its warden, holds the block now."""
    lock = _bind(claim_of(block))
    if lock:
        lock.close()
    return lock is None
