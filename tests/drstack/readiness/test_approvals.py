"""Approvals: who could sign, what waits, what was never signed off; on real keys, requests and a witness."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from drstack.errors import ApprovalsMissing
from drstack.readiness.approvals import look_at_approvals, unsigned
from drstack.readiness.checks.approvals import approvals
from drstack.readiness.situation import Situation
from drstack.recovery import glass
from drstack.recovery.conduct import look, promote
from drstack.recovery.operation import unfinished
from drstack.recovery.plan import Given
from drstack.recovery.quorum import Quorum
from replicator.repository.custody import revoke
from tests.drstack.readiness.situations import TWO, good, request, with_approvals
from tests.drstack.recovery.people import BY, Office
from tests.drstack.recovery.test_interruptions import dying_at
from tests.drstack.recovery.world import Rig


@pytest.fixture
def office(tmp_path):
    made = Office(Rig(tmp_path, encrypted=True))
    made.rig.save(10)
    return made


def asks(office, **changed) -> str:
    with pytest.raises(ApprovalsMissing) as raised:
        promote(office.world(**changed), "west", BY)
    return raised.value.digest[:16]


def found(office, *, later_s: float = 0.0) -> dict[str, tuple[str, str]]:
    """By id, what is found and its remedy."""
    world = office.world(ahead_s=later_s)
    running, facts = unfinished(world.witness), look(world)
    of = look_at_approvals(world, facts.assignment.number, running)
    made = Situation("e", time.time() + later_s, "w", facts, approvals=of, unsigned=unsigned(world))
    return {each.id: (each.what, each.remedy) for each in approvals(made)}


def test_where_everybody_has_a_key_and_nothing_waits_nothing_is_found(office):
    assert found(office) == {}


def test_a_request_is_found_until_it_is_begun_and_its_remedy_names_who_can_sign_it(office):
    digest = asks(office)
    what, remedy = found(office)["approval-waits"]
    assert f"promotion to west (plan {digest}), which test asked for" in what
    assert "has 0 of 2 approvals; still asked: alice, bob, carol" in what
    assert remedy == f"drstack approve e --hash {digest} --as alice"
    office.approve("alice")
    what, remedy = found(office)["approval-waits"]
    assert "has 1 of 2 approvals (alice); still asked: bob, carol" in what
    assert remedy.endswith("--as bob")
    office.approve("bob")
    what, remedy = found(office)["approval-waits"]
    assert "was not begun: whoever asked runs the same command again" in what
    assert remedy.startswith("drstack promote e --to west")
    promote(office.world(), "west", BY)
    assert found(office) == {}


def test_one_whose_approvals_have_expired_is_old_and_waits_no_more(office):
    asks(office)
    office.approve("alice")
    what, remedy = found(office, later_s=1000.0)["approval-expired"]
    assert "no approval of it counts any more" in what
    assert remedy == "drstack approve e --list"


def test_one_that_was_begun_waits_for_nobody_while_its_operation_runs(office):
    asks(office)
    office.approve("alice", "bob")
    with dying_at("assign"):
        promote(office.world(), "west", BY)
    assert unfinished(office.rig.witness()) is not None
    assert found(office) == {}


def test_a_running_operation_whose_approvals_hold_no_more_waits_and_is_named(office):
    asks(office)
    office.approve("alice", "bob")
    with dying_at("assign"):
        promote(office.world(), "west", BY)
    revoke(office.rig.keys, "approver@bob", "lost laptop", [])
    what, remedy = found(office)["approval-waits"]
    assert what.startswith("operation 1-1, a promotion to west (plan ")
    assert "has 1 of 2 approvals (alice); still asked: bob, carol" in what
    assert remedy.endswith("--as carol")


def test_people_without_a_key_and_with_a_revoked_one_are_told_apart(office):
    office.quorums["promote"] = replace(TWO, of=("alice", "bob", "carol", "dora"))
    revoke(office.rig.keys, "approver@bob", "lost laptop", [])
    what, remedy = found(office)["approvers-lacking"]
    assert "could be approved by alice, carol only" in what
    assert "bob (key revoked: lost laptop), dora (no key)" in what
    assert remedy.startswith("drstack keys approver e bob (")
    office.hire("bob", key="approver@{}.2")
    assert "no key that counts here: dora (no key)" in found(office)["approvers-lacking"][0]


def test_too_few_keys_say_whether_the_glass_could_be_broken(office):
    revoke(office.rig.keys, "approver@bob", "lost laptop", [])
    revoke(office.rig.keys, "approver@carol", "left", [])
    what, _ = found(office)["approvers-few"]
    assert "1 of the 2 people that a promotion takes could approve it: alice; only alice may go on without" in what
    revoke(office.rig.keys, "approver@alice", "left", [])
    what, _ = found(office)["approvers-absent"]
    assert "0 of the 2 people that a promotion takes could approve it: nobody; and nobody could break the glass" in what


def test_too_few_for_what_is_no_promotion_never_block_one():
    short = with_approvals(kind="switchover", alice="no key", bob="no key")
    assert [each.id for each in approvals(short)] == ["approvers-lacking"]


def test_glass_that_was_broken_is_found_until_somebody_else_signs_it_off(office):
    promote(office.world("alice"), "west", Given(by="test", break_glass="alice", reason="nobody answers"))
    what, remedy = found(office)["glass-unsigned"]
    assert "went on WITHOUT APPROVALS by alice" in what
    assert "nobody answers; NOT SIGNED OFF, which bob or carol may" in what
    assert remedy == "drstack approve e --after-the-fact 1-1 --as bob"
    glass.sign_off(office.world("bob"), "1-1", "bob")
    assert found(office) == {}


def test_glass_that_nobody_may_sign_off_any_more_says_so(office):
    promote(office.world("alice"), "west", Given(by="test", break_glass="alice", reason="nobody answers"))
    office.quorums.clear()
    [told] = unsigned(office.world())
    [each] = approvals(good(unsigned=(told,)))
    assert each.remedy.startswith("name people under approvals.promote.of, then: drstack approve e --after-the-fact")


def test_without_keys_at_hand_nobody_could_approve(tmp_path):
    world = replace(Rig(tmp_path).world(), quorums={"promote": Quorum(("alice",), 1, 900.0)})
    of = look_at_approvals(world, 1, None)
    assert [each.id for each in approvals(good(approvals=of))] == ["approvers-absent", "glass-nobody"]


def test_an_operation_that_lacks_approvals_is_named():
    [each] = approvals(with_approvals(request(5000.0, given=(), operation="1-1")))
    assert each.id == "approval-waits"
    assert each.what.startswith("operation 1-1, a promotion to west")
