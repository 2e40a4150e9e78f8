"""The account of past operations: only what their journals say, and a trend that moves when they do."""

from __future__ import annotations

import dataclasses

import pytest

from drstack.recovery import operation
from drstack.recovery.conduct import promote
from drstack.recovery.history import Past, Recovered, document, past_operations
from drstack.recovery.plan import Given
from drstack.recovery.trends import trends
from tests.drstack.recovery.world import NEED, Rig

BY = Given(by="test")


def made(number: int, rpo_s: float, rto_s: float, result: str = "promoted") -> Past:
    one = Recovered("gpt", rpo_s, 60.0, rto_s, 30.0)
    return Past(
        f"1-{number}", "west", float(number), result, "", {"east": "assumed"}, {"fence": 1.0, "start": 9.0}, (one,)
    )


@pytest.fixture
def rig(tmp_path):
    return Rig(tmp_path)


def test_a_new_environment_has_no_past(rig):
    assert past_operations(rig.witness()) == []
    told = document("e", [])["trends"]
    assert (told["operations"], told["recoveries"], told["slowest_phase"]) == ({}, 0, None)


def test_a_promotion_is_told_with_what_it_took_and_an_unfinished_one_as_such(rig):
    rig.save(10)
    end = promote(rig.world(), "west", Given(by="test", failed_at=rig.witness().now()))
    [only] = past_operations(rig.witness())
    assert (only.target, only.result) == ("west", "promoted")
    assert only.workloads[0].rto_s == end["rto_s"]
    assert only.workloads[0].rpo_objective_s == NEED.rpo_s
    assert only.workloads[0].met is True
    assert set(only.phases) == {phase["name"] for phase in end["phases"]}

    again = rig.witness().journal(2, 1)
    plan = dict(rig.witness().journal(1, 1).plan(), base=2, target="east")
    assert again.begin(plan)
    assert [each.result for each in past_operations(rig.witness())] == ["promoted", "unfinished"]
    assert past_operations(rig.witness())[1].workloads[0].met is None
    operation.abandon(again, by="test", reason="the site burnt down")
    last = past_operations(rig.witness())[1]
    assert (last.result, last.why) == ("abandoned", "the site burnt down")
    told = document("e", past_operations(rig.witness()))["trends"]
    assert told["operations"] == {"abandoned": 1, "promoted": 1}
    assert (told["recoveries"], told["met"], told["unfinished_or_failed_share"]) == (1, 1, 0.5)


def test_the_trend_sets_recent_recoveries_against_earlier_ones():
    steady = [made(number, 10, 10) for number in range(5)]
    assert trends(steady)["rto_s"]["change"] is None
    slower = steady + [made(5 + number, 10, 20) for number in range(5)]
    told = trends(slower)
    assert told["rto_s"] == {"last": 20, "worst": 20, "median": 15, "change": 2.0}
    assert told["rpo_s"]["change"] == 1.0
    assert told["slowest_phase"] == {"name": "start", "median_s": 9.0, "steps": []}
    assert told["assumed_fences"] == 10


def test_a_missed_objective_is_not_counted_as_met_and_what_was_not_recovered_is_not_counted_at_all():
    missed = made(1, 10, 31)
    unknown = dataclasses.replace(made(2, 0, 0), workloads=(Recovered("gpt", None, 60.0, None, 30.0),))
    told = trends([missed, unknown])
    assert (told["recoveries"], told["met"]) == (1, 0)
