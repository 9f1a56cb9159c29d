"""Moving the clients: the record, the resolvers that remember it, and one acknowledged write along their own path."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attrs import frozen

from secondsite.model.nats import Retention
from secondsite.model.procedure import Step, Verb
from secondsite.model.strategy import Switch
from secondsite.nats.streams import StreamState
from secondsite.operate.action import Context, Facts, Guard, ManualContext, Prospect, Scope, failed, until
from secondsite.operate.actions.people import ByHand
from secondsite.operate.shell import last_sequence, service_url, word
from secondsite.operate.world import ClientPath, Dns, PathWrite, RecordDoor


async def wanted_addresses(context: Context, dns: Dns) -> tuple[str, ...]:
    """Of the target; back at home, weighted records hold every region that serves."""
    target, sites = target_region(context), context.deployment.serving
    if context.deployment.strategy.switch is not Switch.WEIGHTED or target != context.home:
        return await dns.addresses(target)
    return tuple([address for site in sites for address in await dns.addresses(site.region.name)])


def target_region(context: Scope) -> str:
    """Where clients are to go: where this procedure makes streams writable, which in a failback is home."""
    for verb in (Verb.PROMOTE_STREAMS, Verb.RESTORE_STREAMS, Verb.ELECT):
        for step in context.procedure.steps:
            if step.verb is verb and step.region:
                return step.region
    return context.away


@frozen
class ChangeTraffic:
    async def look(self, context: Context, step: Step, dns: Dns) -> Prospect:
        wanted = await wanted_addresses(context, dns)
        now = await dns.authoritative()
        host = context.deployment.traffic.host or "the record"
        changes = () if _all_answer(now, wanted) else (f"{host}: point at {', '.join(wanted)}",)
        answers = tuple(f"{server}: {', '.join(addresses) or 'nothing'}" for server, addresses in now.items())
        return Prospect(changes=changes, now=answers, guards=await _obstacles(dns, host))

    async def run(self, context: Context, step: Step, dns: Dns) -> Facts:
        wanted = await wanted_addresses(context, dns)
        before = await dns.authoritative()
        weighted = context.deployment.strategy.switch.in_data_plane and target_region(context) != context.home
        gone = () if not weighted else await dns.addresses(context.home)
        for guard in await _obstacles(dns, context.deployment.traffic.host):
            if guard.absolute or guard.id not in context.allowed:
                raise failed(guard.what, guard.remedy)

        async def changed() -> bool:
            now = await dns.authoritative()
            left_out = weighted and bool(now) and not any(set(addresses) & set(gone) for addresses in now.values())
            if left_out or _all_answer(now, wanted):
                return True
            await self._change(dns, wanted)
            return False

        await until(context, changed)
        return {"before": {server: list(answered) for server, answered in before.items()}, "after": list(wanted)}

    def commands(self, context: ManualContext, step: Step) -> Iterable[str]:
        yield "# Route 53 or Cloudflare: use the commands under DNS below"

    async def _change(self, dns: Dns, wanted: tuple[str, ...]) -> None:
        """A failure says nothing about whether it was applied: the next look tells."""
        try:
            await dns.change(wanted)
        except TimeoutError:
            return


async def _obstacles(dns: Dns, host: str) -> tuple[Guard, ...]:
    guards = []
    if why := await dns.may():
        guards.append(Guard("no-right", why, "give its login the rights of docs/rights.md", absolute=True))
    if owner := await dns.owner():
        what = f"{owner} keeps {host} and would revert it"
        guards.append(Guard("reconciled", what, "pause it or point it at the new region, then give --allow reconciled"))
    return tuple(guards)


@frozen
class ChangedByHand:
    """Somebody else changes the record. That it was done is believed once it is seen."""

    async def look(self, context: Context, step: Step, record: RecordDoor) -> Prospect:
        leads = f"{record.host} leads to {', '.join(await record.now()) or 'nothing'}"
        prospect = await ByHand().look(context, step)
        return Prospect(prospect.changes, (*prospect.now, leads), prospect.guards)

    async def run(self, context: Context, step: Step, record: RecordDoor) -> Facts:
        facts = await ByHand().run(context, step)
        target = target_region(context)
        wanted = await record.of(target)
        if not wanted:
            context.note("unchecked", {"why": f"the record target of {record.host} for {target} is not configured"})
            return facts
        answers: list[tuple[str, ...]] = []

        async def moved() -> bool:
            answers[:] = [await record.now()]
            if set(answers[0]) <= set(wanted) and answers[0]:
                return True
            leads = ", ".join(answers[0]) or "nothing"
            why = f"{record.host} leads to {leads}, not to {', '.join(wanted)}"
            context.note("retried", {"why": why})
            return False

        await until(context, moved)
        return {**facts, "record": list(answers[0])}

    def commands(self, context: ManualContext, step: Step) -> Iterable[str]:
        return ChangeTraffic().commands(context, step)


def _all_answer(now: Mapping[str, tuple[str, ...]], wanted: tuple[str, ...]) -> bool:
    return bool(now) and all(set(addresses) == set(wanted) for addresses in now.values())


@frozen
class Converge:
    """The resolvers that can be asked give the new address; clients that ignore the TTL are the drill's to count."""

    async def look(self, context: Context, step: Step, dns: Dns) -> Prospect:
        return _one_ttl(context)

    async def run(self, context: Context, step: Step, dns: Dns) -> Facts:
        wanted = set(await wanted_addresses(context, dns))
        begin = context.world.clock.monotonic()

        async def followed() -> bool:
            resolved = await dns.resolved()
            return all(set(addresses) and set(addresses) <= wanted for addresses in resolved.values())

        await until(context, followed)
        return {"waited_s": context.world.clock.monotonic() - begin}

    def commands(self, context: ManualContext, step: Step) -> Iterable[str]:
        host = context.deployment.traffic.host
        asked = word(host) if host else '"$HOST"'
        for resolver in ("1.1.1.1", "8.8.8.8", "9.9.9.9"):
            yield f"dig +noall +answer {asked} @{resolver}"


@frozen
class WaitOneTtl:
    """Where no resolver can be asked."""

    async def look(self, context: Context, step: Step) -> Prospect:
        return _one_ttl(context)

    async def run(self, context: Context, step: Step) -> Facts:
        ttl_s = float(context.deployment.traffic.ttl_s)
        await context.world.clock.sleep(min(step.limit_s, ttl_s))
        return {"waited_s": ttl_s}

    def commands(self, context: ManualContext, step: Step) -> Iterable[str]:
        return Converge().commands(context, step)


def _one_ttl(context: Context) -> Prospect:
    return Prospect(changes=(f"wait for resolvers to drop the old record, TTL {context.deployment.traffic.ttl_s:g} s",))


@frozen
class VerifyPath:
    async def look(self, context: Context, step: Step, path: ClientPath) -> Prospect:
        return Prospect(changes=("send one write through the clients' path",))

    async def run(self, context: Context, step: Step, path: ClientPath) -> Facts:
        last: list[PathWrite] = []

        async def acknowledged() -> bool:
            written = await path.write()
            last[:] = [written]
            if written.status in _REFUSED_US:
                what = f"the clients' path refuses this request: {written.status} {written.why}"
                remedy = "describe a client's request under `operate: path:` in secondsite.yaml, then resume"
                raise failed(what, remedy)
            if written.status != 200:
                answer = f"{written.status} {written.why}".strip() if written.status else written.why
                context.note("retried", {"why": f"the clients' path answered: {answer}"})
            return written.status == 200 and await _is_there(context, written)

        await until(context, acknowledged)
        return {"message_id": last[0].message_id, "stream": last[0].stream, "sequence": last[0].sequence}

    def commands(self, context: ManualContext, step: Step) -> Iterable[str]:
        yield f"curl -fsS --max-time 5 {service_url(context.deployment.traffic)}"
        yield "# then send one write through the API and note its sequence:"
        region = target_region(context)
        for family in context.families[:1]:
            placement = family.asked_in(region)
            yield last_sequence(placement.region, placement.name)


_REFUSED_US = (400, 401, 403, 405, 415, 422)
"""Answers to what was sent, wherever clients are led to: asking again does not mend them."""


async def _is_there(context: Context, written: PathWrite) -> bool:
    """Where the acknowledgement names its message, the stream has it; the answer alone has to do where it does not."""
    if not written.stream or not written.sequence:
        return True
    async with context.world.streams(target_region(context)) as door:
        async for message in door.messages(written.stream, written.sequence, written.sequence):
            return message.headers.get("Nats-Msg-Id") == written.message_id
        state = await door.stream(written.stream)
    return state is not None and gone_as_it_should(state, written.sequence)


def gone_as_it_should(state: StreamState, sequence: int) -> bool:
    """A job that a worker did at once, or a value that another one replaced, was there and need not be any more."""
    config = state.config
    given_up = config.get("retention") in (Retention.WORKQUEUE, Retention.INTEREST)
    replaced = int(config.get("max_msgs_per_subject") or -1) > 0
    return (given_up or replaced) and not config.get("mirror") and state.last_seq >= sequence
