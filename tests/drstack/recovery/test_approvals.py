"""Approvals by quorum: what counts, what does not and why, and that nothing begins without."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import replace

import pytest

from drstack.errors import ApprovalRefused, ApprovalsMissing, ConsentRequired, OperationConflict, WitnessUnsound
from drstack.recovery import approving, conduct, control
from drstack.recovery.asking import subject_of
from drstack.recovery.conduct import plan_only, promote
from drstack.recovery.plan import Given, digest_of
from drstack.recovery.quorum import Quorum
from drstack.recovery.words import APPROVAL_TYPE, sign_approval
from replicator.errors import KeyAbsent
from replicator.log.records import canonical, parse_envelope
from replicator.repository.custody import revoke
from tests.drstack.recovery.people import BY, TWO, Office, in_anothers_name
from tests.drstack.recovery.test_interruptions import dying_at
from tests.drstack.recovery.world import Rig
from tests.replicator.repository.rig import Killed


@pytest.fixture
def office(tmp_path):
    made = Office(Rig(tmp_path, encrypted=True))
    made.rig.save(10)
    return made


def refused(office, given=BY, **changed) -> ApprovalsMissing:
    with pytest.raises(ApprovalsMissing) as raised:
        promote(office.world(**changed), "west", given)
    return raised.value


def words(office) -> list:
    world = office.world()
    return [word for each in approving.requests(world, world.witness.current().number) for word in each.tally.words]


def whys(office) -> list[str]:
    return [word.why for word in words(office) if word.why is not None]


def untouched(office) -> None:
    assert office.rig.sites["east"].fenced == 0
    assert len(office.rig.witness().assignments()) == 1
    assert office.rig.witness().journals(1) == []


def test_without_enough_approvals_nothing_is_touched_and_it_is_said_who_is_asked_and_how(office):
    missing = refused(office)
    assert missing.exit_code == 25
    assert "has 0 of 2 approvals; still asked: alice, bob, carol" in str(missing)
    assert f"drstack approve e --hash {missing.digest[:16]} --as NAME" in missing.hint
    untouched(office)
    office.approve("bob")
    missing = refused(office)
    assert "has 1 of 2 approvals (bob); still asked: alice, carol" in str(missing)
    untouched(office)


def test_with_enough_it_goes_on_and_the_journal_says_whose(office):
    refused(office)
    stands = office.approve("bob", "carol")
    assert stands.tally.enough
    end = promote(office.world(), "west", BY)
    assert end["result"] == "promoted"
    told = office.rig.witness().journal(1, 1).plan()["approvals"]
    assert [each["person"] for each in told["given"]] == ["bob", "carol"]
    assert told["plan"] == stands.digest


def test_running_it_again_asks_once_and_a_newer_recovery_point_needs_no_other_approval(office):
    first = refused(office)
    office.approve("alice")
    office.rig.save(20)
    assert refused(office).digest == first.digest
    assert len(approving.requests(office.world(), 1)) == 1
    office.approve("carol")
    end = promote(office.world(), "west", BY)
    assert end["workloads"][0]["step"] == 20


def test_the_plan_that_people_see_is_the_one_that_was_hashed(office):
    refused(office)
    [asked] = approving.requests(office.world(), 1)
    assert digest_of(asked.plan) == asked.digest
    assert plan_only(office.world(), "west", BY).hash() == asked.digest[:16]
    assert approving.named(office.world(), asked.digest[:12]).digest == asked.digest
    for wrong in ("abc", "0" * 16):
        with pytest.raises(OperationConflict, match="names none"):
            approving.named(office.world(), wrong)


@pytest.mark.parametrize(
    "changed",
    [
        Given(by="test", data_loss_s=7200.0, reason="more"),
        Given(by="test", skip_fence=("east",), reason="the network is down"),
        Given(by="test", only=("gpt",)),
        Given(by="test", failed_proof=True, reason="the prover is broken"),
    ],
    ids=["loss", "skip-fence", "alone", "failed-proof"],
)
def test_approvals_of_one_plan_count_for_no_other(office, changed):
    first = refused(office)
    office.approve("alice", "bob")
    if changed.data_loss_s:  # the point is older than the objective, and the loss is consented to
        changed = replace(changed, failed_at=time.time() + 600)
    other = refused(office, changed)
    assert other.digest != first.digest
    assert "has 0 of 2" in str(other)
    untouched(office)


def test_a_consents_reason_is_part_of_what_is_approved(office):
    one = Given(by="test", skip_fence=("east",), reason="the network is down")
    refused(office, one)
    office.approve("alice", "bob")
    assert "has 0 of 2" in str(refused(office, replace(one, reason="I said so")))
    assert promote(office.world(), "west", one)["result"] == "promoted"


def test_a_changed_plan_file_is_another_plan(office):
    agreed = json.loads(json.dumps(plan_only(office.world(), "west", BY).document()))
    with pytest.raises(ApprovalsMissing):
        promote(office.world(), "west", BY, agreed=agreed)
    office.approve("alice", "bob")
    loose = json.loads(json.dumps(agreed))
    loose["workloads"][0]["loss_bound_s"] = 1e9
    with pytest.raises(ApprovalsMissing, match="has 0 of 2"):
        promote(office.world(), "west", BY, agreed=loose)
    untouched(office)
    assert promote(office.world(), "west", BY, agreed=agreed)["result"] == "promoted"


def test_a_request_that_shows_another_plan_than_it_names_is_none(office):
    """Somebody who writes to the witness shows people a harmless plan beside the hash of another."""
    plan = plan_only(office.world(), "west", BY).document()
    harmless = {**plan, "capacity": 1}
    request = office.rig.witness().request(1, 1)
    request.begin({"kind": "promote", "plan": harmless, "digest": digest_of(plan), "by": "mallory", "at": 0.0})
    [asked] = approving.requests(office.world(), 1)
    assert asked.digest == digest_of(harmless)
    office.approve("alice", "bob")
    assert "has 0 of 2" in str(refused(office))


def test_records_that_are_no_request_are_passed_over(office):
    witness = office.rig.witness()
    for k, plan in enumerate(
        [None, [], {}, {"target": 7, "base": "x"}, {"workloads": [3], "target": "w", "base": 1}], 1
    ):
        witness.request(1, k).begin({"kind": "promote", "plan": plan, "by": "x", "at": 0.0})
    refused(office)
    office.approve("alice", "bob")
    assert promote(office.world(), "west", BY)["result"] == "promoted"


def test_one_person_counts_once_however_often_and_with_however_many_keys(office):
    refused(office)
    office.hire("alice", key="approver@{}.2")
    office.approve("alice", "alice")
    asked = approving.requests(office.world(), 1)[-1]
    world = office.world("alice")
    second = world.keys.trust.key("approver@alice.2")
    say(office, asked, second, world)
    assert "has 1 of 2 approvals (alice)" in str(refused(office))
    assert sum("counts once" in why for why in whys(office)) == 2


def say(office, asked, key, world, **changed) -> None:
    """An approval that was signed elsewhere, by a program of one's own."""
    subject = subject_of(world, asked.kind, asked.digest)
    fields = {"id": "x" * 8, "at": world.clock(), "expires_s": 900.0, **changed}
    asked.request.add(sign_approval(world.keys, key, replace(subject, **fields.pop("subject", {})), **fields))


def test_who_is_not_asked_or_has_no_key_or_another_role_cannot_approve(office):
    refused(office)
    asked = approving.requests(office.world(), 1)[-1]
    with pytest.raises(ApprovalRefused, match="mallory is not asked") as raised:
        approving.approve(office.world("mallory"), asked, "mallory")
    assert raised.value.exit_code == 87
    with pytest.raises(KeyAbsent, match="an approval"):
        approving.approve(office.world(), asked, "alice")
    with pytest.raises(KeyAbsent, match=r"role approver|approver@alice"):
        approving.approve(office.world("bob"), asked, "alice")
    world = office.world("mallory")
    say(office, asked, world.keys.trust.key("approver@mallory"), world)
    promoter = world.keys.trust.key("promoter")
    say(office, asked, promoter, world)
    assert "has 0 of 2" in str(refused(office))
    told = whys(office)
    assert any("mallory is not among alice, bob, carol" in why for why in told)
    assert any("signed as approver" in why for why in told)
    untouched(office)


def test_nobody_approves_in_another_persons_name(office):
    refused(office)
    office.approve("bob")
    asked = approving.requests(office.world(), 1)[-1]
    world = office.world("bob")
    subject = subject_of(world, asked.kind, asked.digest)
    forged = {"person": "alice", "expires_at": time.time() + 900.0}
    asked.request.add(in_anothers_name(world.keys, "bob", APPROVAL_TYPE, subject, **forged))
    assert "has 1 of 2 approvals (bob)" in str(refused(office))
    assert any("key approver@bob signed as alice" in why for why in whys(office))
    untouched(office)
    asked.request.add(in_anothers_name(office.world("alice").keys, "alice", APPROVAL_TYPE, subject, **forged))
    assert promote(office.world(), "west", BY)["result"] == "promoted"


def test_a_revoked_key_counts_no_more_and_another_of_the_same_person_does(office):
    refused(office)
    office.approve("alice", "bob")
    revoke(office.rig.keys, "approver@bob", "his laptop was stolen", [])
    assert "has 1 of 2" in str(refused(office))
    assert any("approver@bob was revoked (his laptop was stolen)" in why for why in whys(office))
    office.hire("bob", key="approver@{}.2")
    office.approve("bob")
    assert promote(office.world(), "west", BY)["result"] == "promoted"


def test_an_approval_that_expired_does_not_count_and_is_given_anew(office):
    office.quorums["promote"] = replace(TWO, expires_s=60.0)
    refused(office)
    office.approve("alice", "bob", ahead_s=-90.0)
    assert "has 0 of 2" in str(refused(office))
    assert all("expired" in why for why in whys(office))
    untouched(office)
    office.approve("alice", "bob")
    assert promote(office.world(), "west", BY)["result"] == "promoted"


def test_nobody_gives_an_approval_for_longer_than_the_environment_says(office):
    refused(office)
    world = office.world("alice")
    asked = approving.requests(world, 1)[-1]
    say(office, asked, world.keys.trust.key("approver@alice"), world, expires_s=1e6)
    assert "has 0 of 2" in str(refused(office))
    assert any("the environment allows 15m" in why for why in whys(office))


@pytest.mark.parametrize("ahead_s", [3600.0, -3600.0])
def test_an_approval_by_a_clock_that_is_off_by_an_hour_does_not_count(office, ahead_s):
    refused(office)
    with pytest.raises(ApprovalRefused, match="does not count"):
        raise_as_seen(office, ahead_s)
    assert "has 0 of 2" in str(refused(office))
    assert any(("clock of alice" if ahead_s > 0 else "expired") in why for why in whys(office))


def raise_as_seen(office, ahead_s):
    """As `approve` tells it on a machine with a right clock."""
    world = office.world("alice", ahead_s=ahead_s)
    asked = approving.requests(world, 1)[-1]
    say(office, asked, world.keys.trust.key("approver@alice"), world, id="skewed")
    [why] = [word.why for word in words(office) if word.id == "skewed"]
    assert why is not None
    raise ApprovalRefused(f"it does not count: {why}")


def test_an_operator_whose_clock_is_an_hour_slow_counts_no_fresh_approval(office):
    refused(office)
    office.approve("alice", "bob")
    assert "has 0 of 2" in str(refused(office, ahead_s=-3600.0))
    assert "expired" in str(refused(office, ahead_s=3600.0))
    assert promote(office.world(), "west", BY)["result"] == "promoted"


def test_approvals_of_another_environment_family_kind_or_plan_do_not_count(office):
    refused(office)
    world = office.world("alice")
    asked = approving.requests(world, 1)[-1]
    key = world.keys.trust.key("approver@alice")
    for changed in ({"environment": "prod"}, {"environment_id": "other"}, {"kind": "switchover"}, {"plan": "0" * 64}):
        say(office, asked, key, world, subject=changed)
    assert "has 0 of 2" in str(refused(office))
    told = whys(office)
    assert sum("another environment" in why for why in told) == 2
    assert any("for a switchover, not a promote" in why for why in told)
    assert any("another plan" in why for why in told)


def test_an_approval_of_another_family_of_keys_is_nobodys(office, tmp_path):
    refused(office)
    other = Office(Rig(tmp_path / "other", encrypted=True))
    world = other.world("alice")
    asked = approving.requests(office.world(), 1)[-1]
    say(office, asked, world.keys.trust.key("approver@alice"), world)
    assert "has 0 of 2" in str(refused(office))
    assert any("do not hold" in why for why in whys(office))


def test_a_replayed_approval_counts_once_and_no_more_after_its_operation(office):
    refused(office)
    office.approve("alice")
    asked = approving.requests(office.world(), 1)[-1]
    [(_, envelope)] = asked.request.envelopes()
    asked.request.add(envelope)
    assert "has 1 of 2" in str(refused(office))
    office.approve("bob")
    with dying_at("fence"):
        promote(office.world(), "west", BY)
    control.abort(office.world(), by="other", reason="not now")
    assert len(office.rig.witness().assignments()) == 1, "nothing was sealed: the plan would be the same"
    for _, again in asked.request.envelopes():
        asked.request.add(again)
    assert "has 0 of 2" in str(refused(office))
    assert any("operation 1-1 was begun by it already" in why for why in whys(office))
    office.approve("alice", "carol")
    assert promote(office.world(), "west", BY)["result"] == "promoted"


def test_an_edited_approval_does_not_count_and_an_edited_record_before_another_blocks(office):
    refused(office)
    office.approve("alice")
    asked = approving.requests(office.world(), 1)[-1]
    [(_, envelope)] = asked.request.envelopes()
    payload = json.loads(parse_envelope(canonical(envelope), "x").payload)
    for field, value in (("person", "bob"), ("expires_at", payload["expires_at"] + 1e6), ("plan", "0" * 64)):
        forged = base64.b64encode(canonical({**payload, field: value})).decode()
        asked.request.add({**envelope, "payload": forged})
    half = [each for each in envelope["signatures"] if each["keyid"].endswith("ed25519")]
    asked.request.add({**envelope, "signatures": half})
    asked.request.add({**envelope, "signatures": []})
    asked.request.add({**envelope, "payloadType": "application/vnd.drstack.sign-off+json"})
    assert "has 1 of 2" in str(refused(office))
    assert len(whys(office)) == 6
    store = office.rig.stores["witness"]
    key = next(each for each in store.list("e/approvals") if each.endswith(f"{2:020d}"))
    store.delete(key)
    store.create(key, b"{}")
    with pytest.raises(WitnessUnsound):
        promote(office.world(), "west", BY)
    untouched(office)


def test_an_operation_that_began_with_approvals_is_resumed_after_they_expired_and_no_other_begins(office):
    refused(office)
    office.approve("alice", "bob")
    with dying_at("seal"):
        promote(office.world(), "west", BY)
    late = office.world(ahead_s=7200.0)
    assert control.resume(late, by="other")["result"] == "promoted"


def test_a_kill_between_the_approvals_and_the_beginning_leaves_them_as_they_are(office, monkeypatch):
    refused(office)
    office.approve("alice", "bob")

    def killed(*_):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(conduct, "begin", killed)
        with pytest.raises(Killed):
            promote(office.world(), "west", BY)
    untouched(office)
    assert promote(office.world(), "west", BY)["result"] == "promoted"


def test_who_resumes_counts_again(office):
    refused(office)
    office.approve("alice", "bob")
    with dying_at("fence"):
        promote(office.world(), "west", BY)
    revoke(office.rig.keys, "approver@alice", "stolen", [])
    with pytest.raises(ApprovalsMissing, match="operation 1-1") as raised:
        control.resume(office.world(), by="other")
    assert "drstack resume e" in raised.value.hint
    assert office.rig.sites["east"].fenced == 0
    office.approve("carol")
    assert control.resume(office.world(), by="other")["result"] == "promoted"


def test_an_operation_that_was_begun_without_approvals_is_not_carried_on(office):
    """As an older version, or an edited environment file, would begin it."""
    with dying_at("fence"):
        promote(office.world(quorums={}), "west", BY)
    with pytest.raises(ApprovalsMissing, match=r"operation 1-1 .* has 0 of 2"):
        promote(office.world(), "west", BY)
    assert office.rig.sites["east"].fenced == 0
    office.approve("alice", "bob")
    assert promote(office.world(), "west", BY)["result"] == "promoted"


def test_an_environment_that_asks_for_more_counts_more(office):
    refused(office)
    office.approve("alice", "bob")
    office.quorums["promote"] = Quorum(("alice", "bob", "carol"), 3, 900.0)
    assert "has 2 of 3" in str(refused(office))


def test_two_operators_with_the_same_approvals_come_to_one_operation(office):
    refused(office)
    office.approve("alice", "bob")
    with dying_at("seal"):
        promote(office.world(), "west", BY)
    ends = [promote(office.world(), "west", BY) for _ in range(2)]
    assert {end["result"] for end in ends} == {"promoted"}
    assert len(office.rig.witness().journals(1)) == 1


def test_an_approval_for_a_plan_that_was_overtaken_is_refused(office):
    refused(office)
    old = approving.requests(office.world(), 1)[-1]
    promote(office.world(quorums={}), "west", BY)
    with pytest.raises(OperationConflict, match="and 2 stands now"):
        approving.approve(office.world("alice"), old, "alice")


def test_an_abort_and_new_keys_need_nobodys_approval(office):
    with dying_at("assign"):
        promote(office.world(quorums={}), "west", BY)
    told = control.abort(office.world(), by="other", reason="a mistake")
    assert told["result"] == "aborted"
    assert any("may write gpt again" in each for each in told["next"])


def test_breaking_glass_where_nobody_is_asked_is_refused(office):
    with pytest.raises(ConsentRequired, match="no glass to break"):
        promote(office.world(quorums={}), "west", Given(by="t", break_glass="alice", reason="r"))


def test_a_wait_ends_once_there_are_enough(office):
    missing = refused(office)
    rounds = []

    def sleep(_):
        rounds.append(1)
        office.approve("alice" if len(rounds) == 1 else "bob")

    approving.wait(office.world(sleep=sleep), missing)
    assert len(rounds) == 2
    assert promote(office.world(), "west", BY)["result"] == "promoted"
