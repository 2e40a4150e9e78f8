"""A lease that was declared expired is held by nobody; each way to get that wrong is found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.simulation.leases import LEASE_BUGS, run_lease

if TYPE_CHECKING:
    from tools.cases import Cases

ENOUGH = 1_500


@pytest.mark.faults("simulation", 300, 20_000)
@pytest.mark.timeout(3600)
def test_no_lease_is_declared_expired_while_its_holder_acts_on_it(cases: Cases) -> None:
    declared = renewed = 0
    for seed in cases.seeds():
        world, scheduler = run_lease(seed)
        assert world.found == [], f"DRSTACK_SEED={seed}\n{scheduler.story()}\n{world.found}"
        assert scheduler.crashes == {}, scheduler.crashes
        declared += world.declared
        renewed += world.renewals
    cases.found(f"leases: {declared} declared expired, {renewed} renewals")
    assert declared
    assert renewed


@pytest.mark.parametrize("bug", LEASE_BUGS)
def test_a_planted_bug_lets_two_act_at_once_within_the_seeds(bug: str) -> None:
    for seed in range(ENOUGH):
        if run_lease(seed, bug)[0].found:
            assert run_lease(seed, bug)[1].story() == run_lease(seed, bug)[1].story()
            return
    pytest.fail(f"{ENOUGH} seeds did not find: {bug}")
