"""Work that does not run at the site that writes it, because somebody stopped it there: a promotion to that site starts it."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import pytest

from drstack.errors import OperationConflict
from drstack.recovery.conduct import plan_only, promote
from drstack.recovery.fencing import judged
from drstack.recovery.plan import Given
from drstack.recovery.ports import JobObservation, SiteObservation
from tests.drstack.recovery.fleet import Fleet, FleetSite

BY = Given(by="test")


class Told(FleetSite):
    """Says of what it does not run whether it is to."""

    wanted = False
    failing: ClassVar[dict[str, int]] = {}
    """How often each has failed in a row since it was started."""

    def observe(self, *, deadline_s):
        seen = super().observe(deadline_s=deadline_s)
        for name, count in self.failing.items():
            if name not in self.starts:
                failed = JobObservation(running=False, ranks=0, wanted=True, failures=count, failure="no such step")
                seen = replace(seen, jobs={**seen.jobs, name: failed})
        idle = {n: JobObservation(running=False, ranks=0, wanted=self.wanted) for n in ("a", "b") if n not in seen.jobs}
        return replace(seen, jobs={**seen.jobs, **idle})


@pytest.fixture
def fleet(tmp_path):
    made = Fleet(tmp_path, names=("a", "b"))
    made.sites = {name: Told(name, site.folder, started=dict(site.started)) for name, site in made.sites.items()}
    made.save()
    return made


def test_it_is_started_from_its_newest_recovery_point_in_a_new_term_and_others_go_on(fleet):
    east = fleet.sites["east"]
    east.started.pop("a")
    end = promote(fleet.world(), "east", BY)
    assert (end["result"], end["number"]) == ("promoted", 2)
    assert (east.starts, east.started["a"][1]) == (["a"], 10)
    assert east.started["b"] == ("begin", None)
    assert not east.fenced
    assert [fleet.witness().current().workloads[name].term for name in ("a", "b")] == [2, 1]
    assert promote(fleet.world(), "east", BY)["already"]


def test_an_old_recovery_point_of_its_own_needs_no_consent(fleet):
    fleet.sites["east"].started.clear()
    late = fleet.world()
    needs = {name: replace(need, rpo_s=0.0) for name, need in late.needs.items()}
    assert promote(replace(late, needs=needs), "east", BY)["result"] == "promoted"
    assert sorted(fleet.sites["east"].starts) == ["a", "b"]


def test_what_is_about_to_be_started_by_itself_is_left_alone(fleet):
    """A rank has failed, and the site starts it again."""
    east = fleet.sites["east"]
    east.started.clear()
    east.wanted = True
    with pytest.raises(OperationConflict, match="nothing to promote"):
        plan_only(fleet.world(), "east", BY)
    east.reachable = False
    with pytest.raises(OperationConflict, match="nothing to promote"):
        plan_only(fleet.world(), "east", BY)


def test_what_fails_whenever_it_is_started_is_started_anew_from_its_recovery_point(fleet):
    east = fleet.sites["east"]
    east.failing = {"a": 2}
    with pytest.raises(OperationConflict, match="nothing to promote"):
        plan_only(fleet.world(), "east", BY)
    east.failing = {"a": 3}
    [part] = plan_only(fleet.world(), "east", BY).workloads
    assert (part.name, part.writer, part.reopen) == ("a", "east", False)
    end = promote(fleet.world(), "east", BY)
    assert (end["result"], east.starts, east.started["a"][1]) == ("promoted", ["a"], 10)


def test_a_look_at_a_site_that_is_about_to_start_it_proves_no_fence():
    def seen(job):
        return SiteObservation("east", reachable=True, jobs={"a": job})

    assert judged(seen(JobObservation(running=False, ranks=0, wanted=False)), ["a"]) is not None
    assert judged(seen(JobObservation(running=False, ranks=0, wanted=True)), ["a"]) is None
