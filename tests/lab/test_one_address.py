"""A lab on 127.0.0.1 alone: no two ends share a port, and what has addresses of its own keeps them."""

from __future__ import annotations

import errno
import os
import socket

import pytest

from secondsite.lab import claim, one_address
from secondsite.lab.addresses import LabAddresses
from secondsite.lab.one_address import FIRST, LOOPBACK, dialled
from secondsite.model.errors import MachineError

REGIONS = ("us-east-1", "us-west-2", "eu-west-1")


class OneAddress(socket.socket):
    """As macOS has it."""

    def bind(self, address: tuple[str, int], /) -> None:  # type: ignore[override] # only such are bound here
        if address[0] != LOOPBACK:
            raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
        super().bind(address)


def test_a_machine_with_one_address_gets_a_lab_of_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secondsite.lab.claim.socket.socket", OneAddress)
    block, lock = claim.claim_block()
    with lock:
        assert block >= FIRST
        assert lock.getsockname()[0] == LOOPBACK
        assert claim.is_claimed(block)
        assert claim.free_blocks() < one_address.BLOCKS


def test_labs_do_not_share_a_port_and_regions_have_blocks_of_their_own() -> None:
    seen: dict[tuple[str, int], str] = {}
    for block in range(FIRST, FIRST + one_address.BLOCKS):
        for network in range(one_address.MOST_REGIONS + 1):
            for name in _names(block, network):
                host, _, port = name.partition(":")
                at = dialled(host, int(port))
                assert at.host == LOOPBACK
                assert one_address.first_port(block, network) <= at.port < one_address.first_port(block, network + 1)
                assert at.port < 32768, "above it the system takes ports for whoever dials"
                assert (at.host, at.port) not in seen, (name, seen[at.host, at.port])
                seen[at.host, at.port] = name
    assert len(seen) > 10_000


def _names(block: int, network: int) -> list[str]:
    """Every address that `LabAddresses` can make, by the numbers that its docstring gives."""
    begin = f"127.{10 * block + network}"
    if network == 0:
        return [
            f"{begin}.{end}" for end in ("0.1:5399", "52.1:5200", "53.1:5300", "53.1:5301", "53.2:5300", "54.1:9000")
        ]
    servers = [(10 + number, port) for number in range(20) for port in (4222, 6222, 7222, 7422)]
    stores = [(60 + number, port) for number in range(10) for port in (5432, 6379)]
    own = [*servers, *((host, 8222) for host, _ in servers[::4]), *stores, (9, 4222), (9, 6222), (9, 7222)]
    own += [(80, 8000), (81, 8080), (81, 8081), (90, 4318), (91, 9090), (92, 9090)]
    own += [(150 + number, port) for number in range(1, 40) for port in (8000, 8080)]
    across = [*servers, *stores, (80, 8000), (90, 9000)]
    return [
        *(f"{begin}.0.{host}:{port}" for host, port in own),
        *(f"{begin}.{101 + of}.{host}:{port}" for of in range(one_address.MOST_REGIONS) for host, port in across),
    ]


def test_a_lab_with_addresses_of_its_own_is_not_changed() -> None:
    book = LabAddresses(0, REGIONS, "")
    assert str(book.gateway("us-west-2")) == "127.2.0.81:8080"
    assert str(dialled("127.199.0.10", 4222)) == "127.199.0.10:4222"
    assert str(dialled("api.example", 443)) == "api.example:443"


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(MachineError, match="at most 7"):
        LabAddresses(FIRST, tuple(f"region-{number}" for number in range(8)), "")
    with pytest.raises(MachineError, match="has no place among the 1000 ports"):
        dialled("127.201.0.55", 4222)
