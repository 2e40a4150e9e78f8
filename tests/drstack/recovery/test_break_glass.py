"""Going on without approvals: by whom, how loud, and until somebody else has signed it off."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from drstack.errors import ApprovalRefused, ApprovalsMissing, ConsentRequired, OperationConflict
from drstack.recovery import control
from drstack.recovery.asking import subject_of
from drstack.recovery.conduct import promote
from drstack.recovery.glass import broken as signed_and_not
from drstack.recovery.glass import sign_off
from drstack.recovery.history import document, past_operations
from drstack.recovery.plan import Given, digest_of
from drstack.recovery.words import BREAK_GLASS_TYPE, SIGN_OFF_TYPE, sign_break, sign_off_word
from drstack.unwitnessed import Unwitnessed, stand_in_for
from drstack.witness.seen import Seen
from drstack.witness.stand_in import take_over
from drstack.witness.witness import Witness
from replicator.errors import KeyAbsent
from replicator.repository.custody import revoke
from replicator.repository.repository import random_token
from replicator.stores.faults import FaultyStore
from tests.drstack.recovery.people import BY, TWO, Office, in_anothers_name
from tests.drstack.recovery.test_interruptions import dying_at
from tests.drstack.recovery.test_without_witness import Away
from tests.drstack.recovery.world import Rig

GLASS = Given(by="test", break_glass="alice", reason="nobody answers the phone")


@pytest.fixture
def office(tmp_path):
    made = Office(Rig(tmp_path, encrypted=True))
    made.rig.save(10)
    return made


def broken(office) -> list[dict]:
    return signed_and_not(office.world())


def test_who_may_goes_on_without_and_it_is_recorded_everywhere(office):
    end = promote(office.world("alice"), "west", GLASS)
    assert end["result"] == "promoted"
    [told] = broken(office)
    assert (told["operation"], told["by"], told["reason"]) == ("1-1", "alice", "nobody answers the phone")
    assert told["signed_off"] is None
    text = "drstack: promote of e to west goes on WITHOUT APPROVALS, glass broken by alice: nobody answers the phone"
    assert min(office.told) == ("break-glass", f"1-1: {text}")
    plan = office.rig.witness().journal(1, 1).plan()
    assert ["break-glass", "alice"] in plan["consents"]
    [consent] = office.rig.witness().current().consents
    assert (consent.kind, consent.value, consent.reason) == ("break-glass", "alice", "nobody answers the phone")
    [past] = document("e", past_operations(office.rig.witness()))["operations"]
    assert past["consents"] == (("break-glass", "alice"),)
    assert past["reason"] == "nobody answers the phone"


def test_it_takes_a_reason_somebody_listed_and_their_key(office):
    with pytest.raises(ConsentRequired, match="needs a reason"):
        promote(office.world("alice"), "west", replace(GLASS, reason=None))
    with pytest.raises(ApprovalRefused, match="bob may not go on without approvals") as raised:
        promote(office.world("bob"), "west", replace(GLASS, break_glass="bob"))
    assert "Who may: alice" in raised.value.hint
    with pytest.raises(KeyAbsent):
        promote(office.world(), "west", GLASS)
    office.quorums["promote"] = replace(TWO, break_glass=())
    with pytest.raises(ApprovalRefused) as raised:
        promote(office.world("alice"), "west", GLASS)
    assert "approvals.promote.break_glass" in raised.value.hint
    assert office.rig.witness().journals(1) == []
    assert office.rig.sites["east"].fenced == 0
    assert office.told == []


def test_it_stays_until_another_person_who_is_asked_signs_it_off(office):
    promote(office.world("alice"), "west", GLASS)
    with pytest.raises(ApprovalRefused, match="alice cannot sign operation 1-1 off") as raised:
        sign_off(office.world("alice"), "1-1", "alice")
    assert "bob, carol" in raised.value.hint
    with pytest.raises(ApprovalRefused, match="mallory cannot"):
        sign_off(office.world("mallory"), "1-1", "mallory")
    with pytest.raises(OperationConflict, match="no operation 7-1"):
        sign_off(office.world("bob"), "7-1", "bob")
    with pytest.raises(KeyAbsent):
        sign_off(office.world(), "1-1", "bob")
    assert broken(office)[0]["signed_off"] is None
    assert sign_off(office.world("bob"), "1-1", "bob")["signed_off"]["by"] == "bob"
    assert broken(office)[0]["signed_off"]["by"] == "bob"


def test_a_sign_off_that_somebody_made_up_counts_for_nothing(office):
    promote(office.world("alice"), "west", GLASS)
    world = office.world("alice", "mallory", "bob")
    [told] = broken(office)
    subject = subject_of(world, "promote", told["plan"])
    glass = world.witness.glass()
    fields = {"id": "x", "at": 1.0, "operation": "1-1"}
    for person in ("alice", "mallory"):
        glass.sign_off("1-1", sign_off_word(world.keys, world.keys.trust.key(f"approver@{person}"), subject, **fields))
    bob = world.keys.trust.key("approver@bob")
    glass.sign_off("1-1", sign_off_word(world.keys, bob, replace(subject, plan="0" * 64), **fields))
    glass.sign_off("1-1", sign_off_word(world.keys, bob, subject, **{**fields, "operation": "1-2"}))
    glass.sign_off("1-1", sign_break(world.keys, bob, subject, id="x", at=1.0, reason="r"))
    glass.sign_off("1-1", {"payload": "", "signatures": [], "payloadType": ""})
    assert broken(office)[0]["signed_off"] is None
    glass.sign_off("1-1", sign_off_word(world.keys, bob, subject, **fields))
    assert broken(office)[0]["signed_off"] == {"by": "bob", "at": 1.0}


def test_who_broke_the_glass_does_not_sign_it_off_in_another_persons_name(office):
    promote(office.world("alice"), "west", GLASS)
    world = office.world("alice", "bob")
    subject = subject_of(world, "promote", broken(office)[0]["plan"])
    for signer, by in (("alice", None), ("bob", "bob")):
        word = in_anothers_name(world.keys, signer, SIGN_OFF_TYPE, subject, person="bob", operation="1-1")
        world.witness.glass().sign_off("1-1", word)
        assert (broken(office)[0]["signed_off"] or {"by": None})["by"] == by


def test_killed_before_it_was_noted_whoever_resumes_notes_it_before_anything_is_done(office, monkeypatch):
    with monkeypatch.context() as patched, dying_at("fence"):
        patched.setattr("drstack.recovery.run.require_admitted", lambda *_: None)
        promote(office.world("alice"), "west", GLASS)
    assert broken(office) == []
    with dying_at("fence"):
        promote(office.world(), "west", BY)
    assert [each["operation"] for each in broken(office)] == ["1-1"]
    assert control.resume(office.world(), by="other")["result"] == "promoted"
    assert len(broken(office)) == 1
    assert [moment for moment, _ in office.told].count("break-glass") == 1, "told once"


def test_a_word_for_another_plan_or_by_nobody_who_may_begins_nothing(office):
    def begun_with(made) -> None:
        with dying_at("fence"):
            promote(office.world(quorums={}), "west", BY)
        journal = office.rig.witness().journals(1)[-1]
        journal.write("break-glass", {"envelope": made(journal)})

    world = office.world("alice", "bob")

    def of(person, **changed):
        def made(journal):
            subject = subject_of(world, "promote", digest_of(journal.plan()))
            key = world.keys.trust.key(f"approver@{person}")
            return sign_break(world.keys, key, replace(subject, **changed), id="x", at=1.0, reason="r")

        return made

    def as_alice(journal):
        subject = subject_of(world, "promote", digest_of(journal.plan()))
        return in_anothers_name(world.keys, "bob", BREAK_GLASS_TYPE, subject, person="alice", reason="r")

    for made, why in (
        (as_alice, "key approver@bob signed as alice"),
        (of("bob"), "bob may not"),
        (of("alice", plan="0" * 64), "another plan or environment"),
        (of("alice", environment_id="z"), "another plan or environment"),
        (lambda _: {"payload": "e30=", "payloadType": "x", "signatures": []}, "payload type"),
    ):
        begun_with(made)
        with pytest.raises(ApprovalRefused, match=why):
            promote(office.world(), "west", BY)
        assert office.rig.sites["east"].fenced == 0
        assert broken(office) == []
        control.abort(office.world(), by="other", reason="forged")


def test_a_word_by_a_key_that_was_revoked_since_stops_whoever_resumes(office):
    with dying_at("fence"):
        promote(office.world("alice"), "west", GLASS)
    revoke(office.rig.keys, "approver@alice", "stolen", [])
    with pytest.raises(ApprovalRefused, match="revoked"):
        control.resume(office.world(), by="other")
    assert office.rig.sites["east"].fenced == 0


def test_the_glass_is_broken_for_an_operation_that_runs_and_lacks_approvals(office):
    with dying_at("fence"):
        promote(office.world(quorums={}), "west", BY)
    with pytest.raises(ApprovalsMissing):
        promote(office.world(), "west", BY)
    assert promote(office.world("alice"), "west", GLASS)["result"] == "promoted"
    assert [each["by"] for each in broken(office)] == ["alice"]


def test_it_is_broken_without_the_witness_too_and_noted_there_once_that_is_back(office, tmp_path):
    world = office.world("alice")
    away = Witness(FaultyStore(office.rig.stores["witness"], Away()), "e", clock=time.time, token=random_token)
    stands_in = stand_in_for(
        away,
        world.needs,
        world.repositories,
        "west",
        Seen(tmp_path / "never"),
        Unwitnessed(),
        clock=time.time,
        by="alice",
    )
    with pytest.raises(ApprovalsMissing):
        promote(replace(world, witness=stands_in), "west", replace(GLASS, break_glass=None, without_witness=True))
    assert (
        promote(replace(world, witness=stands_in), "west", replace(GLASS, without_witness=True))["result"] == "promoted"
    )
    assert broken(office) == []
    assert take_over(office.rig.witness(), stands_in, "1-1")
    [told] = office.rig.witness().glass().broken()
    assert (told["operation"], told["by"], told["reason"]) == ("1-1", "alice", GLASS.reason)
