"""Turning shares by two hands: whoever is behind, by its assignment or by what it saw, is refused."""

from __future__ import annotations

import pytest

from drstack.errors import ActuatorFailed
from drstack.platforms.local.router.place import Weights, router_place
from drstack.platforms.local.router.process import Turn
from drstack.platforms.local.router.router import LocalRouter

HALVES, EAST, WEST = {"east": 50, "west": 50}, {"east": 100, "west": 0}, {"east": 0, "west": 100}


@pytest.fixture
def place(tmp_path):
    made = router_place(tmp_path / "router")
    made.make()
    made.turn(Weights(3, {"chat": HALVES, "other": EAST}))
    return made


@pytest.mark.parametrize("instead_of", [None, HALVES])
def test_a_turn_changes_its_workload_only(place, instead_of):
    assert Turn("chat", WEST, 4, instead_of).made_on(place) == Weights(4, {"chat": WEST, "other": EAST})


def test_a_turn_that_was_made_already_is_no_conflict(place):
    assert Turn("chat", HALVES, 3, EAST).made_on(place) == Weights(3, {"chat": HALVES, "other": EAST})


@pytest.mark.parametrize(("turn", "why"), [
    (Turn("chat", WEST, 3, EAST), "somebody else turned it meanwhile"),
    (Turn("chat", WEST, 2), "turned for assignment 3 already; 2 is older"),
    (Turn("new", WEST, 3, EAST), "somebody else turned it meanwhile"),
])  # fmt: skip
def test_who_is_behind_is_refused(place, turn, why):
    with pytest.raises(ActuatorFailed, match=why):
        turn.made_on(place)


@pytest.mark.parametrize("written", ['{"chat": 5}', "[]", '{"chat": [[]]}', "{"])
def test_looking_at_a_router_whose_files_are_damaged_says_so(place, written):
    place.upstreams_file("east").write_text(written)
    seen = LocalRouter(place).observe(deadline_s=0.5)
    assert not seen.reachable
    assert seen.why
