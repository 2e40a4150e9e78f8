"""Which step status shows: of the run of the term that stands, never of an earlier stay at the same site."""

from __future__ import annotations

import pytest

from drstack.cli.status import _run
from drstack.recovery.conduct import promote
from drstack.recovery.gathering import gather
from drstack.recovery.plan import Given
from drstack.recovery.ports import JobObservation
from drstack.recovery.status import status
from tests.drstack.recovery.fleet import Fleet, FleetSite


class Killed(BaseException):
    """The operator's death."""


class Earlier(FleetSite):
    """Shows of a workload that is not started what an earlier stay left in its metrics."""

    def observe(self, *, deadline_s):
        seen = super().observe(deadline_s=deadline_s)
        if seen.reachable and "a" not in self.started:
            seen.jobs["a"] = JobObservation(
                running=False, ranks=0, generation=3, first_step=400, first_step_at=1000.0, step=705, step_at=2000.0
            )
        return seen


@pytest.fixture
def fleet(tmp_path):
    made = Fleet(tmp_path, names=("a",))
    made.sites["west"] = Earlier("west", tmp_path / "west")
    made.save(step=980)
    return made


def shown(fleet):
    world = fleet.world()
    demanded = {name: need.demanded for name, need in world.needs.items()}
    document = status("e", gather(world.witness, world.sites, world.repositories, demanded), world.needs, None)
    each = document["workloads"]["a"]
    return each, _run(each, document["sites"])


def test_after_a_promotion_that_was_killed_before_its_start_no_step_of_an_earlier_stay_is_shown(fleet):
    def die(act):
        if act.startswith("start"):
            raise Killed

    fleet.sites["west"].trouble = die
    with pytest.raises(Killed):
        promote(fleet.world(), "west", Given(by="ada"))
    assert fleet.writers() == {"a": "west"}
    each, line = shown(fleet)
    assert (each["step"], each["step_at"], line) == (None, None, "does not run")
    assert "705" not in each["sentence"]

    fleet.sites["west"].trouble = lambda _: None
    promote(fleet.world(), "west", Given(by="ada"))
    each, line = shown(fleet)
    assert (each["step"], line) == (990, "step 990")


def test_a_run_that_stopped_after_its_term_started_it_keeps_its_step(fleet):
    promote(fleet.world(), "west", Given(by="ada"))
    fleet.sites["west"].started.clear()
    each, line = shown(fleet)
    assert (each["step"], line) == (705, "step 705, does not run"), "its own, as far as this site says"


def test_a_start_that_made_no_step_yet_shows_none(fleet):
    fleet.sites["east"].reachable = True
    real = fleet.sites["east"].observe

    def begun(*, deadline_s):
        seen = real(deadline_s=deadline_s)
        seen.jobs["a"] = JobObservation(running=True, ranks=1, generation=4, step=705, step_at=2000.0)
        return seen

    fleet.sites["east"].observe = begun
    each, line = shown(fleet)
    assert (each["step"], line) == (None, "no step yet")


def test_of_a_site_out_of_reach_nothing_is_said_to_run_or_not(fleet):
    fleet.sites["east"].reachable = False
    each, line = shown(fleet)
    assert (each["step"], line) == (None, "whether it runs is not known")
