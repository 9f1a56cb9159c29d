"""A real BIND, a real PowerDNS, with the zone of `knot_server`; gone after the test."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
from knot_server import RECORDS, SECRET, ZONE, values
from nats_world import free_ports, listening, wait_until
from needed import missing
from rights_page import block

API_KEY = "of nobody else"
_SCHEMA = Path("/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql")


def _server(name: str, packages: str) -> str:
    return shutil.which(name, path="/usr/sbin:/usr/bin") or missing(f"{name} is missing: apt-get install {packages}")


@contextmanager
def bind(folder: Path, more: str = "") -> Iterator[int]:
    """The port of a server with the zone, its policy as docs/rights.md has it."""
    binary = _server("named", "bind9")
    (port,) = free_ports(1)
    (folder / "zone").write_text(RECORDS + more)
    conf = folder / "named.conf"
    conf.write_text(
        f'options {{ directory "{folder}"; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};\n'
        f'  pid-file none; recursion no; dnssec-validation no; session-keyfile "{folder}/session"; }};\n'
        f'controls {{ }};\nkey "secondsite" {{ algorithm hmac-sha256; secret "{SECRET}"; }};\n'
        f'zone "{ZONE}" {{ type primary; file "{folder}/zone"; {block("named bind").strip()} }};\n'
    )
    with _up([binary, "-g", "-c", str(conf)], folder / "named.log", port):
        wait_until(lambda: bool(values(port, "api")), 60)
        yield port


@contextmanager
def powerdns(folder: Path) -> Iterator[tuple[int, str]]:
    """The port of a server with the zone, and the URL of its API."""
    binary = _server("pdns_server", "pdns-server pdns-backend-sqlite3")
    if not _SCHEMA.exists():
        missing("PowerDNS has no SQLite: apt-get install pdns-backend-sqlite3")
    port, web = free_ports(2)
    with sqlite3.connect(folder / "zones.sqlite") as database:
        database.executescript(_SCHEMA.read_text())
    database.close()
    (folder / "pdns.conf").write_text(
        f"launch=gsqlite3\ngsqlite3-database={folder}/zones.sqlite\nsocket-dir={folder}\n"
        f"local-address=127.0.0.1\nlocal-port={port}\napi=yes\napi-key={API_KEY}\nwebserver=yes\n"
        f"webserver-address=127.0.0.1\nwebserver-port={web}\nwebserver-allow-from=127.0.0.1\n"
        "dnsupdate=yes\nallow-dnsupdate-from=127.0.0.0/8\ncache-ttl=0\nquery-cache-ttl=0\nnegquery-cache-ttl=0\nzone-cache-refresh-interval=0\n"
    )
    url = f"http://127.0.0.1:{web}"
    command = [binary, f"--config-dir={folder}", "--guardian=no", "--daemon=no"]
    with _up(command, folder / "pdns.log", web, lambda: _with_zone(url)):
        wait_until(lambda: bool(values(port, "api")))
        yield port, url


def _with_zone(url: str) -> None:
    sets = [
        {"name": f"{name}{ZONE}.", "type": kind, "ttl": 60, "records": [{"content": value, "disabled": False}]}
        for name, kind, value in (
            ("", "NS", f"ns.{ZONE}."),
            ("ns.", "A", "192.0.2.53"),
            ("api.", "A", "192.0.2.1"),
            ("www.", "A", "192.0.2.2"),
        )
    ]
    zone = {"name": f"{ZONE}.", "kind": "Native", "rrsets": sets}
    server, headers = f"{url}/api/v1/servers/localhost", {"X-API-Key": API_KEY}
    key = {"name": "secondsite", "algorithm": "hmac-sha256", "key": SECRET}
    allowed = {"kind": "TSIG-ALLOW-DNSUPDATE", "metadata": ["secondsite"]}
    for path, body in (("zones", zone), ("tsigkeys", key), (f"zones/{ZONE}./metadata", allowed)):
        httpx2.post(f"{server}/{path}", json=body, headers=headers, trust_env=False).raise_for_status()


@contextmanager
def _up(command: list[str], log_file: Path, port: int, begun: object = None) -> Iterator[None]:
    with log_file.open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        try:
            wait_until(lambda: listening(port), 60)
        except AssertionError:
            raise AssertionError(log_file.read_text()[-2000:]) from None
        if callable(begun):
            begun()
        yield
    finally:
        process.kill()
        process.wait()
