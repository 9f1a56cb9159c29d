"""Who vouches for a campaign: an in-toto statement of its record and runs in a DSSE envelope, signed with ed25519.

The chains show that something changed; they do not show who wrote them. A signature stands beside the record, as
``NAME.campaign.dsse``, and covers the record's bytes and the last hash of every run.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Collection
from pathlib import Path

from attrs import frozen

from secondsite.backup.signing import SigningKey, is_signature
from secondsite.drill.evidence.campaign import Campaign, read_campaign
from secondsite.drill.ledger.envelope import disk_error
from secondsite.model.errors import Problem
from secondsite.model.place import Place

SUFFIX = ".dsse"
_TYPE = "application/vnd.in-toto+json"
_REMEDY = "ask whoever ran the drill for a signed record, or drill with --sign"


@frozen
class Signed:
    """``unsigned`` records, whether or not a key was asked for; ``problems``: what the keys do not vouch for."""

    unsigned: tuple[Path, ...]
    problems: tuple[Problem, ...]


def sign_campaign(path: Path, key: SigningKey) -> Path:
    """The envelope beside the record. Raises InputError for a broken record, MachineError where the disk is full."""
    statement = _statement(read_campaign(path)).encode()
    signature = bytes.fromhex(key.sign(_encoded(statement)))
    envelope = {
        "payloadType": _TYPE,
        "payload": base64.b64encode(statement).decode(),
        "signatures": [{"keyid": key.public, "sig": base64.b64encode(signature).decode()}],
    }
    target = path.with_name(path.name + SUFFIX)
    try:
        target.write_text(json.dumps(envelope, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise disk_error(target, error) from None
    return target


def check_signatures(campaigns: Collection[Campaign], keys: Collection[str] = ()) -> Signed:
    """``keys``: public ones in hexadecimal digits; where there are any, each record has to be signed by one."""
    unsigned: list[Path] = []
    problems: list[Problem] = []
    for campaign in campaigns:
        target = campaign.path.with_name(campaign.path.name + SUFFIX)
        if not target.is_file():
            unsigned.append(campaign.path)
            why = "is not signed" if keys else ""
        else:
            why = _wrong(campaign, target, keys)
        if why:
            problems.append(Problem(Place(str(campaign.path)), why, _REMEDY))
    return Signed(tuple(unsigned), tuple(problems))


def _wrong(campaign: Campaign, target: Path, keys: Collection[str]) -> str:
    """Why the envelope vouches for nothing; empty where it does."""
    try:
        envelope = json.loads(target.read_text(encoding="utf-8"))
        statement = base64.b64decode(envelope["payload"])
        signatures = [(str(each["keyid"]), base64.b64decode(each["sig"]).hex()) for each in envelope["signatures"]]
        typed = envelope["payloadType"] == _TYPE
    except (OSError, ValueError, KeyError, TypeError):
        return f"{target.name} is not a signature"
    good = {key for key, signature in signatures if is_signature(key, signature, _encoded(statement))}
    if not typed or not good or statement.decode(errors="replace") != _statement(campaign):
        return f"{target.name} is not a signature of this record"
    if keys and not good & set(keys):
        return f"is signed by a key that you did not give ({min(good)[:16]}…)"
    return ""


def _statement(campaign: Campaign) -> str:
    digest = hashlib.sha256(campaign.path.read_bytes()).hexdigest()
    runs = {run.id: run.closing for run in campaign.runs}
    return json.dumps(
        {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": campaign.path.name, "digest": {"sha256": digest}}],
            "predicateType": "secondsite/campaign/1",
            "predicate": {"campaign": campaign.id, "planned": campaign.planned, "runs": runs, "last": campaign.last},
        },
        sort_keys=True,
    )


def _encoded(statement: bytes) -> bytes:
    """DSSE's pre-authentication encoding."""
    return b"DSSEv1 %d %s %d %s" % (len(_TYPE), _TYPE.encode(), len(statement), statement)
