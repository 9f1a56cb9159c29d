"""Spreading an evaluation, or the runs of drills, over a Dask cluster: the same numbers as here, sooner.

A cluster is used only when it answers in bounded time and every worker has this version of secondsite and of
numpy, since figures that depend on which worker drew them would be worth nothing.

Dask's messages are pickles: whoever answers in the scheduler's place runs code here, and whoever reaches a scheduler
runs code there. So one on another machine is spoken to by TLS alone, with certificates checked on both sides.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, TypeVar

from secondsite.evaluate.parallel import ParallelMap
from secondsite.extras import install
from secondsite.model.errors import InputError, MachineError, SecondsiteError

if TYPE_CHECKING:
    from distributed import Client, Future
    from distributed.security import Security

TIMEOUT_S = 10.0
_ADDRESS = re.compile(r"(?P<scheme>dask|tls)://(?P<host>[^/:\[\]\s]+|\[[0-9a-fA-F:]+\]):(?P<port>\d{1,5})")
_TLS_FILES = {
    "DASK_DISTRIBUTED__COMM__TLS__CA_FILE": "tls_ca_file",
    "DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT": "tls_client_cert",
    "DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY": "tls_client_key",
}
_SAME = ("secondsite", "numpy")

A = TypeVar("A")
B = TypeVar("B")
S = TypeVar("S")


@contextmanager
def cluster_at(address: str, timeout_s: float = TIMEOUT_S) -> Iterator[Client]:
    """``dask://`` is a scheduler on this machine, ``tls://`` one anywhere. MachineError where it cannot be used."""
    contact = _contact(address)
    try:
        from distributed import Client
    except ImportError as error:
        raise MachineError.at(
            "--workers", "dask is not installed here", f"run: {install('dask')}, or omit --workers"
        ) from error
    try:
        client = Client(  # type: ignore[no-untyped-call] # theirs
            contact, timeout=timeout_s, set_as_default=False, security=_security(address)
        )
    except (OSError, ValueError) as error:
        raise unusable(address, f"no scheduler answered within {timeout_s:g} s ({error})") from error
    with client:
        _check(client, address, timeout_s)
        yield client


@contextmanager
def distributed_over(address: str, timeout_s: float = TIMEOUT_S) -> Iterator[ParallelMap]:
    """Tasks of an evaluation, spread. MachineError where the cluster cannot be used."""
    with cluster_at(address, timeout_s) as client:
        from distributed import KilledWorker

        sent: dict[int, tuple[object, Future[Any]]] = {}

        def parallel_map(task: Callable[[S, A], B], shared: S, items: Sequence[A]) -> Iterator[B]:
            try:
                if id(shared) not in sent:
                    there = client.scatter(shared, broadcast=True, hash=False)  # type: ignore[no-untyped-call] # theirs
                    sent[id(shared)] = shared, there
                futures = client.map(task, [sent[id(shared)][1]] * len(items), items, pure=False)
                for future in futures:
                    yield future.result()
            except (KilledWorker, CancelledError, OSError) as error:
                raise unusable(address, f"connection to the cluster lost ({error})") from error

        yield parallel_map


def _contact(address: str) -> str:
    """As Dask writes it; raises InputError for a scheduler elsewhere without TLS, before anything is sent to it."""
    match = _ADDRESS.fullmatch(address)
    if match is None:
        raise InputError.at("--workers", f"{address!r} is not a cluster", "write dask://HOST:PORT, or tls://HOST:PORT")
    host, port = match["host"], match["port"]
    if match["scheme"] == "dask" and not _on_this_machine(host):
        what = f"{host} is not this machine, and Dask without TLS runs the code of whoever answers there"
        raise InputError.at("--workers", what, f"start the scheduler with TLS and write tls://{host}:{port}")
    return f"{'tls' if match['scheme'] == 'tls' else 'tcp'}://{host}:{port}"


def _on_this_machine(host: str) -> bool:
    """A name may lead anywhere, but for the one that every machine has for itself."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _security(address: str) -> Security | None:
    """The certificates that Dask's own settings name; raises InputError where one is missing."""
    if not address.startswith("tls://"):
        return None
    from distributed.security import Security

    security = Security(require_encryption=True)  # type: ignore[no-untyped-call] # theirs
    missing = [variable for variable, attribute in _TLS_FILES.items() if not getattr(security, attribute)]
    if missing:
        what = f"{address} wants certificates, and none are named"
        raise InputError.at("--workers", what, f"set {', '.join(missing)}, or the same in Dask's configuration")
    return security


def _check(client: Client, address: str, timeout_s: float) -> None:
    try:
        client.wait_for_workers(1, timeout=timeout_s)
    except TimeoutError as error:
        raise unusable(address, f"the scheduler had no worker within {timeout_s:g} s") from error
    here = tuple(version(package) for package in _SAME)
    for worker in client.scheduler_info(n_workers=-1)["workers"]:
        there = _versions(client, worker, address, timeout_s)
        if there != here:
            shown = (
                " ".join(f"{n} {v or 'missing'}" for n, v in zip(_SAME, kind, strict=True)) for kind in (there, here)
            )
            raise unusable(address, "worker {} has {}, here is {}".format(worker, *shown))


def _versions(client: Client, worker: str, address: str, timeout_s: float) -> tuple[str, ...]:
    future = client.submit(installed, _SAME, workers=[worker], pure=False)
    try:
        versions: tuple[str, ...] = future.result(timeout=timeout_s)
    except ModuleNotFoundError:
        return ("",) * len(_SAME)
    except TimeoutError as error:
        raise unusable(address, f"worker {worker} does not answer within {timeout_s:g} s") from error
    return versions


def installed(packages: tuple[str, ...]) -> tuple[str, ...]:
    """Versions, empty where there is none; runs on a worker."""
    return tuple(_version(package) for package in packages)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def unusable(address: str, what: str) -> SecondsiteError:
    return MachineError.at(
        f"--workers {address}", what, "start it with the same environment as here, or omit --workers"
    )
