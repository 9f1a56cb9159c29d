"""The same procedure by the executor: what is typed for it, with what its steps need."""

from __future__ import annotations

from secondsite.model.fault import Fault
from secondsite.model.procedure import Procedure, Verb
from secondsite.operate.shell import word
from secondsite.publish.content.inputs import Inputs
from secondsite.publish.text.markdown import Md, fence


def second_region(inputs: Inputs) -> str:
    deployment = inputs.chosen.deployment
    other = deployment.standby or deployment.sites[-1]
    return other.region.name


def executor_commands(inputs: Inputs, fault: Fault | None, procedure: Procedure) -> Md:
    """The same procedure by the executor, with what its steps need; empty for what it does not carry out."""
    if fault is not None and fault.destroys_data:
        return _repair(inputs, fault)
    if fault is not None and not fault.leaves_region:
        return Md("")
    about = "failback" if fault is None else "failover"
    option = "" if fault is None else f" --fault {fault}"
    strategy = f" --strategy {word(inputs.chosen.strategy.id)}"
    regions = (inputs.system.region.name, second_region(inputs))
    servers = "".join(f" --nats {word(f'{region}=context:{region}')}" for region in regions)
    verbs = {step.verb for step in procedure.steps}
    if Verb.RESTORE_QUORUM in verbs:
        servers += "".join(f" --system {word(f'{region}=context:{region}-system')}" for region in regions)
    backups = ' --from "$BACKUP_URL"' if Verb.RESTORE_STREAMS in verbs else ""
    lost = " --allow unfenced" if fault in (Fault.REGION, Fault.GEOGRAPHY) else ""
    arguments = f'{strategy}{option}{servers}{backups} --path-url "$WRITE_URL" --who "$WHO" --why "$WHY"{lost}'
    return fence(
        (
            f"secondsite {about} plan{arguments}",
            f'secondsite {about} run{arguments} --approve "$HASH"',
            f"secondsite {about} status  # if interrupted: secondsite {about} resume, with the same options",
            f"secondsite {about} abort{arguments}  # before the first stream is promoted: return to the old writers",
        )
    )


def _repair(inputs: Inputs, fault: Fault) -> Md:
    strategy = f" --strategy {word(inputs.chosen.strategy.id)} --fault {fault}"
    regions = dict.fromkeys((inputs.system.region.name, second_region(inputs)))
    servers = "".join(f" --nats {word(f'{region}=context:{region}')}" for region in regions)
    chosen = ' --restore "$STREAM" --at "$BEFORE" --from "$BACKUP_URL" --who "$WHO" --why "$WHY"'
    arguments = f"{strategy}{servers}{chosen}"
    return fence(
        (
            f"secondsite repair plan{arguments}",
            f'secondsite repair run{arguments} --approve "$HASH"',
            "secondsite repair status  # if interrupted: secondsite repair resume, with the same options",
        )
    )
