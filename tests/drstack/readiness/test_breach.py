"""When an objective will be missed, from arrivals: told before it is, and never from noise."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from drstack.readiness.breach import growth, outlook
from drstack.recovery.facts import Arrival
from tests.drstack.readiness.situations import NOW, arrivals


def of(saves_and_lags):
    return [Arrival(saved, saved + lag) for saved, lag in saves_and_lags]


def test_steady_arrivals_breach_nothing():
    seen = outlook(arrivals(every_s=10, lag_s=2), now=NOW, rpo_s=60)
    assert seen.breach_in_s == math.inf
    assert (seen.attained_rpo_s, seen.overdue) == (12, False)


def test_nothing_is_said_of_what_never_arrived():
    assert outlook([], now=NOW, rpo_s=60).breach_in_s == math.inf


def test_a_missed_objective_is_told_with_the_time_since():
    assert outlook(of([(NOW - 100, 1)]), now=NOW, rpo_s=60).breach_in_s == -40


def test_a_lag_that_grows_is_foreseen_while_all_is_well_still():
    """Every 100 s, 10 s later each time: the age at an arrival is 100 + 10 k, and passes 200 with the tenth from now on."""
    rows = [(NOW - 50 - 100 * n, 60 - 10 * n) for n in reversed(range(6))]
    seen = outlook(of(rows), now=NOW, rpo_s=200)
    assert seen.lag_grows_s == 10
    assert 300 < seen.breach_in_s < 1200
    assert outlook(of(rows), now=NOW, rpo_s=100_000).breach_in_s == math.inf


def test_an_interval_that_grows_is_foreseen():
    saves = [NOW - 500, NOW - 490, NOW - 470, NOW - 440, NOW - 400, NOW - 350, NOW - 290]
    seen = outlook(of([(saved, 1) for saved in saves]), now=NOW - 285, rpo_s=120)
    assert seen.interval_grows_s == 10
    assert 0 < seen.breach_in_s < 1000


def test_what_waits_longer_than_usual_counts_as_the_lag_that_it_has():
    calm = arrivals(every_s=30, lag_s=2, newest_age_s=40)
    assert outlook(calm, now=NOW, rpo_s=60).breach_in_s == math.inf
    seen = outlook(calm, now=NOW, rpo_s=60, waits_since=NOW - 35)
    assert seen.lag_s == 35
    assert 0 < seen.breach_in_s < 60


def test_arrivals_that_stopped_breach_when_the_last_one_is_too_old():
    seen = outlook(arrivals(every_s=10, lag_s=2, newest_age_s=40), now=NOW, rpo_s=60)
    assert seen.overdue
    assert seen.breach_in_s == 20


@given(st.lists(st.floats(0, 5), min_size=4, max_size=12))
def test_values_that_never_rise_have_no_growth(values):
    assert growth(sorted(values, reverse=True)) == 0
    assert growth(values[:3]) == 0


@given(st.integers(4, 12), st.floats(0.1, 100), st.integers(0, 11))
def test_a_steady_rise_is_its_growth_whatever_one_value_says(count, by, odd):
    values = [by * n for n in range(count)]
    assert abs(growth(values) - by) < 1e-6
    if count > 8:
        values[odd % count] = 0.0
        assert growth(values) == 0 or abs(growth(values) - by) < by


@given(
    st.lists(st.tuples(st.floats(0.1, 100), st.floats(0, 50)), min_size=1, max_size=12),
    st.floats(0, 500),
    st.floats(1, 1000),
)
def test_a_breach_is_never_foreseen_before_the_newest_is_too_old(rows, later_s, rpo_s):
    saved, made = NOW, []
    for gap, lag in rows:
        saved += gap
        made.append(Arrival(saved, saved + lag))
    now = saved + later_s
    left = outlook(made, now=now, rpo_s=rpo_s).breach_in_s
    assert left >= saved + rpo_s - now - 1e-6
    if now > saved + rpo_s:
        assert left < 0
