"""Who may act at a site that was fenced: nobody who set out before, and everybody who set out after."""

from __future__ import annotations

import pytest

from drstack.recovery import control, fencing
from drstack.recovery.conduct import promote
from drstack.recovery.lifting import lift
from drstack.recovery.plan import Given
from tests.drstack.recovery.fleet import Fleet
from tests.drstack.recovery.test_switchover import saves_as_it_stops, switch
from tests.replicator.repository.rig import Killed

BY = Given(by="test", reason="smoke in the room")
LOST = Given(by="test", reason="lost", data_loss_s=float("inf"))


@pytest.fixture
def fleet(tmp_path):
    made = Fleet(tmp_path, names=("a", "b"))
    made.save()
    saves_as_it_stops(made)
    for name in made.names:
        made.sites["east"].started[name] = ("before", 10)
    return made


def test_a_target_that_was_fenced_before_takes_a_switchover(fleet):
    fencing.fence(fleet.world(), "west", BY)
    assert switch(fleet)["result"] == "switched over"
    assert sorted(fleet.sites["west"].started) == ["a", "b"]


def test_a_home_that_was_fenced_after_the_promotion_takes_the_work_back(fleet):
    promote(fleet.world(), "west", LOST)
    fencing.fence(fleet.world(), "east", BY)
    fleet.sites["east"].trouble = lambda _: None
    saves_as_it_stops(fleet, site="west", term=2)
    assert switch(fleet, "east")["result"] == "switched over"


@pytest.mark.parametrize("verb", ["promote", "switchover", "lift", "abort"])
def test_a_fence_that_the_witness_does_not_know_keeps_nobody_out(fleet, verb):
    """Of a witness that was lost, and was put back without its journals."""
    east, west = fleet.sites["east"], fleet.sites["west"]
    for site in (east, west):
        site.bar = site.bar.bar("9-1")
    if verb == "promote":
        assert promote(fleet.world(), "west", LOST)["result"] == "promoted"
        assert sorted(west.started) == ["a", "b"]
    elif verb == "switchover":
        assert switch(fleet)["result"] == "switched over"
    elif verb == "lift":
        fencing.fence(fleet.world(), "east", BY)
        assert lift(fleet.world(), "east", by="x", reason="r")["started"] == ["a", "b"]
    else:
        west.trouble = lambda _: None
        east.trouble = dies_at("stop b", east.trouble)
        with pytest.raises(Killed):
            switch(fleet, one_by_one=True)
        control.abort(fleet.world(), by="x", reason="not now")
    if verb == "abort":
        assert sorted(east.started) == ["a", "b"]


def dies_at(act, then):
    """The operator's process dies before this act, once."""
    died = []

    def trouble(name):
        if name == act and not died:
            died.append(name)
            raise Killed
        then(name)

    return trouble


def test_an_abort_that_is_finished_late_leaves_alone_what_a_later_fence_and_its_lift_decided(fleet):
    east = fleet.sites["east"]
    east.trouble = dies_at("stop b", east.trouble)
    with pytest.raises(Killed):
        switch(fleet, one_by_one=True)
    east.reachable = False
    told = control.abort(fleet.world(), by="x", reason="not now")
    assert any("cannot be seen" in each for each in told["next"])
    east.reachable = True
    fencing.fence(fleet.world(), "east", BY)
    assert lift(fleet.world(), "east", by="x", reason="false alarm")["started"] == ["a", "b"]
    runs = dict(east.started)
    told = control.abort(fleet.world(), by="x", reason="the rest of it")
    assert east.started == runs
    assert any("operation 1-2 has fenced a at east since" in each for each in told["next"])
