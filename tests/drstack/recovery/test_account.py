"""Where the time of an operation went: counted from the journal's records, by hand here."""

from __future__ import annotations

import pytest

from drstack.recovery.account import account, attempts, covered
from replicator.log.records import Record


def journal(*entries):
    """Records of (kind, at, body), the plan first."""
    return [Record(n, None, "t", kind, at, body, f"d{n}") for n, (kind, at, body) in enumerate(entries, 1)]


def plan(**after):
    steps = [{"id": name, "act": name.split("_")[0], "after": list(waits)} for name, waits in after.items()]
    return ("plan", 100.0, {"began_at": 98.0, "planned_at": 100.0, "steps": steps})


def intent(step, at, by="ada"):
    return ("intent", at, {"step": step, "at": at, "by": by})


def outcome(step, began_at, ended_at, **body):
    return ("outcome", ended_at, {"step": step, "began_at": began_at, "ended_at": ended_at, **body})


def failure(step, at, why="no"):
    return ("failure", at, {"step": step, "at": at, "why": why})


def test_nothing_done_has_no_account():
    assert account(()) == {}
    assert account(journal(plan(seal=()), intent("seal", 101.0))) == {}


def test_side_by_side_is_busy_seconds_over_the_time_that_passed():
    told = account(journal(
        plan(seal_a=(), seal_b=(), assign=("seal_a", "seal_b")),
        intent("seal_a", 100.0), intent("seal_b", 100.0), outcome("seal_a", 100.0, 104.0), outcome("seal_b", 100.0, 102.0),
        intent("assign", 104.0), outcome("assign", 104.0, 106.0),
    ))  # fmt: skip
    spent = told["utilisation"]
    assert (spent["elapsed_s"], spent["busy_s"], spent["side_by_side"], spent["most_at_once"]) == (8.0, 8.0, 1.0, 2)
    assert (spent["waiting_share"], spent["idle_s"], spent["paused_s"]) == (0.0, 0.0, 0.0)
    assert [(each["step"], each["after"]) for each in told["critical"]] == [("seal_a", "plan"), ("assign", "seal_a")]
    assert told["waited"] == {}


def test_waits_are_named_and_what_works_beside_them_is_not_waiting():
    told = account(journal(
        plan(fence=(), restore=("fence",), capacity=("fence",), start=("restore", "capacity")),
        outcome("fence", 100.0, 105.0), outcome("restore", 105.0, 107.0), outcome("capacity", 105.0, 115.0),
        outcome("start", 115.0, 118.0, result={"first_step": 7}),
    ))  # fmt: skip
    assert told["waited"] == {"capacity": 10.0, "a fence": 5.0, "the run": 3.0}
    assert [each["step"] for each in told["critical"]] == ["fence", "capacity", "start"]
    assert told["utilisation"]["waiting_share"] == pytest.approx(16 / 20)


def test_an_act_says_itself_what_it_waited_for_and_an_unknown_one_works():
    told = account(journal(
        plan(fence=(), levitate=("fence",)),
        outcome("fence", 100.0, 108.0, result={"waited": {"a lease": 7.5}}), outcome("levitate", 108.0, 110.0),
    ))  # fmt: skip
    assert told["waited"] == {"a lease": 7.5}
    assert told["critical"][1]["for"] == {}


def test_a_pause_is_waiting_for_a_person():
    told = account(journal(
        plan(fence=(), seal=("fence",)), outcome("fence", 100.0, 101.0), ("pause", 101.5, {"by": "grace", "reason": "look"}),
        ("resume", 111.5, {"by": "grace"}), outcome("seal", 112.0, 113.0),
    ))  # fmt: skip
    assert told["waited"] == {"a person": 11.0, "a fence": 1.0}
    assert told["utilisation"]["paused_s"] == 10.0
    assert told["utilisation"]["idle_s"] == 11.0


def test_a_failed_try_an_operator_who_went_away_and_a_turn_are_told_apart():
    told = account(journal(
        plan(seal=(), assign=("seal",), pin=("assign",), restore=("pin",), other=()),
        outcome("seal", 100.0, 101.0), intent("assign", 101.0), failure("assign", 103.0), intent("assign", 110.0, "grace"),
        outcome("assign", 110.0, 111.0), outcome("pin", 121.0, 122.0), outcome("other", 122.0, 130.0),
        outcome("restore", 130.0, 131.0),
    ))  # fmt: skip
    assert [(each["step"], each["gap_for"], each["gap_s"]) for each in told["critical"]] == [
        ("seal", "", 0.0), ("assign", "another try", 9.0), ("pin", "an operator", 10.0), ("restore", "its turn", 8.0),
    ]  # fmt: skip


def test_every_try_is_told_with_how_it_ended():
    told = attempts(journal(
        plan(seal=(), start=(), prove=()),
        intent("seal", 101.0), intent("seal", 101.5, "grace"), outcome("seal", 101.5, 102.0), intent("start", 103.0),
        failure("start", 104.0, "no GPU"), intent("start", 105.0), ("outcome", 107.0, {"step": "prove", "began_at": 107.0,
        "ended_at": 107.0, "skipped": "late", "by": "grace"}),
    ))  # fmt: skip
    assert [(each.step, each.how, each.by, each.ended_at, each.why) for each in told] == [
        ("seal", "cut short", "ada", None, ""), ("seal", "done", "grace", 102.0, ""),
        ("start", "failed", "ada", 104.0, "no GPU"), ("start", "open", "ada", None, ""),
        ("prove", "skipped", "grace", 107.0, "late"),
    ]  # fmt: skip


def test_spans_that_overlap_are_counted_once():
    assert covered([(0, 2), (1, 3), (5, 6), (5.5, 5.6)]) == 4
    assert covered([]) == 0
