"""Ratios are taken within a round, and every contestant has each place in a round as often as the others."""

from __future__ import annotations

import pytest

from benchmarks.measure import Run
from benchmarks.spread import Spread, byte_ratio, rounds, speed_ratio


def took(wall_s: float, stored_bytes: int = 0) -> Run:
    return Run(wall_s, wall_s, 1, stored_bytes)


def test_a_ratio_is_of_one_round_so_that_a_slow_spell_cancels_out():
    done = [
        {"ours": took(1), "theirs": took(5)},
        {"ours": took(10), "theirs": took(50)},
        {"ours": took(2), "theirs": took(10)},
    ]
    assert speed_ratio(done, "ours", "theirs") == Spread(5, 5, 5, 3)


def test_the_median_is_told_with_least_and_most():
    assert Spread.of([3, 1, 2]) == Spread(1, 2, 3, 3)
    with pytest.raises(ValueError, match="nothing was measured"):
        Spread.of([])


def test_bytes_beside_none_are_no_ratio_but_infinite():
    done = [{"ours": took(1, 10), "theirs": took(1, 0)}]
    assert byte_ratio(done, "ours", "theirs").median == float("inf")
    done = [{"ours": took(1, 0), "theirs": took(1, 0)}]
    assert byte_ratio(done, "ours", "theirs").median == 1


def test_every_contestant_comes_first_in_turn_and_warm_up_is_not_counted():
    order: list[str] = []

    def contestant(name: str):
        def once() -> Run:
            order.append(name)
            return took(len(order))

        return once

    done = rounds({name: contestant(name) for name in "abc"}, 3, warm_up=1)
    assert [order[at] for at in range(0, 12, 3)] == ["a", "b", "c", "a"]
    assert len(done) == 3
    assert min(run.wall_s for each in done for run in each.values()) == 4
