"""Whole operations under seeds: promote, switchover, failback, fence and lift, one alone, abort, pause, skip, resume.

Several operators at once, some of whom die, act on old plans, or see half of it: DESIGN 2 holds after each step, each planted
bug is found, and a seed makes the same run again.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.simulation.operations import run_operations
from tests.simulation.planted import OPERATION_BUGS, PLANTED
from tools.cases import at_length, only_seed

if TYPE_CHECKING:
    from tools.cases import Cases

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200 if at_length() else 300)]
WHOLE = 500
WORTH_IT = {
    "kind promote", "kind switchover", "kind fence", "result promoted", "result switched over", "result fenced",
    "somebody died", "an answer was lost", "three terms", "bought", "acknowledged", "started again", "a step failed",
    "two operations were begun on one assignment",
}  # fmt: skip


@pytest.mark.faults("simulation", 50, WHOLE)
def test_operations_keep_the_promises_under_every_seed(cases: Cases) -> None:
    reached: set[str] = set()
    steps = 0
    for seed in cases.seeds():
        outcome = run_operations(seed)
        reached |= outcome.reached
        steps += outcome.steps
        assert outcome.found == [], outcome.told()
    cases.found(f"whole operations: {steps} steps")
    assert only_seed() is not None or not at_length() or reached >= WORTH_IT, sorted(WORTH_IT - reached)


@pytest.mark.parametrize("bug", OPERATION_BUGS)
def test_a_planted_bug_is_found_within_the_seeds(bug: str) -> None:
    """The seed that found it last comes first: another change to what runs may have moved it."""
    sign, seed = PLANTED[bug].sign, PLANTED[bug].seed
    for each in dict.fromkeys((seed, *range(WHOLE if at_length() else 130))):
        outcome = run_operations(each, bug)
        if any(sign in found for found in outcome.found):
            assert run_operations(each, bug).told() == outcome.told()
            return
    pytest.fail(f"no seed found: {bug}")


def test_a_failing_seed_replays_exactly_in_another_process() -> None:
    bug = "seals only the target"
    told = run_operations(PLANTED[bug].seed, bug).told()
    assert PLANTED[bug].sign in told
    program = (
        "from tests.simulation.operations import run_operations\n"
        f"print(run_operations({PLANTED[bug].seed}, {bug!r}).told())"
    )
    for salt in ("1", "2"):
        again = subprocess.run(
            [sys.executable, "-c", program], cwd=Path(__file__).parents[2], env={**os.environ, "PYTHONHASHSEED": salt},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert again.stdout == told + "\n"


@pytest.mark.parametrize("seed", [188, 399, 453, 485])
def test_what_an_abort_or_a_lift_starts_again_was_not_taken_by_another_operation_meanwhile(seed: int) -> None:
    """Each found work that an abort or a lift had started after the fence of an operation that was begun since."""
    assert run_operations(seed, "").found == []
