"""``secondsite repair``: streams back in their own place, and everything that copies them made anew."""

from __future__ import annotations

from secondsite.cli.operating import make_app
from secondsite.cli.operating_world import ProcedureDirection

app = make_app(ProcedureDirection.REPAIR, "Restore deleted or overwritten streams in place, and rebuild every copy.")
