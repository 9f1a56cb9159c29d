"""What failing costs, what people cost, what may be spent on machines and services. In US dollars."""

from __future__ import annotations

from attrs import frozen


@frozen
class Economics:
    outage_usd_per_hour: float = 5000.0
    lost_message_usd: float = 0.05
    engineer_usd_per_hour: float = 100.0
    budget_usd_per_month: float | None = None
