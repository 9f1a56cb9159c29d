"""A service of somebody else, outside of both regions: it takes payments, counts usage, sends mail.

A failover does not move it. What it needs of the second region (an address on its list, a webhook that arrives there)
is known to a person and to no manifest.
"""

from __future__ import annotations

from attrs import frozen


@frozen
class ExternalService:
    """``allow_list``: it accepts requests from listed addresses only. ``webhooks``: it calls the system back.

    Both are None where nobody has said. ``fallback`` is what the system does while the service is away.
    """

    host: str
    purpose: str = ""
    called_by: tuple[str, ...] = ()
    allow_list: bool | None = None
    webhooks: bool | None = None
    fallback: str = ""
