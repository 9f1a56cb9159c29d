"""``secondsite failover``: plan, run, resume and status of the procedure that the drills rehearse."""

from __future__ import annotations

from secondsite.cli.operating import make_app
from secondsite.cli.operating_world import ProcedureDirection

app = make_app(ProcedureDirection.OVER, "Fail over to the standby region, step by step.")
