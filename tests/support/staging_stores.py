"""PostgreSQL of a staging: a primary and its standby, each a pod of its region's small kubelet, which starts it again
when it ends; and what somebody has who works on its files.

Real: postgres 18, streaming, pg_rewind. A pod that is killed is killed at once; fsync is off, as no machine fails.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from attrs import define
from nats_world import free_ports
from needed import missing
from region_pair import AWAY, HOME
from small_kubelet import PodProcess, command_of

from secondsite.lab.postgres_files import OPERATOR, TABLE, WRITER, new_cluster, own, prefix, tools
from secondsite.model.endpoint import Endpoint
from secondsite.stores.postgres import PostgresServer
from secondsite.stores.postgres_place import PostgresPlace
from secondsite.strategies.store_servers import FOLLOWER, postgres_follows

STORE = "postgres"
LOGINS = {HOME: "DR_PG_EAST", AWAY: "DR_PG_WEST"}
_HANDS = Path(__file__).with_name("staging_hands.py")
_RULES = "".join(
    f"host {what} {user} 127.0.0.0/8 trust\n"
    for what, user in (("all", OPERATOR), ("all", WRITER), ("replication", FOLLOWER), ("replication", OPERATOR))
)
_CONTAINER = """
while :; do
  while [ -e "$0" ]; do sleep 0.1; done
  "$@"
  sleep 0.1
done
"""
"""Started again and again, but while somebody keeps it stopped."""


@define
class StagingPostgres:
    folder: Path
    ends: dict[str, Endpoint]

    @classmethod
    def made(cls, folder: Path) -> StagingPostgres:
        programs = tools() or missing("PostgreSQL is not installed: pip install 'secondsite[lab]'")
        folder.mkdir()
        ends = {region: Endpoint("127.0.0.1", port) for region, port in zip((HOME, AWAY), free_ports(2), strict=True)}
        for region in ends:
            own(folder)
            new_cluster(programs, folder / region / "data", standby=region == AWAY)
            rules = folder / region / "pg_hba.conf"
            rules.write_text(_RULES)
            own(rules)
            own(folder / region)
        made = cls(folder, ends)
        (folder / "hands.json").write_text(
            json.dumps({region: {"data": str(made.data(region)), "login": made.login(region)} for region in ends})
        )
        return made

    def data(self, region: str) -> Path:
        return self.folder / region / "data"

    def login(self, region: str, user: str = OPERATOR) -> str:
        at = self.ends[region]
        return f"host={at.host} port={at.port} user={user} dbname=postgres"

    @property
    def environment(self) -> dict[str, str]:
        return {name: self.login(region) for region, name in LOGINS.items()}

    @property
    def command(self) -> str:
        """For `--command`."""
        return f"follow-stores={sys.executable} {_HANDS} {self.folder}"

    def pod(self, region: str) -> PodProcess:
        programs = tools()
        assert programs
        at, other = self.ends[region], self.ends[AWAY if region == HOME else HOME]
        settings = {
            "unix_socket_directories": "",
            "fsync": "off",
            "shared_buffers": "16MB",
            "wal_retrieve_retry_interval": "200ms",
            "hba_file": str(self.folder / region / "pg_hba.conf"),
            "cluster_name": f"{STORE}-{region}",
            **postgres_follows(other),
        }
        server = (
            *prefix(),
            str(programs / "postgres"),
            "-D",
            str(self.data(region)),
            "-h",
            at.host,
            "-p",
            str(at.port),
        )
        given = (word for name, value in settings.items() for word in ("-c", f"{name}={value}"))
        stopped = self.folder / f"{region}.stopped"
        log = str(self.folder / f"{region}.log")
        return command_of("sh", "-c", _CONTAINER, str(stopped), *server, *given, log=log)

    def server(self, region: str) -> PostgresServer:
        return PostgresServer(PostgresPlace(self.login(region), 2.0))

    async def ids(self, region: str) -> list[str]:
        async with self.server(region).place.open() as session:
            return [row[0] for row in await session.rows(f"SELECT id FROM {TABLE} ORDER BY 1")]  # noqa: S608

    async def caught_up(self) -> None:
        """The standby has all that the primary had now."""
        position = (await self.server(HOME).look()).position
        assert await self.server(AWAY).replayed_up_to(position, 20.0)
