"""What a watch asks, and who may answer: an approval is signed by a key that the team listed, for this very question.

It binds the question's own id and the hash of the plan that was shown, so it approves nothing else and nothing twice.
The file of approvers holds public keys, one a line, as ``ssh-keygen -t ed25519`` writes them into its ``.pub`` file;
the name is the comment behind the key.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from secondsite.backup.signing import SigningKey, is_signature
from secondsite.backup.strict import MisfitError, parse, structure
from secondsite.model.errors import InputError, Problem
from secondsite.model.fault import Fault
from secondsite.model.place import Place
from secondsite.watch.operations import PlanRefusal

SCHEMA = "secondsite/approval/1"
BY_PAGE = "whoever holds the page's token"


@frozen
class Ask:
    """``why`` a person is asked. ``made_s`` is on the watch's monotonic clock; ``plan`` may be empty: none was made.

    ``fault`` is None where it is asked whether to go back.
    """

    id: str
    fault: Fault | None
    region: str
    why: str
    evidence: str
    made_s: float
    plan: str = ""
    stops: tuple[str, ...] = ()
    refusals: tuple[PlanRefusal, ...] = ()

    @property
    def question(self) -> str:
        """What is asked, without its question mark."""
        return f"fail back to {self.region}" if self.fault is None else f"fail {self.region} over for {self.fault}"


@frozen
class Approval:
    """``allow``: guards that this person lifts, by name."""

    ask: str
    plan: str
    allow: tuple[str, ...] = ()
    who: str = ""

    @property
    def statement(self) -> bytes:
        """What is signed. Who it is from is told by the key."""
        content = {"schema": SCHEMA, "ask": self.ask, "plan": self.plan, "allow": sorted(self.allow)}
        return json.dumps(content, sort_keys=True).encode()


@frozen
class _Statement:
    schema: str
    ask: str
    plan: str
    allow: tuple[str, ...]


@frozen
class _Signed:
    statement: str
    public: str
    signature: str


def signed(approval: Approval, key: SigningKey) -> bytes:
    """As it is sent."""
    statement = approval.statement
    content = {"statement": statement.decode(), "public": key.public, "signature": key.sign(statement)}
    return json.dumps(content).encode()


def verified(content: bytes, approvers: Mapping[str, str]) -> Approval:
    """Raises InputError for what no approver signed."""
    try:
        envelope = structure(parse(content), _Signed)
        statement = structure(parse(envelope.statement.encode()), _Statement)
    except MisfitError as error:
        raise InputError.at(
            "approval", f"not an approval: {error}", "approve with `secondsite watch approve`"
        ) from None
    if envelope.public not in approvers:
        what = f"the key {envelope.public[:16]}… does not belong to an approver"
        raise InputError.at("approval", what, "add its public key to the file that `operate: watch: approvers` names")
    if not is_signature(envelope.public, envelope.signature, envelope.statement.encode()):
        raise InputError.at("approval", "its signature does not match", "sign it again")
    if statement.schema != SCHEMA:
        raise InputError.at("approval", f"its schema is not {SCHEMA}", "use the same version on both sides")
    return Approval(statement.ask, statement.plan, statement.allow, approvers[envelope.public])


def check_answers(approval: Approval, ask: Ask | None) -> None:
    """Raises InputError where this is not what is asked now, or begins nothing, as a guard stands."""
    if ask is None:
        raise InputError.at("approval", "no approval is requested now", "check the page of the watch")
    if approval.ask != ask.id or approval.plan != ask.plan:
        what = (
            f"question {ask.id} with plan {ask.plan or 'none'} is requested now, not "
            f"{approval.ask} with {approval.plan}"
        )
        raise InputError.at("approval", what, "review the current plan, and approve that one")
    if not ask.plan:
        raise InputError.at(
            "approval", "there is no plan to approve", "find out why none can be made; it will be retried"
        )
    if standing := [one for one in ask.refusals if one.absolute or one.guard not in approval.allow]:
        raise InputError([_standing(one) for one in standing])


def _standing(one: PlanRefusal) -> Problem:
    lifted = f"{one.remedy}; nobody can lift it" if one.absolute else f"if you are sure, add --allow {one.guard}"
    return Problem(Place("approval"), f"nothing begins: {one.guard}: {one.what}", lifted)


def read_approvers(path: Path) -> Mapping[str, str]:
    """By public key in hexadecimal digits, the name. Raises InputError."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_ssh_public_key

    try:
        lines = path.expanduser().read_text("utf-8").splitlines()
    except (OSError, ValueError, RuntimeError):
        raise InputError.at(str(path), "the approvers cannot be read", "give a readable file") from None
    names: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            key: Any = load_ssh_public_key(line.strip().encode())
        except (ValueError, UnsupportedAlgorithm):
            key = None
        if not isinstance(key, Ed25519PublicKey):
            raise InputError.at(f"{path}:{number}", "not an ed25519 public key", "give the line of a .pub file")
        names[key.public_bytes_raw().hex()] = " ".join(line.split()[2:]) or f"line {number}"
    return names
