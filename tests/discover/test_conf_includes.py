"""Configurations that stand alone and include others: one server, read whole."""

from __future__ import annotations

from pathlib import Path

from manifest_tree import discovered, write

from secondsite.discover.manifests import discover
from secondsite.model.mark import Knowledge

HARBOUR = """
server_name: quay
include "parts/store.conf"
cluster { name: quays, routes: [nats-route://10.0.0.1:6222, nats-route://10.0.0.2:6222, nats-route://10.0.0.3:6222] }
"""
STORE = "jetstream { store_dir: /srv/js, max_file_store: 40GB }\ninclude 'more/logins.conf'\n"
LOGINS = "accounts { DOCK { jetstream: enabled, users: [{user: crane, password: $PW}] } }\n"
WHOLE = {"quay.conf": HARBOUR, "parts/store.conf": STORE, "parts/more/logins.conf": LOGINS}


def test_what_a_configuration_includes_is_read_with_it_and_is_no_server(tmp_path: Path) -> None:
    found = discovered(tmp_path, WHOLE)
    (cluster,) = found.system.nats
    assert [service.name for service in found.system.services] == ["quay"]
    assert (cluster.servers, cluster.jetstream, cluster.store_dir) == (3, True, "/srv/js")
    assert (cluster.max_file_bytes, cluster.accounts) == (40 * 1024**3, ("DOCK",))
    assert str(found.system.marks["nats.quay.max_file"].place) == "parts/store.conf:1:33"
    assert not [note for note in found.notes if "not among the files read" in note]


def test_a_configuration_named_by_itself_is_read_with_what_lies_below_it(tmp_path: Path) -> None:
    write(tmp_path, WHOLE)
    (cluster,) = discover([tmp_path / "quay.conf"], base=tmp_path).system.nats
    assert (cluster.jetstream, cluster.store_dir) == (True, "/srv/js")


def test_two_servers_share_what_stands_in_a_folder_beside_theirs(tmp_path: Path) -> None:
    """Also where a configuration holds includes alone; what another program includes is left alone."""
    files = {
        "servers/east.conf": "server_name: east\ninclude ../shared/store.conf\n",
        "servers/west.conf": "port: 4222\ninclude ../shared/store.conf\n",
        "shared/store.conf": "jetstream { store_dir: /js, max_file_store: 2GB }\n",
        "web/nginx.conf": "include mime.types;\nhttp { server { listen 80; } }\n",
    }
    found = discovered(tmp_path, files)
    assert {one.name: one.max_file_bytes for one in found.system.nats} == dict.fromkeys(("east", "west"), 2 * 1024**3)
    assert not found.skipped


def test_a_file_outside_of_what_was_named_is_not_opened(tmp_path: Path) -> None:
    write(
        tmp_path, {"named/quay.conf": "server_name: quay\ninclude ../private.conf\n", "private.conf": "jetstream: on\n"}
    )
    found = discover([tmp_path / "named"], base=tmp_path)
    mark = found.system.marks["nats.quay.jetstream"]
    assert mark.origin is Knowledge.ASSUMED
    assert "'../private.conf'" in mark.why
