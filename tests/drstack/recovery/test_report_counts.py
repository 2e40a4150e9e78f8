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
