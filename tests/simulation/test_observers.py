"""Automatic promotion on a simulated world: never wrongly, in time where a site died, and each planted bug is found."""

from __future__ import annotations

import pytest

from tests.simulation.observers import AUTOMATIC_BUGS, POLICY, TTL, run_automatic
from tools.cases import only_seed


@pytest.mark.faults("simulation", 500, 20_000)
@pytest.mark.timeout(3600)
def test_no_run_promotes_wrongly_and_a_death_is_answered(cases):
    promoted = answered = restarted = 0
    for seed in cases.seeds():
        world = run_automatic(seed)
        story = "\n".join(world.story)
        assert world.found == [], f"DRSTACK_SEED={seed}\n{story}\n{world.found}"
        kind, at, _ = world.plan
        if kind in ("death", "twice"):
            late_s = world.operations[0].began - at if world.operations else None
            assert late_s is not None, f"DRSTACK_SEED={seed}: nobody answered\n{story}"
            assert late_s <= POLICY.after_s + TTL + POLICY.lease_margin_s + 20, f"DRSTACK_SEED={seed}\n{story}"
            assert world.operations[0].started
            assert len(world.operations) == 1, f"DRSTACK_SEED={seed}\n{story}"
            answered += 1
        if kind == "trainer":
            assert world.restarts, f"DRSTACK_SEED={seed}\n{story}"
            restarted += 1
        if kind in ("calm", "trainer", "standby", "flap", "cut some", "cut all", "stale", "islands"):
            assert not world.operations, f"DRSTACK_SEED={seed}: {kind}\n{story}"
        promoted += len(world.operations)
    cases.found(f"observers: {promoted} promotions, {answered} deaths answered, {restarted} trainers started again")
    if only_seed() is None:
        assert answered
        assert restarted


@pytest.mark.parametrize("bug", AUTOMATIC_BUGS)
def test_a_planted_bug_is_found_within_the_seeds_and_its_seed_tells_the_same_again(bug):
    for seed in range(500):
        world = run_automatic(seed, bug)
        if world.found:
            assert (run_automatic(seed, bug).story, run_automatic(seed, bug).found) == (world.story, world.found)
            return
    pytest.fail(f"500 seeds did not find: {bug}")
