"""Requests follow the assignment: decided with it, turned by whoever executes the promotion, never in its way."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drstack.errors import ActuatorFailed, EnvironmentUnknown, NotReady, OperationConflict, StepFailed
from drstack.recovery.conduct import promote
from drstack.recovery.plan import Given
from drstack.recovery.ports import RouterObservation
from drstack.recovery.shares import describe_shares, set_shares
from drstack.recovery.traffic import Traffic, plan_shift, weights_after
from drstack.witness.assignment import Assignment, WorkloadAssignment
from tests.drstack.recovery.test_interruptions import dying_at, lose
from tests.drstack.recovery.world import Rig

BY = Given(by="test")
SITES = ("east", "north", "west")
SHARES = st.dictionaries(st.sampled_from(SITES), st.integers(0, 100), min_size=1)


@dataclass
class RememberedRouter:
    """A router that remembers what it was told. `away`: how often it still does not answer."""

    weights: dict[str, int] = field(default_factory=lambda: {"east": 100, "west": 0})
    number: int = 1
    healthy: dict[str, bool] = field(default_factory=lambda: {"east": True, "west": True})
    turned: list[dict[str, int]] = field(default_factory=list)
    away: int = 0
    fails_at: dict[str, int] | None = None
    errors: int = 0

    def observe(self, *, deadline_s: float) -> RouterObservation:
        if self.away:
            self.away -= 1
            return RouterObservation(reachable=False, why="no such socket")
        self.errors += self.weights == self.fails_at
        return RouterObservation(
            reachable=True, assignment=self.number, urls={"chat": "http://127.0.0.1:1"},
            weights={"chat": dict(self.weights)}, healthy={"chat": dict(self.healthy)}, errors={"chat": self.errors},
        )  # fmt: skip

    def set_weights(self, workload, weights, *, assignment, deadline_s, instead_of=None) -> None:
        if assignment < self.number:
            raise ActuatorFailed("older")
        if instead_of is not None and self.weights not in (instead_of, weights):
            raise ActuatorFailed("somebody else turned it meanwhile")
        self.weights, self.number = dict(weights), assignment
        self.turned.append(self.weights)


@pytest.fixture
def rig(tmp_path):
    """East writes gpt and serves chat; west stands by, warm."""
    made = Rig(tmp_path)
    witness = made.witness()
    first = witness.current()
    chat = WorkloadAssignment(writer="east", term=2, serves={"east": 100, "west": 0})
    both = {**first.workloads, "chat": chat}
    witness.assign(Assignment(number=2, workloads=both, cause="extend"))
    made.save(10)
    return made


def world(rig, router, *, ticks=False):
    made = replace(rig.world(), router=router, serving=("chat",))
    if ticks:
        seconds = itertools.count(start=time.time(), step=1.0)
        made = replace(made, clock=lambda: float(next(seconds)))
    return made


def test_a_promotion_moves_the_requests_and_the_assignment_says_so(rig):
    lose(rig, "east")
    router = RememberedRouter(healthy={"east": False, "west": True})
    end = promote(world(rig, router), "west", BY)
    assert end["result"] == "promoted"
    part = rig.witness().current().workloads["chat"]
    assert (part.serves, part.writer, part.term) == ({"east": 0, "west": 100}, "west", 3)
    assert (router.weights, router.number, router.turned) == ({"east": 0, "west": 100}, 3, [{"east": 0, "west": 100}])
    assert "chat" in rig.sites["west"].served


def test_a_router_that_is_away_never_keeps_the_training_waiting(rig):
    lose(rig, "east")
    router = RememberedRouter(healthy={"east": False, "west": True}, away=1)
    end = promote(world(rig, router), "west", BY)
    assert end["result"] == "promoted"
    assert router.weights == {"east": 0, "west": 100}

    again = RememberedRouter(away=10**9)
    with pytest.raises(StepFailed, match=r"do not reach the sites that are to serve: .*no such socket"):
        Traffic(world(rig, again, ticks=True), rig.witness().current()).settle()


def test_requests_that_could_not_be_moved_leave_the_operation_unfinished_with_the_training_started(rig):
    lose(rig, "east")
    router = RememberedRouter(healthy={"east": False, "west": False})
    with pytest.raises(StepFailed, match="no replica at west is ready"):
        promote(world(rig, router, ticks=True), "west", BY)
    assert rig.sites["west"].starts
    router.healthy["west"] = True
    assert promote(world(rig, router), "west", BY)["result"] == "promoted"
    assert len(rig.sites["west"].starts) == 1


@pytest.mark.parametrize("phase", ["requests", "start", "prove", "reconcile"])
def test_a_promotion_that_died_moves_the_requests_when_it_is_taken_up(rig, phase):
    lose(rig, "east")
    router = RememberedRouter(healthy={"east": False, "west": True})
    with dying_at(phase):
        promote(world(rig, router), "west", BY)
    assert promote(world(rig, router), "west", BY)["result"] == "promoted"
    assert router.weights == {"east": 0, "west": 100}
    assert len(rig.witness().assignments()) == 3


def test_where_nothing_is_served_a_promotion_asks_for_no_router(tmp_path):
    rig = Rig(tmp_path)
    rig.save(10)
    assert promote(rig.world(), "west", BY)["result"] == "promoted"


def test_a_shift_that_makes_errors_is_taken_back(rig):
    router = RememberedRouter(fails_at={"east": 50, "west": 50}, number=2)
    part = WorkloadAssignment(writer="east", term=2, serves={"east": 0, "west": 100})
    wanted = Assignment(number=3, workloads={"chat": part}, cause="promote")
    told = Traffic(world(rig, router, ticks=True), wanted).move_now()
    assert "taken back to east 90 %, west 10 %" in told["left"]["chat"]
    assert router.weights == {"east": 90, "west": 10}
    router.fails_at = None
    assert Traffic(world(rig, router, ticks=True), wanted).settle() == {"chat": {"east": 0, "west": 100}}


@pytest.mark.slow
def test_shares_change_by_an_assignment_that_opens_no_term(rig):
    router = RememberedRouter(number=2)
    made = set_shares(world(rig, router), "chat", {"east": 50, "west": 50})
    assert (made.number, made.cause, made.workloads["chat"].term) == (3, "traffic", 2)
    assert rig.witness().current().workloads["gpt"].term == 1
    assert (router.weights, router.number) == ({"east": 50, "west": 50}, 3)
    assert set_shares(world(rig, router), "chat", {"east": 50, "west": 50}).number == 3
    rig.save(20)
    lose(rig, "east")
    router.healthy["east"] = False
    assert promote(world(rig, router), "west", BY)["number"] == 4
    assert router.weights == {"east": 0, "west": 100}
    assert describe_shares(world(rig, router))["chat"]["assigned"] == {"east": 0, "west": 100}


def test_a_share_is_not_given_to_a_site_that_is_not_ready_nor_in_the_middle_of_a_promotion(rig):
    router = RememberedRouter(healthy={"east": True, "west": False})
    with pytest.raises(NotReady, match="no replica of chat at west"):
        set_shares(world(rig, router, ticks=True), "chat", {"west": 100})
    assert rig.sites["west"].served == ["chat"]
    with pytest.raises(EnvironmentUnknown, match="add up to 90"):
        set_shares(world(rig, router), "chat", {"west": 90})
    with pytest.raises(EnvironmentUnknown, match="no site 'north'"):
        set_shares(world(rig, router), "chat", {"north": 100})
    with pytest.raises(EnvironmentUnknown, match="serves no 'gpt'"):
        set_shares(world(rig, router), "gpt", {"west": 100})
    lose(rig, "east")
    with dying_at("pin"):
        promote(world(rig, router, ticks=True), "west", BY)
    with pytest.raises(OperationConflict, match="has not ended"):
        set_shares(world(rig, router), "chat", {"west": 100})


@given(SHARES, st.sets(st.sampled_from(SITES)), st.sampled_from(SITES))
def test_no_share_is_lost_and_no_site_that_is_gone_keeps_one(serves, gone, target):
    after = weights_after(serves, gone, target)
    assert sum(after.values()) == (sum(serves.values()) or 100)
    assert all(after[site] == 0 for site in gone & after.keys() if site != target)
    assert all(after[site] == serves[site] for site in serves.keys() - gone - {target})
    assert all(weight >= 0 for weight in after.values())


@given(SHARES, SHARES, st.sets(st.sampled_from(SITES)))
def test_a_shift_ends_as_wanted_and_goes_in_steps_only_where_all_that_move_answer(now, wanted, answering):
    steps = plan_shift(now, wanted, answering)
    if dict(now) == dict(wanted):
        assert steps == ()
        return
    assert steps[-1] == wanted
    moved = {site for site in SITES if now.get(site, 0) != wanted.get(site, 0)}
    if len(steps) > 1:
        assert moved <= answering
    path = [dict(now), *steps]
    for earlier, later in itertools.pairwise(path):
        for site in SITES:
            low, high = sorted((now.get(site, 0), wanted.get(site, 0)))
            assert low <= later.get(site, 0) <= high
            assert abs(wanted.get(site, 0) - later.get(site, 0)) <= abs(wanted.get(site, 0) - earlier.get(site, 0))
