"""Services of others, from the hosts that workloads call: one a host, with the workloads that name it.

What a host is for is taken from its domain where many know that domain; nothing is guessed from other names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import define, field

from secondsite.discover.draft import Draft
from secondsite.discover.managed_stores import is_managed
from secondsite.model.external_service import ExternalService
from secondsite.model.place import Place

_PURPOSES: Mapping[str, Sequence[str]] = {
    "payments": ("stripe.com", "paypal.com", "adyen.com", "braintreegateway.com", "squareup.com", "mollie.com"),
    "metering": ("openmeter.cloud", "metronome.com", "withorb.com", "getlago.com", "m3ter.com"),
    "mail": ("sendgrid.com", "mailgun.net", "postmarkapp.com", "resend.com", "mailjet.com", "sparkpostapi.com"),
    "text messages": ("twilio.com", "vonage.com", "messagebird.com", "plivo.com"),
    "sign-in": ("auth0.com", "okta.com", "workos.com", "clerk.com", "clerk.dev", "login.microsoftonline.com"),
    "language models": ("openai.com", "anthropic.com", "mistral.ai", "cohere.ai", "cohere.com", "together.xyz"),
    "error reports": ("sentry.io", "bugsnag.com", "rollbar.com"),
    "monitoring": ("datadoghq.com", "datadoghq.eu", "newrelic.com", "honeycomb.io", "grafana.net"),
    "paging": ("pagerduty.com", "opsgenie.com"),
    "chat messages": ("slack.com", "discord.com", "telegram.org"),
    "code hosting": ("github.com", "gitlab.com", "bitbucket.org"),
    "cloud API": ("amazonaws.com", "googleapis.com", "azure.com", "azure.net", "windows.net"),
}


@define
class ExternalCalls:
    """The hosts outside of the cluster, in the order of their first mention, with who calls them and where."""

    hosts: dict[str, dict[str, Place]] = field(factory=dict)

    def add(self, service: str, outside: Mapping[str, Place]) -> None:
        for host, place in outside.items():
            self.hosts.setdefault(host, {}).setdefault(service, place)

    def drafts(self, own: str) -> tuple[Draft, ...]:
        """Without databases and caches, which are stores; ``own`` is the system's way in."""
        return tuple(_draft(host, by) for host, by in self.hosts.items() if host != own and not is_managed(host))


def external_service(draft: Draft) -> ExternalService:
    return ExternalService(**draft.values)


def _draft(host: str, callers: Mapping[str, Place]) -> Draft:
    first = next(iter(callers.values()))
    draft = Draft({"host": host})
    draft.mark("", first)
    if purpose := _purpose(host):
        draft.read("purpose", purpose, first, "by its domain")
    draft.read("called_by", tuple(callers), first)
    return draft


def _purpose(host: str) -> str:
    known = ((domain, purpose) for purpose, domains in _PURPOSES.items() for domain in domains)
    return next((purpose for domain, purpose in known if host == domain or host.endswith(f".{domain}")), "")
