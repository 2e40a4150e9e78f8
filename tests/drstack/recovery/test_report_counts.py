"""What a report counts, and what it says of what it does not count; fences as they stand now."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from drstack.cli.report import _render
from drstack.recovery.conduct import promote
from drstack.recovery.history import Past, Recovered, document, past_operations
from drstack.recovery.plan import Given
from drstack.report.as_markdown import as_markdown
from drstack.report.environment import environment_page
from tests.drstack.recovery.fleet import Fleet


def made(number: int, kind: str, *, rto_s: float | None = 10.0, result: str = "promoted") -> Past:
    one = Recovered("gpt", 5.0 if rto_s else None, 60.0, rto_s, 30.0)
    return Past(f"{number}-1", "west", float(number), result, "", {}, {}, (one,), kind=kind)


def text(*operations: Past) -> str:
    return _render({**document("e", operations), "break_glass": []})


def test_every_kind_that_has_objectives_is_counted_and_the_rest_is_named():
    said = text(
        made(1, "promote"), made(2, "failback", rto_s=31.0), made(3, "keys"), made(4, "fence", rto_s=None),
        made(5, "fence", rto_s=None), made(6, "promote", result="unfinished", rto_s=None),
    )  # fmt: skip
    assert "Promotion: 1 of 1 met its objectives; " in said
    assert "Failback: 0 of 1 met its objectives; " in said
    [line] = [each for each in said.splitlines() if each.startswith("Not counted")]
    assert line.endswith(": 1 change of keys, 2 fences, 1 promotion.")
    assert "Not counted" not in text(made(1, "promote"))


def test_a_loss_that_is_only_bounded_is_counted_as_not_known():
    bounded = Past("1-1", "west", 1.0, "promoted", "", {}, {}, (Recovered("gpt", 90.0, 60.0, 5.0, 30.0, True, True),))
    assert "Promotion: 1 of 2 met their objectives (1 not known); lost at most" in text(made(2, "promote"), bounded)


@pytest.fixture
def fleet(tmp_path):
    found = Fleet(tmp_path, names=("a",))
    found.save()
    found.sites["east"].reachable = False
    promote(found.world(), "west", Given(by="ada", failed_at=time.time()))
    return found


def told(fleet) -> dict:
    return {**document("e", past_operations(fleet.witness())), "break_glass": []}


def test_a_fence_that_was_assumed_is_told_in_the_singular_until_it_is_proven(fleet):
    before = told(fleet)
    assert before["operations"][0]["fences"] == {"east": "assumed"}
    assert "1 fence was assumed, not proven." in _render(before)
    row = {"site": "east", "grade": "proven", "done": "looked", "proof": "nothing runs", "at": time.time(), "by": "ada"}
    fleet.witness().journal(1, 1).write("fence", row)
    after = told(fleet)
    assert (after["operations"][0]["fences"], after["operations"][0]["improved"]) == (
        {"east": "proven"}, {"east": "assumed"},
    )  # fmt: skip
    assert after["trends"]["assumed_fences"] == 0
    said = _render(after)
    assert "assumed, not proven" not in said
    assert "1 fence was not proven at first, and proven later." in said
    assert "east proven (assumed at first)" in as_markdown(environment_page(after, made_at=time.time()))


def test_what_took_longest_is_named_by_its_steps(fleet):
    [past] = past_operations(fleet.witness())
    assert set(past.phase_steps["actuate"]) == {"capacity west", "requests"}
    assert past.phase_steps["start"] == ("start a",)
    slow = replace(past, phases={"actuate": 70.0, "start": 1.0}, phase_steps={"actuate": ("capacity west", "requests")})
    assert "most of it: capacity west, requests (70 s)" in text(slow)
    assert "most of it: plan (80 s)" in text(replace(slow, phases={"plan": 80.0})), "a phase without steps"


def test_each_measure_is_named_beside_its_objective_and_the_one_that_was_missed_says_so():
    late = Past("1-1", "west", 1.0, "promoted", "", {}, {}, (Recovered("gpt", 3.0, 30.0, 96.0, 90.0),))
    assert "gpt: lost 3 s (RPO 30s), back after 96 s (RTO 90s, MISSED)" in text(late)
    assert "stood still 96 s" in text(replace(late, kind="switchover"))


@pytest.mark.parametrize(("result", "moved", "said"), [
    ("aborted", False, "gpt: aborted; it stayed with east"),
    ("aborted", True, "gpt: aborted; west had become the writer"),
    ("unfinished", False, "gpt: not ended yet; east writes it still"),
    ("promoted", True, "gpt: not measured"),
])  # fmt: skip
def test_of_what_did_not_come_to_its_end_it_is_said_what_stands(result, moved, said):
    each = replace(made(1, "promote", rto_s=None, result=result), writers=("east",), moved=moved)
    assert said in text(each)
    page = as_markdown(environment_page({**document("e", [each]), "break_glass": []}, made_at=0.0))
    assert said in page


def test_what_came_after_the_work_was_back_is_not_where_its_time_went():
    each = replace(made(1, "switchover"), phases={"ship": 4.0, "start": 2.0, "prove": 9.0, "reconcile": 99.0})
    assert "most of it: ship (4 s)" in text(each)


@pytest.mark.parametrize(
    ("typed", "kind"), [("failback", "failback"), ("switchover", "switchover"), (None, "failback")]
)
def test_a_move_home_is_called_what_was_typed(fleet, typed, kind):
    east = fleet.sites["east"]
    east.reachable = True
    fleet.save(step=20, term=2)
    promote(fleet.world(), "east", Given(by="ada", typed=typed), kind="switchover")
    past = past_operations(fleet.witness())[-1]
    assert (past.kind, past.moved) == (kind, True)
