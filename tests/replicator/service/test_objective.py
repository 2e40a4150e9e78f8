"""When an objective will be missed is said before it is."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.service.objective import (
    Save,
    Standing,
    breach_in_s,
    exposure_s,
    interval_s,
    lag_s,
    lag_steps,
    stalled,
)

MB = 1e6


def standing(held_at: float | None, *waiting: Save, rate: float | None = MB, whole: float = 10 * MB) -> Standing:
    held = None if held_at is None else Save(1, held_at)
    return Standing(held, waiting, rate, whole)


def test_exposure_is_the_age_of_what_the_destination_holds_and_lag_that_of_what_it_lacks():
    there = Standing(Save(10, 100.0), (Save(30, 160.0), Save(20, 130.0)), MB)
    assert exposure_s(there, 170.0) == 70.0
    assert lag_s(there, 170.0) == 40.0
    assert lag_steps(there) == 20


def test_an_older_checkpoint_that_waits_is_no_lag():
    there = Standing(Save(30, 160.0), (Save(20, 130.0),), MB)
    assert (lag_s(there, 170.0), lag_steps(there)) == (0.0, 0)


def test_a_link_that_keeps_up_never_misses_it():
    assert breach_in_s(standing(100.0), now=110.0, rpo_s=60.0, every_s=30.0) == math.inf


def test_a_link_too_slow_for_what_waits_misses_it_and_that_is_known_beforehand():
    """100 MB at 1 MB/s from t=130 land at 230; what is held ends its hour at 160."""
    there = standing(100.0, Save(2, 130.0, 100 * MB))
    assert breach_in_s(there, now=130.0, rpo_s=60.0, every_s=30.0) == 30.0


def test_saves_that_ship_slower_than_they_come_are_seen_rounds_ahead():
    """Each takes 50 s and one comes every 30: 100 lands at 130, the next is saved at 130 and lands at 180 = 80 s old."""
    there = standing(70.0, Save(2, 100.0, 30 * MB), whole=50 * MB)
    assert breach_in_s(there, now=100.0, rpo_s=75.0, every_s=30.0) == pytest.approx(75.0)


def test_a_destination_that_does_not_answer_misses_it_when_what_it_holds_is_too_old():
    there = standing(100.0, Save(2, 130.0, MB), rate=0.0)
    assert breach_in_s(there, now=140.0, rpo_s=60.0, every_s=30.0) == 20.0


def test_a_trainer_that_is_overdue_counts_as_stopped_before_the_objective_is_missed():
    assert breach_in_s(standing(100.0), now=155.0, rpo_s=600.0, every_s=30.0) == math.inf
    assert breach_in_s(standing(100.0), now=161.0, rpo_s=600.0, every_s=30.0) == 539.0


def test_missed_is_negative_since_when():
    assert breach_in_s(standing(100.0, rate=0.0), now=175.0, rpo_s=60.0, every_s=30.0) == -15.0


def test_without_any_save_there_is_nothing_to_lose():
    assert exposure_s(Standing(None), 10.0) is None
    assert breach_in_s(Standing(None), now=10.0, rpo_s=1.0, every_s=None) == math.inf


def test_before_the_first_commit_what_waits_is_what_would_be_lost():
    there = standing(None, Save(1, 100.0, MB), rate=0.0)
    assert exposure_s(there, 110.0) == 10.0
    assert breach_in_s(there, now=110.0, rpo_s=60.0, every_s=None) == 50.0


@given(
    st.floats(0, 1000), st.floats(0, 500), st.floats(1, 500), st.one_of(st.none(), st.floats(1, 300)), st.floats(0, 1e9)
)
def test_a_breach_is_never_seen_before_what_is_held_is_too_old(held_at, age, rpo_s, every_s, left):
    there = standing(held_at, Save(2, held_at + 1, left))
    left_s = breach_in_s(there, now=held_at + age, rpo_s=rpo_s, every_s=every_s)
    assert left_s >= held_at + rpo_s - (held_at + age) - 1e-6


def test_the_interval_is_the_median_of_the_last_gaps():
    assert interval_s([5.0]) is None
    assert interval_s([0, 10, 20, 500, 510, 520]) == 10.0


def test_two_intervals_without_anything_new_are_a_stall():
    saves = [0.0, 10.0, 20.0]
    assert not stalled(saves, newest_at=20.0, now=40.0, rpo_s=None)
    assert stalled(saves, newest_at=20.0, now=40.1, rpo_s=None)
    assert stalled([0.0], newest_at=0.0, now=61.0, rpo_s=60.0)
    assert not stalled([], newest_at=None, now=1e9, rpo_s=60.0)
