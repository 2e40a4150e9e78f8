"""Every suite keeps the same promises: what is changed, moved or for another is refused."""

from __future__ import annotations

import pytest

from replicator.crypto.suites import DEFAULT, NONE, SUITES, rank, suite_named
from replicator.crypto.suites.hybrid1 import Hybrid1
from replicator.crypto.suites.suite import Refused
from replicator.crypto.trust import TrustedRepository, checked, read_trust, write_trust
from replicator.errors import Untrusted

ALICE, BOB = b"a" * 32, b"b" * 32


@pytest.fixture(params=sorted(SUITES))
def suite(request):
    return suite_named(request.param)


def test_a_seed_always_stands_for_the_same_keys_and_another_seed_for_others(suite):
    assert suite.public(ALICE) == suite.public(ALICE)
    assert {name: len(half) for name, half in suite.public(ALICE).items()} == dict(suite.algorithms)
    assert all(suite.public(ALICE)[name] != suite.public(BOB)[name] for name in suite.algorithms)


def test_a_signature_holds_only_with_every_algorithm_and_for_its_message_and_key(suite):
    signed = suite.sign(ALICE, b"message")
    public = suite.public(ALICE)
    assert suite.verify(public, b"message", signed)
    assert not suite.verify(public, b"other", signed)
    assert not suite.verify(suite.public(BOB), b"message", signed)
    for name, signature in signed.items():
        bent = bytes([signature[0] ^ 1]) + signature[1:]
        assert not suite.verify(public, b"message", {**signed, name: bent})
        assert not suite.verify(public, b"message", {n: s for n, s in signed.items() if n != name})
        assert not suite.verify(public, b"message", {**signed, name: suite.sign(BOB, b"message")[name]})


def test_a_wrapped_secret_opens_for_its_recipient_in_its_context_only(suite):
    wrapped = suite.wrap(suite.public(ALICE), b"s" * 32, b"here")
    assert suite.unwrap(ALICE, wrapped, b"here") == b"s" * 32
    for seed, body, info in (
        (BOB, wrapped, b"here"),
        (ALICE, wrapped, b"there"),
        (ALICE, wrapped[:-1] + bytes([wrapped[-1] ^ 1]), b"here"),
        (ALICE, wrapped[:40], b"here"),
    ):
        with pytest.raises(Refused):
            suite.unwrap(seed, body, info)


def test_a_ciphertext_opens_with_its_key_at_its_place_in_its_context_only(suite):
    key = suite.derive(b"k" * 32, b"salt", "pack")
    stored = suite.encrypt(key, 7, b"plain", b"aad")
    assert len(stored) == len(b"plain") + suite.overhead_bytes
    assert suite.decrypt(key, 7, stored, b"aad") == b"plain"
    for other_key, counter, body, aad in (
        (suite.derive(b"k" * 32, b"tlas", "pack"), 7, stored, b"aad"),
        (suite.derive(b"k" * 32, b"salt", "manifest"), 7, stored, b"aad"),
        (key, 8, stored, b"aad"),
        (key, 7, stored, b"add"),
        (key, 7, bytes([stored[0] ^ 1]) + stored[1:], b"aad"),
    ):
        with pytest.raises(Refused):
            suite.decrypt(other_key, counter, body, aad)


def test_no_suite_ranks_as_low_as_none(suite):
    assert rank(suite.name) > rank(NONE)
    with pytest.raises(Untrusted, match="unknown"):
        rank("drstack-hybrid-0")


class Later(Hybrid1):
    """What a later version may bring: another name, a higher rank."""

    name = "drstack-hybrid-2"
    rank = 20


@pytest.mark.parametrize("demanded", ["of all", "of this repository"])
def test_a_trust_file_that_demands_a_later_suite_refuses_this_one(family, monkeypatch, demanded):
    monkeypatch.setitem(SUITES, Later.name, Later())
    before = read_trust(family.keys)
    listed = TrustedRepository(id=family.id, url="x", suite=Later.name)
    assert before.admit(family.id, DEFAULT, "here") == DEFAULT
    change = {"suite": Later.name} if demanded == "of all" else {"repositories": [listed.model_dump()]}
    after = checked({**before.model_dump(), **change})
    with pytest.raises(Untrusted, match=f"uses suite {DEFAULT}; the trust file demands {Later.name}"):
        after.admit(family.id, DEFAULT, "here")
    assert after.admit(family.id, Later.name, "here") == Later.name
    write_trust(family.keys, after)
    with pytest.raises(Untrusted, match="the trust file demands"):
        family.hand("operator").log("gpt").view()
