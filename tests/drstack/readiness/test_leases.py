"""Leases: who does not hold what it should, and what a promotion would wait for; judged, and read from a real witness."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from drstack.errors import LeaseLost, OperationConflict, WitnessUnsound
from drstack.readiness.checks.leases import leases
from drstack.readiness.leasing import Leasing
from drstack.recovery.conduct import look
from drstack.recovery.leases import LeasePolicy
from drstack.recovery.timekeeping import judge_clocks
from drstack.witness.assignment import Assignment, WorkloadAssignment
from drstack.witness.leases import TAKE
from replicator.log.slots import slot_key
from tests.drstack.readiness.situations import NOW, good, lease, with_lease
from tests.drstack.recovery.world import NEED, Rig

RUNNING = {"id": "1-1"}


def never(_: str) -> bool:
    return False


def said(last, **changed) -> tuple[str, str]:
    [found] = leases(replace(with_lease(last), **changed))
    return found.id, found.what


def test_one_that_is_renewed_says_only_what_a_promotion_would_wait_for_at_worst():
    id_, what = said(lease())
    assert id_ == "lease-wait"
    assert "would wait up to 67 s for the leases of gpt to end" in what


@pytest.mark.parametrize(("age_s", "found"), [(20.0, "lease-wait"), (44.0, "lease-wait"), (46.0, "lease-unrenewed")])
def test_it_is_late_once_two_renewals_are_missing(age_s, found):
    assert said(lease(age_s))[0] == found


def test_a_late_one_says_until_when_its_work_runs_and_what_is_waited_for():
    assert "may run for 10 s more; a promotion would wait up to 67 s" in said(lease(50.0))[1]
    assert (
        "not renewed its lease of gpt for 80 s, and should every 20 s: its work there has to stand still"
        in (said(lease(80.0))[1])
    )


def test_age_is_told_by_the_clock_of_whoever_wrote_it():
    """East's clock is an hour ahead, and so is what it writes."""
    situation = with_lease(lease(-3600.0))
    ahead = replace(situation.facts, time=judge_clocks(NOW, {"east": NOW + 3600, "west": NOW}))
    assert [each.id for each in leases(replace(situation, facts=ahead))] == ["lease-wait"]
    stale = replace(with_lease(lease(-3500.0)), facts=ahead)
    assert "for 100 s" in next(each.what for each in leases(stale))


def test_one_that_the_witness_refuses_says_why():
    id_, what = said(lease(site="west"))
    assert id_ == "lease-elsewhere"
    assert "the witness refuses east" in what
    id_, what = said(lease(term=2))
    assert id_ == "lease-ahead"
    assert "of term 2, and the newest that is assigned is 1" in what


def test_one_of_an_earlier_term_is_none():
    assert said(lease(term=0))[0] == "lease-absent"
    assert list(leases(replace(with_lease(None), operation=RUNNING))) == []


def test_one_that_was_taken_is_told_once_its_operation_has_ended_and_nobody_held_it_again():
    taken = lease(90.0, kind=TAKE, site=None, operation="1-1")
    assert list(leases(replace(with_lease(taken), operation=RUNNING))) == []
    assert list(leases(with_lease(replace(taken, at=NOW - 1)))) == []
    id_, what = said(taken)
    assert id_ == "lease-unrenewed"
    assert "operation 1-1 took the lease of gpt 90 s ago" in what


def test_a_wait_beyond_the_objective_is_told_instead():
    id_, what = said(lease(for_s=600.0))
    assert id_ == "lease-beyond-rto"
    assert "would wait up to 10 min for its lease to end; the objective is 10 min" in what


def test_nothing_is_said_where_leases_are_off():
    assert list(leases(good())) == []


@pytest.fixture
def rig(tmp_path):
    made = Rig(tmp_path)
    made.save(10)
    return made


def leased(rig):
    policy = LeasePolicy(drift_s=1.0, pause_s=3.0, now=time.monotonic)
    return replace(rig.world(replace(NEED, leased=True)), leases=policy)


def test_what_is_read_is_what_the_holder_wrote_and_each_look_sees_the_newest(rig):
    world, leasing = leased(rig), Leasing()
    facts = look(world)
    assert leasing.look(world, facts, 10.0).last == {"gpt": None}
    log = rig.witness().leases("gpt")
    before = time.time()
    log.hold(site="east", term=1, for_s=30.0, over=never)
    last = leasing.look(world, facts, 10.0).last["gpt"]
    assert (last.n, last.site, last.for_s) == (1, "east", 30.0)
    assert before <= last.at <= time.time()
    log.hold(site="east", term=1, for_s=30.0, over=never)
    assert leasing.look(world, facts, 10.0).last["gpt"].n == 2
    with pytest.raises(LeaseLost):
        log.hold(site="west", term=1, for_s=30.0, over=never)


def test_a_look_at_a_long_log_costs_what_is_new_in_it(rig):
    log = rig.witness().leases("gpt")
    for _ in range(40):
        log.hold(site="east", term=1, for_s=30.0, over=never)
    world, leasing, asked = leased(rig), Leasing(), []
    facts, store = look(world), world.witness._store
    get = store.get
    store.get = lambda key: (asked.append(key), get(key))[1]
    assert leasing.look(world, facts, 10.0).last["gpt"].n == 40
    first = len(asked)
    assert leasing.look(world, facts, 10.0).last["gpt"].n == 40
    assert len(asked) - first == 1


def test_what_was_assigned_since_the_facts_is_left_to_the_next_look(rig):
    """Otherwise a promotion that ends just now would look like a witness that has lost assignments."""
    world, leasing = leased(rig), Leasing()
    facts = look(world)
    log = rig.witness().leases("gpt")
    log.hold(site="west", term=2, for_s=30.0, over=never)
    assert leasing.look(world, facts, 10.0).last["gpt"].term == 2
    with pytest.raises(OperationConflict):
        log.take(term=1, operation="1-1")
    rig.witness().assign(
        Assignment(number=2, cause="promote", workloads={"gpt": WorkloadAssignment(writer="west", term=2)})
    )
    assert leasing.look(world, facts, 10.0).last == {}


def test_a_record_that_cannot_be_read_is_never_skipped(rig):
    rig.witness().leases("gpt").hold(site="east", term=1, for_s=30.0, over=never)
    world = leased(rig)
    facts = look(world)
    world.witness._store.create(slot_key("e/leases/gpt", 2), b"no record")
    with pytest.raises(WitnessUnsound):
        Leasing().look(world, facts, 10.0)


def test_a_workload_without_a_lease_is_not_asked_for(rig):
    world = replace(leased(rig), needs={"gpt": NEED})
    assert Leasing().look(world, look(world), 10.0).last == {}
    assert Leasing().look(rig.world(), look(rig.world()), 10.0) is None
