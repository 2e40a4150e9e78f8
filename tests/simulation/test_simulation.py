"""The real log, seals and opens under seeded schedules: the protocol holds, and each planted bug is found.

DRSTACK_SEED=n runs that seed alone and prints its story; DRSTACK_SOAK=1 runs many more. The planted bugs of leases and
roles, of which nothing is in the log, are found in test_leases.py and test_roles.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.simulation.features import EVERY
from tests.simulation.scenario import BUGS, run
from tools.cases import at_length, only_seed

if TYPE_CHECKING:
    from tools.cases import Cases

pytestmark = pytest.mark.slow
ENOUGH = 2_000
SIGNS = {
    "receipts-only seal": "was acknowledged and",
    "list-then-put": "was acknowledged and",
    "reuse of a lost slot's decision": "was acknowledged and",
    "sparse slots": "was acknowledged and",
    "re-check, then delete": "its pack",
    "heads of every term taken from the seals": "although assignment",
    "heads without counters": "names two checkpoints",
    "no word from those that acknowledge": "was acknowledged and",
    "compacts, then deletes what it saw": "its pack",
    "deletes, then compacts": "its pack",
    "reads what it saw before its pin": "did not find its pack",
    "names what was let go of": "its pack",
}


@pytest.mark.slow
@pytest.mark.timeout(7200 if at_length() else 300)
@pytest.mark.faults("simulation", 2_000, 50_000)
def test_the_protocol_keeps_its_promises_under_every_seed(cases: Cases) -> None:
    reached: set[str] = set()
    steps, began = 0, time.process_time()
    for seed in cases.seeds():
        outcome = run(seed)
        reached |= outcome.reached
        steps += outcome.steps
        if only_seed() is not None:
            print(outcome.told())
        assert outcome.found == [], outcome.told()
    assert only_seed() is not None or reached >= EVERY, sorted(EVERY - reached)
    cases.found(f"model: {steps} steps, {steps / (time.process_time() - began):.0f} a second of processor time")


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_breaks_a_promise_within_the_seeds(bug: str) -> None:
    for seed in range(ENOUGH):
        if any(SIGNS[bug] in each for each in run(seed, bug).found):
            assert not run(seed).found
            return
    pytest.fail(f"{ENOUGH} seeds did not find: {bug}")


def test_a_seed_makes_the_same_run_again() -> None:
    for seed in (1, 131, 404, 1993):
        first, again = run(seed), run(seed)
        assert first.story() == again.story()
        assert first.reached == again.reached
    assert len({run(seed).story() for seed in range(20)}) == 20


def test_a_seed_makes_the_same_run_in_another_process() -> None:
    program = "from tests.simulation.scenario import run; print(run(404).told())"
    told = {
        subprocess.run(
            [sys.executable, "-c", program], cwd=Path(__file__).parents[2], env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert told == {run(404).told() + "\n"}


def test_a_violation_is_told_with_its_seed_and_every_step_of_its_run() -> None:
    outcome = next(each for each in (run(seed, "list-then-put") for seed in range(ENOUGH)) if each.found)
    told = outcome.told()
    assert f"DRSTACK_SEED={outcome.seed}" in told
    assert "create W assignments/2" in told
    assert outcome.found[0] in told
    assert run(outcome.seed, "list-then-put").told() == told
