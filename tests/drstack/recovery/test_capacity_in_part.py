"""Half of the capacity is refused: what was won is held; the work goes on where it fits, and waits where it does not."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from drstack.errors import ActuatorFailed
from drstack.recovery.conduct import promote
from drstack.recovery.plan import Given
from tests.drstack.recovery.fleet import Fleet, FleetSite

BY = Given(by="test")


@dataclass
class Scarce(FleetSite):
    """Has no more than `most` slots to give, whatever its bound says."""

    most: int = 100

    def set_capacity(self, slots, *, deadline_s, order=None):
        self.capacity = max(self.capacity, min(slots, self.most))
        if self.capacity < slots:
            raise ActuatorFailed(f"{self.capacity} of {slots} slots run and are held", hint="Mend the rest.")


@pytest.fixture
def fleet(tmp_path):
    made = Fleet(tmp_path, names=("a", "b"))
    made.sites["west"] = Scarce("west", made.folder / "west", bound=4)
    made.save()
    return made


def test_what_is_held_is_enough_and_the_work_goes_on(fleet):
    fleet.sites["west"].most = 2
    assert promote(fleet.world(), "west", BY)["result"] == "promoted"
    outcome = fleet.witness().journal(1, 1).outcome("capacity west")
    assert (outcome["result"]["capacity"], outcome["result"]["asked"]) == (2, 4)
    assert "2 of 4 slots, which is enough" in outcome["detail"]
    assert sorted(fleet.sites["west"].starts) == ["a", "b"]


def test_what_is_held_is_not_enough_and_nothing_of_it_is_given_back(fleet):
    west = fleet.sites["west"]
    west.most = 1
    with pytest.raises(ActuatorFailed, match="1 of 4 slots run and are held"):
        promote(fleet.world(), "west", BY)
    assert (west.capacity, west.starts) == (1, [])
    assert {"restore a", "restore b"} <= set(fleet.witness().journal(1, 1).outcomes())
    west.most = 4
    assert promote(fleet.world(), "west", BY)["result"] == "promoted"
    assert west.capacity == 4


def test_capacity_that_a_site_lost_before_the_start_is_had_again(fleet):
    """Its supervisor died, and an update brought it back as the standby that it was."""
    west = fleet.sites["west"]

    def dies(act):
        if act.startswith("start"):
            raise ActuatorFailed("supervisord does not answer")

    west.trouble = dies
    with pytest.raises(ActuatorFailed):
        promote(fleet.world(), "west", BY)
    west.trouble, west.capacity = lambda _: None, 1
    assert promote(fleet.world(), "west", BY)["result"] == "promoted"
    assert west.capacity == 4
