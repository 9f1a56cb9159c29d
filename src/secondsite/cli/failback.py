"""``secondsite failback``: back to the first region, with what only it had."""

from __future__ import annotations

from secondsite.cli.operating import ProcedureDirection, make_app

app = make_app(ProcedureDirection.BACK, "Move back to the first region, with what only it had.")
