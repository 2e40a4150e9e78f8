"""A site that goes away while a step waits for it: the step ends soon, and names what brings the site back."""

from __future__ import annotations

import time

import pytest

from drstack.errors import StepFailed
from drstack.recovery.conduct import promote
from drstack.recovery.plan import Given
from replicator.repository.repository import Repository
from replicator.stores.faults import FaultyStore
from tests.drstack.recovery.fleet import Fleet
from tests.drstack.recovery.test_interruptions import dying_at
from tests.drstack.recovery.test_switchover import Ticking, saves_as_it_stops
from tests.drstack.recovery.world import Away

BY = Given(by="test")


@pytest.fixture
def fleet(tmp_path):
    made = Fleet(tmp_path, names=("a",))
    made.save()
    return made


def goes_away(fleet, site, *, at, of="west"):
    """`site` is out of sight once `of` is told to do something that begins so."""
    before = fleet.sites[of].trouble

    def trouble(act):
        before(act)
        if act.startswith(at):
            fleet.sites[site].reachable = False

    fleet.sites[of].trouble = trouble


def refused(fleet, kind, site):
    clock = Ticking()
    began = clock.now = time.time()
    with pytest.raises(StepFailed, match=f"{site} went away: taken away") as raised:
        promote(fleet.world(clock=clock, sleep=clock.sleep), "west", BY, kind=kind)
    assert raised.value.hint == f"drstack up e --site {site} --refresh, then drstack resume e."
    assert clock.now - began < 60, "nobody waits an hour for who is gone"
    fleet.sites[site].reachable = True
    for each in fleet.sites.values():
        each.trouble = lambda _: None


@pytest.mark.parametrize("site", ["east", "west"])
def test_nobody_waits_for_what_a_site_that_is_gone_would_have_sent(fleet, site):
    saves_as_it_stops(fleet, to=("east",))
    goes_away(fleet, site, at="stop", of="east")
    refused(fleet, "switchover", site)
    fleet.save("a", step=30)
    assert promote(fleet.world(), "west", BY, kind="switchover")["result"] == "switched over"


def test_nothing_is_started_at_a_site_that_is_gone(fleet):
    goes_away(fleet, "west", at="capacity")
    with pytest.raises(StepFailed, match="capacity but no replicator"):
        promote(fleet.world(), "west", BY)
    fleet.sites["west"].reachable = True
    fleet.sites["west"].trouble = lambda _: None
    assert promote(fleet.world(), "west", BY)["result"] == "promoted"


def test_a_run_is_not_waited_for_at_a_site_that_is_gone(fleet):
    goes_away(fleet, "west", at="start")
    refused(fleet, "promote", "west")
    assert promote(fleet.world(), "west", BY)["result"] == "promoted"


def test_where_nothing_can_be_restored_each_repository_says_why(fleet):
    with dying_at("pin"):
        promote(fleet.world(), "west", BY)
    away = {name: Repository(name, FaultyStore(fleet.stores[name], Away())) for name in fleet.places}
    with pytest.raises(StepFailed, match=r"nothing within the agreed loss can be pinned: east: .*; west: .*black hole"):
        promote(fleet.world(repositories=away), "west", BY)
    assert promote(fleet.world(), "west", BY)["result"] == "promoted"
