"""When a drill is overdue: pure judgement of the schedule and the record."""

from __future__ import annotations

import pytest

from drstack.drills.schedule import last_held, overdue
from drstack.spec.drills import Drills
from drstack.witness.drills import DrillRecord

DAY_S = 86_400.0
NOW = 100 * DAY_S


def held(kind="full", result="passed", days_ago=1.0, site="west"):
    begun = {"id": f"{kind}-{days_ago:g}", "kind": kind, "site": site}
    return DrillRecord(begun, None if result is None else {"result": result, "ended_at": NOW - days_ago * DAY_S})


def test_without_a_schedule_nothing_is_overdue():
    assert overdue(None, None, NOW) is None


def test_a_schedule_that_was_never_kept_is_overdue_and_says_with_which_command_to_keep_it():
    late = overdue(Drills(every="30d", site="west"), None, NOW, environment="gpt")
    assert late.by_s is None
    assert late.command == "drstack drill gpt --site west"
    assert "at west" in late.why


def test_a_drill_is_overdue_once_its_time_has_passed_and_not_before():
    schedule = Drills(every="30d")
    assert overdue(schedule, held(days_ago=30), NOW) is None
    late = overdue(schedule, held(days_ago=31), NOW)
    assert late.by_s == pytest.approx(DAY_S)
    assert late.command == "drstack drill ENV"


@pytest.mark.parametrize(
    ("schedule", "kind", "counts"),
    [
        ("full", "full", True), ("full", "surprise", True), ("full", "restore", False), ("full", "tabletop", False),
        ("restore", "full", True), ("restore", "restore", True), ("restore", "start", False),
        ("tabletop", "tabletop", True), ("tabletop", "full", False),
    ],
)  # fmt: skip
def test_which_drill_counts_for_which_schedule(schedule, kind, counts):
    assert (last_held(Drills(every="1d", kind=schedule), [held(kind)]) is not None) is counts


@pytest.mark.parametrize(
    ("result", "counts"), [("missed", True), ("failed", True), ("gave way", False), ("killed", False), (None, False)]
)
def test_a_drill_that_was_cut_short_or_runs_says_nothing(result, counts):
    assert (last_held(Drills(every="1d"), [held(result=result)]) is not None) is counts


def test_the_newest_drill_counts_and_only_at_the_site_that_is_named():
    records = [held(days_ago=2), held(days_ago=9), held(days_ago=1, site="north")]
    assert last_held(Drills(every="1d"), records).site == "north"
    assert last_held(Drills(every="1d", site="west"), records).id == "full-2"


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("surprise", " --surprise"),
        ("tabletop", " --tabletop"),
        ("restore", " --component restore"),
        ("start", " --component start"),
    ],
)
def test_the_command_holds_the_kind_that_is_due(kind, options):
    assert overdue(Drills(every="1d", kind=kind), None, NOW).command == f"drstack drill ENV{options}"
