"""Why nobody knows when work would be back: the real reason, not that nothing was timed where something was."""

from __future__ import annotations

from drstack.readiness.judge import judge
from drstack.readiness.situation import Timings
from drstack.readiness.words import outlook
from tests.drstack.readiness.situations import commit, good, with_repository, with_site


def said(situation) -> str:
    return outlook(judge(situation).workloads["gpt"])[0]


def test_a_timed_standby_has_a_time():
    assert said(good()).startswith("back in ")


def test_where_nothing_was_timed_that_is_the_reason():
    assert said(good(timings=Timings({}, 0))) == (
        "when it is back nobody knows: no operation was timed yet that brings work back at west"
    )


def test_a_standby_out_of_reach_is_the_reason_though_operations_were_timed():
    told = said(with_site(good(), "west", reachable=False, why="its power is off"))
    assert told == (
        "when it is back nobody knows: a promotion to west would not go on (west cannot be reached: its power is off)"
    )


def test_a_point_that_is_too_old_is_the_reason_and_nothing_is_said_to_have_failed():
    told = said(with_repository(good(), "west", newest=(commit(5, 300.0),)))
    assert told == (
        "when it is back nobody knows: a promotion to west would go on only with a consent "
        "(the newest recovery point is step 5, saved 300.0 s ago; the objective is 1m)"
    )
