"""What a person types, run in bash as it is printed, against real servers.

`nats` is not to be had as a package, so a stand-in speaks for it: it knows `--context`, `--timeout`, `request --raw`
and `rtt`, which is all that a procedure's commands use of it. `kubectl`, `curl` and `dig` write down how they were
called.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from attrs import frozen
from needed import missing

_NATS = """\
#!{python} -IS
import json, os, socket, sys

def lines(server):
    while line := server.readline():
        yield line.split()
    sys.exit("the server hung up")

options, arguments = {{}}, sys.argv[1:]
while arguments and arguments[0].startswith("--"):
    options[arguments[0]] = arguments[1]
    arguments = arguments[2:]
url = os.environ["NATS_AT_" + options["--context"].replace("-", "_")]
login, _, place = url.partition("://")[2].rpartition("@")
user, _, password = login.partition(":")
host, _, port = place.rpartition(":")
server = socket.create_connection((host, int(port)), 5).makefile("rwb")
server.readline()
about = {{"user": user, "pass": password, "verbose": False, "headers": True, "no_responders": True}}
server.write(b"CONNECT " + json.dumps(about).encode() + b"\\r\\n")
if arguments[0] == "request":
    assert arguments[1] == "--raw" and len(arguments) == 4, arguments
    body = arguments[3].encode()
    server.write(b"SUB _INBOX.typed 1\\r\\n")
    server.write(b"PUB %s _INBOX.typed %d\\r\\n%s\\r\\n" % (arguments[2].encode(), len(body), body))
else:
    assert arguments == ["rtt"], arguments
server.write(b"PING\\r\\n")
server.flush()
for words in lines(server):
    if words[0] == b"-ERR":
        sys.exit(repr(words))
    if words[0] == b"PING":
        server.write(b"PONG\\r\\n")
        server.flush()
    if words[0] == b"PONG" and arguments == ["rtt"]:
        break
    if words[0] in (b"MSG", b"HMSG"):
        headers = int(words[-2]) if words[0] == b"HMSG" else 0
        if server.read(headers).startswith(b"NATS/1.0 503"):
            sys.exit("no responders")
        sys.stdout.write(server.read(int(words[-1]) - headers).decode())
        break
"""
_SECONDSITE = """\
#!/bin/sh
case "$1" in {noted}) ;; *) exec {real} "$@" ;; esac
printf "secondsite %s\\n" "$*" >> "$NOTED"
"""
_NOTED = '#!/bin/sh\nprintf "%s %s\\n" "${0##*/}" "$*" >> "$NOTED"\n'


@frozen
class Typist:
    """``urls`` of the regions. Nothing goes on after a command that failed.

    ``noted_verbs``: those of secondsite that are written down and not run, as `case` of a shell has them; ``more``: of
    the environment.
    """

    folder: Path
    urls: Mapping[str, str]
    noted_verbs: str = "postgres|qdrant"
    more: Mapping[str, str] = {}

    def prepare(self) -> None:
        _ = shutil.which("jq") or missing("jq is not installed: apt-get install jq")
        tools = self.folder / "bin"
        tools.mkdir(parents=True, exist_ok=True)
        contexts = self.folder / "nats" / "context"
        contexts.mkdir(parents=True, exist_ok=True)
        for region, url in self.urls.items():
            (contexts / f"{region}.json").write_text(json.dumps({"url": url}))
        for name in ("kubectl", "curl", "dig", "aws"):
            _write(tools / name, _NOTED)
        _write(
            tools / "secondsite",
            _SECONDSITE.format(noted=self.noted_verbs, real=Path(sys.executable).parent / "secondsite"),
        )
        _write(tools / "nats", _NATS.format(python=sys.executable))

    def type(self, lines: Iterable[str]) -> subprocess.CompletedProcess[str]:
        script = "set -eo pipefail\n" + "\n".join(lines) + "\n"
        at = {f"NATS_AT_{region.replace('-', '_')}": url for region, url in self.urls.items()}
        path = f"{self.folder / 'bin'}:{Path(sys.executable).parent}:{self.more.get('PATH', os.environ['PATH'])}"
        more = {
            "NOTED": str(self.folder / "noted"),
            "XDG_CONFIG_HOME": str(self.folder),
            "FINGERPRINT_KEY": "00ff",
            **self.more,
            "PATH": path,
        }
        return subprocess.run(
            ["bash"],
            input=script,
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
            env={**os.environ, **at, **more},
            timeout=120,
        )

    def noted(self) -> list[str]:
        """How kubectl, curl and dig were called."""
        path = self.folder / "noted"
        return path.read_text().splitlines() if path.exists() else []


def _write(path: Path, content: str) -> None:
    path.write_text(content)
    path.chmod(0o755)
