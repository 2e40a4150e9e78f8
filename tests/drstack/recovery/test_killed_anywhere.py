"""An operator killed at any write of any step of any plan, and another one who takes it up: one end, the same as undisturbed.

CI takes some of the writes, `make soak` all of them.
"""

from __future__ import annotations

import os
from contextlib import nullcontext, suppress
from functools import partial

import pytest

from drstack.errors import OperationConflict
from drstack.recovery import control
from drstack.recovery.conduct import promote
from drstack.recovery.plan import Given
from tests.drstack.recovery.fleet import Fleet
from tests.drstack.recovery.killing import DyingAt, die_at, with_faults, without_faults, writes_of
from tests.drstack.recovery.test_switchover import Ticking, saves_as_it_stops
from tests.replicator.repository.rig import Killed

BY = Given(by="test")
NAMES = ("a", "b")
STRIDE = 1 if os.environ.get("DRSTACK_SOAK") else 7
PLANS = {
    "promote": lambda fleet: promote(fleet.world(), "west", BY),
    "one alone": lambda fleet: promote(fleet.world(), "west", Given(by="test", only=("b",))),
    "switchover": lambda fleet: promote(fleet.world(), "west", BY, kind="switchover"),
    "abort": lambda fleet: control.abort(quick(fleet), by="test", reason="not today"),
}
WRITERS = {"one alone": {"a": "east", "b": "west"}, "abort": {"a": "east", "b": "east"}}


def fleet_at(folder, plan):
    fleet = Fleet(folder, names=NAMES)
    fleet.save()
    saves_as_it_stops(fleet)
    if plan == "abort":
        with_faults(fleet, DyingAt("assignments/"))
        with pytest.raises(Killed):
            promote(fleet.world(), "west", BY, kind="switchover")
        without_faults(fleet)
    return fleet


def carry_out(plan, fleet):
    """An abort that had come to its end is not there to be aborted once more."""
    with suppress(OperationConflict) if plan == "abort" else nullcontext():
        PLANS[plan](fleet)


def quick(fleet):
    """A world in which waiting takes no time."""
    clock = Ticking()
    return fleet.world(clock=clock, sleep=clock.sleep)


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("plan", PLANS)
def test_there_is_one_end(tmp_path, plan, before):
    undisturbed = fleet_at(tmp_path / "undisturbed", plan)
    count = writes_of(undisturbed, lambda: PLANS[plan](undisturbed))
    assert count > 10
    for n in range(0, count, STRIDE):
        fleet = fleet_at(tmp_path / f"{n}", plan)
        die_at(fleet, n, partial(carry_out, plan, fleet), count=count, before=before)
        carry_out(plan, fleet)
        told = f"killed {'before' if before else 'after'} write {n} of {count}"
        assert fleet.writers() == WRITERS.get(plan, dict.fromkeys(NAMES, "west")), told
        for name in NAMES:
            views = [fleet.repository(place).log(name).view() for place in fleet.places]
            assert {view.term for view in views} == {fleet.witness().current().workloads[name].term}, told
            assert all(view.writable for view in views), told
        starts = fleet.sites["west"].starts
        assert sorted(starts) == {"abort": [], "one alone": ["b"]}.get(plan, ["a", "b"]), told
        if plan == "abort":
            assert {step for _, step in fleet.sites["east"].started.values()} == {20}, told
            assert sorted(fleet.sites["east"].started) == ["a", "b"], told
        if plan == "switchover":
            assert {step for _, step in fleet.sites["west"].started.values()} == {20}, told
