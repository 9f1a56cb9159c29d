"""``secondsite failback``: back to the first region, with what only it had."""

from __future__ import annotations

from secondsite.cli.operating import Direction, make_app

app = make_app(Direction.BACK, "Move back to the first region, with what only it had.")
