"""A signature vouches for a campaign's record as it is, and verify says where there is none."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from drilled import Scenario, leave

from secondsite.backup.signing import SigningKey, read_signing_key
from secondsite.catalogue.bundle import load_catalogue
from secondsite.discover.system_file.reading import load_system
from secondsite.drill.evidence.campaign import CampaignRecord, campaigns_below
from secondsite.drill.evidence.signature import SUFFIX, check_signatures, sign_campaign
from secondsite.drill.verdict.verification import verify

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def _key(folder: Path, name: str) -> SigningKey:
    path = folder / name
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(Ed25519PrivateKey.generate().private_bytes(*plain))
    return read_signing_key(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    leave(tmp_path / "runs", Scenario(until_s=13.0))
    return tmp_path / "runs"


def _problems(root: Path, *keys: str) -> list[str]:
    return [problem.what for problem in check_signatures(campaigns_below(root)[0], keys).problems]


def test_a_record_that_is_signed_is_vouched_for(root: Path, tmp_path: Path) -> None:
    mine, other = _key(tmp_path, "mine"), _key(tmp_path, "other")
    (campaign,) = campaigns_below(root)[0]
    assert _problems(root, mine.public) == ["is not signed"]
    sign_campaign(campaign.path, mine)
    assert _problems(root, mine.public) == _problems(root) == []
    assert _problems(root, other.public) == [f"is signed by a key that you did not give ({mine.public[:16]}…)"]


def test_a_record_that_goes_on_is_not_the_one_that_was_signed(root: Path, tmp_path: Path) -> None:
    key = _key(tmp_path, "mine")
    (campaign,) = campaigns_below(root)[0]
    sign_campaign(campaign.path, key)
    CampaignRecord(campaign.path, campaign.id, campaign.last).begun(2)
    assert ["is not a signature of this record" in what for what in _problems(root)] == [True]


@pytest.mark.parametrize("content", ["", "{}", '{"payload": "e30=", "payloadType": "x", "signatures": []}'])
def test_what_is_no_signature_vouches_for_nothing(content: str, root: Path) -> None:
    (campaign,) = campaigns_below(root)[0]
    campaign.path.with_name(campaign.path.name + SUFFIX).write_text(content)
    assert len(_problems(root)) == 1


def test_verify_says_what_is_unsigned(root: Path, tmp_path: Path) -> None:
    system, catalogue = load_system(Path("examples/kgents/secondsite.yaml")), load_catalogue()
    (campaign,) = campaigns_below(root)[0]
    found = verify(system, catalogue, (root,), NOW)
    assert (found.unsigned, found.problems) == ((campaign.path,), ())
    assert len(verify(system, catalogue, (root,), NOW, keys=[_key(tmp_path, "mine").public]).problems) == 1
