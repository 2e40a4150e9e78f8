"""A repair acts only where the work is still to run: not where a person has stopped it, nor where it was taken from."""

from __future__ import annotations

from dataclasses import replace

import pytest

from drstack.automatic.judge import Verdict
from drstack.automatic.records import Repairs
from drstack.automatic.repairing import repair
from drstack.recovery import fencing
from drstack.recovery.conduct import promote
from drstack.recovery.lifting import lift
from drstack.recovery.plan import Given
from drstack.recovery.ports import JobObservation
from tests.drstack.recovery.fleet import Fleet

BY = Given(by="ana", reason="smoke in the room")


@pytest.fixture
def fleet(tmp_path):
    made = Fleet(tmp_path, names=("a",))
    made.save()
    return made


def tried(fleet, remedy="restart", *, wanted=None):
    """The repair of a trainer at east that failed, as an observer found it before it acted."""
    east = fleet.sites["east"]
    east.started.pop("a", None)
    look, failed = east.observe, JobObservation(running=False, ranks=0, generation=1, failure="exited 3", wanted=wanted)

    def observe(*, deadline_s):
        seen = look(deadline_s=deadline_s)
        return seen if "a" in east.started else replace(seen, jobs={"a": failed})

    east.observe = observe
    verdict = Verdict("repair", "it is down", site="east", workloads=("a",), remedy=remedy)
    return repair(fleet.world(), verdict, Repairs(fleet.witness(), "east"), by="observer", known=0)


def test_work_that_failed_is_started_from_its_newest_checkpoint(fleet):
    assert tried(fleet) == "done: started from step 10"
    assert fleet.sites["east"].starts == ["a"]


@pytest.mark.parametrize("remedy", ["restart", "reship", "replace"])
def test_a_site_that_a_person_has_fenced_is_left_alone(fleet, remedy):
    fencing.fence(fleet.world(), "east", BY)
    acts = len(fleet.sites["east"].acts)
    assert tried(fleet, remedy).startswith("left alone: east was fenced on purpose by ana")
    assert len(fleet.sites["east"].acts) == acts
    lift(fleet.world(), "east", by="bob", reason="false alarm")
    assert fleet.sites["east"].started


def test_a_site_that_the_work_was_taken_from_meanwhile_is_left_alone(fleet):
    promote(fleet.world(), "west", Given(by="ana", reason="lost", data_loss_s=float("inf")))
    assert tried(fleet) == "left alone: west writes a since assignment 2"
    assert fleet.sites["east"].starts == []


def test_what_is_not_to_run_is_not_started(fleet):
    assert tried(fleet, wanted=False) == "it was well already"
    assert fleet.sites["east"].starts == []
