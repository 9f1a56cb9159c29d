"""``secondsite failback``: back to the first region, with what only it had."""

from __future__ import annotations

from secondsite.cli.operating import make_app
from secondsite.cli.operating_world import ProcedureDirection

app = make_app(ProcedureDirection.BACK, "Fail back to the home region without losing data.")
