"""The pure parts, and the codecs: what holds without a server."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pyrage
import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from manifests import manifest
from nats_world import run

from secondsite.backup.codec import CodecError, Keys, decode, encode, read_keys, worth_compressing
from secondsite.backup.cronjob import cron
from secondsite.backup.digest import Digest
from secondsite.backup.digesting import Listed
from secondsite.backup.inventory import BackupEntry, BackupInventory
from secondsite.backup.keep import KeepRules
from secondsite.backup.layout import is_id, new_id, started
from secondsite.backup.manifest import from_json, kind_of, to_json
from secondsite.backup.proof import RestoreProof, judge, spans
from secondsite.backup.prune import plan_pruning
from secondsite.backup.stream_restore import StreamOutcome
from secondsite.backup.target import (
    MARK,
    Changes,
    check_rename,
    differences,
    fenced,
    final_config,
    held_back,
    is_held_back,
    mark_of,
    overlapping,
    unfenced,
)
from secondsite.model.errors import InputError

IDENTITY, STRANGER = pyrage.x25519.Identity.generate(), pyrage.x25519.Identity.generate()
KEYS = Keys((str(IDENTITY.to_public()),), (IDENTITY,))
NOW_S = 1_800_000_000.0


async def pieces(content: bytes, size: int = 100_000) -> AsyncIterator[bytes]:
    for at in range(0, len(content), size):
        yield content[at : at + size]


async def through(content: bytes, codecs: Sequence[str], keys: Keys = KEYS) -> bytes:
    return b"".join([piece async for piece in encode(pieces(content), codecs, keys)])


async def back(content: bytes, codecs: Sequence[str], keys: Keys = KEYS) -> bytes:
    return b"".join([piece async for piece in decode(pieces(content), codecs, keys)])


CODECS = [(), ("zstd",), ("age",), ("zstd", "age")]


@pytest.mark.parametrize("codecs", CODECS)
@pytest.mark.parametrize("size", [0, 1, 65536, 3_000_001])
def test_codecs_give_back_what_they_got(codecs: tuple[str, ...], size: int) -> None:
    content = os.urandom(size // 2) + bytes(size - size // 2)
    encoded = run(through(content, codecs))
    assert run(back(encoded, codecs)) == content
    assert (encoded == content) is (not codecs)


@pytest.mark.parametrize("codecs", CODECS[1:])
def test_cut_short_or_changed_is_an_error(codecs: tuple[str, ...]) -> None:
    encoded = run(through(os.urandom(500_000), codecs))
    changed = bytearray(encoded)
    changed[len(changed) // 2] ^= 1
    for broken in (encoded[:-1], encoded[: len(encoded) // 2], b"", bytes(changed)):
        with pytest.raises(CodecError):
            run(back(broken, codecs))


def test_only_an_identity_of_a_recipient_opens() -> None:
    encoded = run(through(b"secret", ("age",)))
    with pytest.raises(CodecError, match="none of the given identities decrypts it"):
        run(back(encoded, ("age",), Keys((), (STRANGER,))))
    assert str(IDENTITY) not in repr(KEYS)


@pytest.mark.parametrize("codecs", CODECS)
def test_an_error_of_the_source_comes_out_as_it_is(codecs: tuple[str, ...]) -> None:
    async def failing() -> AsyncIterator[bytes]:
        yield bytes(700_000)
        raise LookupError("the source failed")

    async def work() -> None:
        async for _ in encode(failing(), codecs, KEYS):
            pass

    with pytest.raises(LookupError, match="the source failed"):
        run(work())


def test_leaving_early_ends_the_thread() -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(100_000)
            await asyncio.sleep(0)

    async def work() -> None:
        stream: Any = encode(endless(), ("age",), KEYS)
        await anext(stream)
        async with asyncio.timeout(30):
            await stream.aclose()

    run(work())


def test_keys_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("# no key\n")
    with pytest.raises(InputError, match="holds no age identity"):
        read_keys([], [tmp_path / "empty"])
    with pytest.raises(InputError, match="is not an age public key"):
        read_keys([str(IDENTITY)[:20]], [])


def test_zstd_only_where_it_helps() -> None:
    assert worth_compressing(b"the same again and again " * 1000)
    assert not worth_compressing(os.urandom(100_000))
    assert not worth_compressing(b"")


def test_a_manifest_is_read_as_it_was_written() -> None:
    assert from_json(to_json(manifest()), manifest().id, "x") == manifest()


@given(st.data())
@settings(max_examples=200)
def test_no_changed_byte_of_a_manifest_goes_unseen(data: st.DataObject) -> None:
    written = to_json(manifest())
    at = data.draw(st.integers(0, len(written) - 1))
    changed = written[:at] + bytes([data.draw(st.integers(0, 255))]) + written[at + 1 :]
    try:
        found = from_json(changed, manifest().id, "x")
    except InputError:
        return
    assert found == manifest()  # only what JSON does not tell apart, such as one blank for another


def test_a_manifest_of_another_backup_is_swapped() -> None:
    with pytest.raises(InputError, match="it was swapped"):
        from_json(to_json(manifest()), "20261123T172748Z-000000", "x")


def test_ids_sort_by_time() -> None:
    one = manifest().finished
    assert started(new_id(one, "abcdef")) == one
    assert is_id("20261123T172748Z-3f2a1c")
    assert not is_id("slots")
    assert [kind_of(name) for name in ("KV_a", "OBJ_a", "A")] == ["kv", "objects", "stream"]


def test_what_cannot_be_read_or_may_still_be_written_is_left_alone() -> None:
    at = manifest().finished
    unreadable = BackupEntry("20200101T000000Z-000000", None, "corrupt", held=False, proof=None)
    good = BackupEntry(manifest().id, manifest(), "", held=False, proof=None)
    young, old = new_id(at, "aaaaaa"), "20200101T000000Z-bbbbbb"
    pruning = plan_pruning(BackupInventory((good, unreadable), (young, old)), KeepRules(last=1), at)
    assert (pruning.doomed, pruning.incomplete, pruning.unreadable) == ((), (old,), (unreadable.id,))


def test_a_proof_that_is_bad_lets_the_one_before_stand() -> None:
    entry = BackupEntry(manifest().id, manifest(), "", held=False, proof={"ok": False})
    assert not entry.good
    assert evolve(entry, proof={"ok": True}).good


@pytest.mark.parametrize(
    ("every_s", "schedule"),
    [
        (60, "* * * * *"),
        (300, "*/5 * * * *"),
        (3600, "0 * * * *"),
        (21600, "0 */6 * * *"),
        (86400, "0 0 * * *"),
        (604800, "0 0 * * 0"),
    ],
)
def test_intervals_that_cron_can_say(every_s: float, schedule: str) -> None:
    assert cron(every_s) == schedule


@pytest.mark.parametrize("every_s", [1, 90, 420, 5 * 3600, 2 * 86400])
def test_intervals_that_it_cannot(every_s: float) -> None:
    with pytest.raises(InputError):
        cron(every_s)


def test_the_mark_comes_and_goes_and_nothing_else_changes() -> None:
    config = {"name": "S", "subjects": ["s.>"], "metadata": {"owner": "a"}, "sealed": True}
    final = final_config(config, "S", Changes())
    assert final == config
    begun = held_back(final, "id")
    assert mark_of(begun) == "id"
    assert begun == {**config, "metadata": {"owner": "a", MARK: "id"}}  # nobody writes to what is sealed
    assert mark_of(final) is None


def test_what_is_held_back_listens_on_nothing_known() -> None:
    config = {"name": "S", "subjects": ["s.>"], "sources": [{"name": "O"}], "republish": {"src": ">"}, "max_msgs": 5}
    begun = held_back(config, "id")
    assert is_held_back(begun)
    assert set(begun) == {"name", "subjects", "max_msgs", "metadata"}
    assert not set(begun["subjects"]) & {"s.>"}
    assert begun["subjects"] != held_back({**config, "name": "T"}, "id")["subjects"]
    assert not is_held_back({**begun, "subjects": ["s.>"]})
    assert not is_held_back({**config, "metadata": {MARK: "id"}})
    assert is_held_back(held_back({"name": "S", "mirror": {"name": "O"}}, "id"))


@pytest.mark.parametrize("config", [{"subjects": ["s.>"]}, {"sources": [{"name": "O"}]}, {"metadata": {"owner": "a"}}])
def test_a_fence_comes_off_without_a_trace(config: dict[str, Any]) -> None:
    whole = {"name": "S", **config}
    behind = fenced(whole, "id")
    assert behind["subjects"] != whole.get("subjects")
    assert fenced(behind, "other") == behind
    assert unfenced(behind) == whole
    assert unfenced(whole) == whole
    assert final_config(behind, "S", Changes()) == whole


def test_configurations_are_compared_field_by_field() -> None:
    wanted = {"name": "S", "allow_msg_ttl": True, "max_msgs": -1, "metadata": {"a": "b", "_nats.ver": "2.12"}}
    found = {"name": "S", "max_msgs": -1, "deny_delete": False, "sources": [], "metadata": {"a": "b"}}
    assert differences(wanted, found) == ("allow_msg_ttl: true, is null",)
    assert differences(found, {**found, "max_msgs": 5}) == ("max_msgs: -1, is 5",)
    assert differences(found, found) == ()


def test_changes_of_a_restored_stream() -> None:
    config = {
        "name": "S",
        "subjects": ["s.>"],
        "num_replicas": 3,
        "placement": {"cluster": "C"},
        "mirror": {"name": "O"},
        "storage": "memory",
    }
    assert final_config(config, "T", Changes(), ["x.>"])["subjects"] == ["s.>"]
    assert final_config(config, "T", Changes(), ["s.1"])["subjects"] == ["T"]
    fence = {**fenced({**config, "mirror": None}, "20261123T172748Z-3f2a1c")}
    assert final_config(fence, "T", Changes(), ["s.1"])["subjects"] == ["T"], (
        "what was replaced is saved behind a fence"
    )
    assert final_config(config, "S", Changes(), ["s.1"])["subjects"] == ["s.>"]
    assert final_config(config, "S", Changes(replicas=1))["num_replicas"] == 1
    assert "placement" not in final_config(config, "S", Changes(placement="none"))
    assert final_config(config, "S", Changes(placement="D"))["placement"] == {"cluster": "D"}
    detached = final_config(config, "S", Changes(detached=True))
    window = {"duplicate_window": 120 * 10**9}
    assert detached == {"name": "S", "subjects": ["s.>"], "num_replicas": 1, "storage": "file", **window}


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ("a.b", "a.b", True),
        ("a.*", "a.b", True),
        ("a.>", "a.b.c", True),
        (">", "x", True),
        ("a.*.c", "a.b.*", True),
        ("a", "a.b", False),
        ("a.b", "a.c", False),
        ("a.>", "a", False),
        ("*.b", "a.c", False),
    ],
)
def test_subjects_that_collide(one: str, other: str, together: bool) -> None:
    assert overlapping([one], [other]) is together
    assert overlapping([other], [one]) is together


def test_renames_that_would_hide_what_is_there() -> None:
    check_rename("A", "B")
    check_rename("KV_a", "KV_a")
    for old, new in (("KV_a", "KV_b"), ("OBJ_a", "x"), ("A", ""), ("A", "a.b"), ("A", "a b")):
        with pytest.raises(InputError):
            check_rename(old, new)


def listed(sequence: int, *, age_s: float = 0, content: str = "x", ttl: str = "") -> Listed:
    return sequence, int((NOW_S - age_s) * 1e9), content, ttl


EMPTY = Digest(1024, 0, 0, 0, ())


def test_whatever_is_wrong_with_a_restored_stream_is_said() -> None:
    """An operation goes on where nothing is."""
    equal = RestoreProof("equal", 1, 1, 1)
    fine = StreamOutcome("S", "S", 1, 1, 1, 0, (), equal, 1, 0.0, 0.0)
    assert (fine.ok, fine.why_not) == (True, "")
    for wrong in (
        evolve(fine, error="refused"),
        evolve(fine, missing_consumers=("c",)),
        evolve(fine, differences=("max_msgs: 1, is 2",)),
        evolve(fine, held_back=True),
        evolve(fine, proof=RestoreProof("differs", 1, 1, 1, missing=(2,))),
    ):
        assert not wrong.ok
        assert wrong.why_not


def test_missing_changed_and_extra_are_told_apart() -> None:
    before = [listed(1), listed(2), listed(3)]
    after = [listed(1), listed(3, content="y"), listed(4)]
    proof = judge(EMPTY, EMPTY, before, after, 0, NOW_S)
    assert (proof.verdict, proof.missing, proof.changed, proof.extra) == ("differs", (2,), (3,), (4,))


@pytest.mark.parametrize(
    ("item", "max_age_s", "expired"),
    [
        (listed(1, age_s=100), 60, True),
        (listed(1, age_s=50), 60, False),
        (listed(1, age_s=100), 0, False),
        (listed(1, age_s=100, ttl="30"), 0, True),
        (listed(1, age_s=100, ttl="1m30s"), 0, True),
        (listed(1, age_s=100, ttl="1h"), 0, False),
        (listed(1, age_s=100, ttl="never"), 0, False),
    ],
)
def test_what_expired_is_no_loss(item: Listed, max_age_s: float, expired: bool) -> None:
    proof = judge(EMPTY, EMPTY, [item, listed(2)], [listed(2)], max_age_s, NOW_S)
    assert (proof.verdict, proof.expired, len(proof.missing)) == (("equal", 1, 0) if expired else ("differs", 0, 1))


def test_sequences_as_people_read_them() -> None:
    assert spans((3, 7, 8, 9)) == "3, 7-9"
    assert spans(tuple(range(0, 100, 2))).endswith("and 30 more ranges")
