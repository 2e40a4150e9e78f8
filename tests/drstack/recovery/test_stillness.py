"""Work that is known to stand still loses nothing more: its loss counts to when it stopped, and nowhere else earlier."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from drstack.errors import PromotionRefused
from drstack.recovery import fencing
from drstack.recovery.conduct import look, plan_only, promote
from drstack.recovery.lifting import lift
from drstack.recovery.operation import abandon, begin
from drstack.recovery.plan import Given
from drstack.recovery.ports import JobObservation, SiteObservation
from drstack.recovery.quorum import covers
from drstack.recovery.status import status
from drstack.recovery.stillness import fenced_at, loss_counts_to, still_since
from drstack.recovery.timekeeping import Timekeeping
from drstack.report.plan import tree
from drstack.witness.witness import Witness
from replicator.repository.repository import random_token
from tests.drstack.recovery.fleet import Fleet

LATE_S = 264.0
BY = Given(by="ana", reason="smoke in the room")


@pytest.fixture
def fleet(tmp_path):
    made = Fleet(tmp_path, names=("a", "b"))
    made.save()
    return made


def later() -> float:
    return time.time() + LATE_S


def world(fleet):
    """A look at the fleet `LATE_S` after its last checkpoint; the objective is 60 s."""
    return fleet.world(witness=Witness(fleet.stores["witness"], "e", clock=later, token=random_token), clock=later)


def refused(fleet) -> PromotionRefused:
    with pytest.raises(PromotionRefused) as raised:
        plan_only(world(fleet), "west", Given(by="bob"))
    return raised.value


def test_after_a_proven_fence_no_consent_is_asked_that_nothing_needs(fleet):
    assert "not known" in str(refused(fleet))
    fencing.fence(fleet.world(), "east", BY)
    plan = plan_only(world(fleet), "west", Given(by="bob"))
    assert all(each.loss_s < 60 and each.still_since is not None for each in plan.workloads)
    assert "stands still since 20" in tree(plan.document())
    end = promote(world(fleet), "west", Given(by="bob"))
    assert end["result"] == "promoted"
    assert all(each["rpo_s"] < 60 and each["rpo_is_bound"] for each in end["workloads"])


def test_it_holds_where_the_site_is_gone_since_and_status_says_no_more(fleet):
    fencing.fence(fleet.world(), "east", BY)
    fleet.sites["east"].reachable = False
    plan_only(world(fleet), "west", Given(by="bob"))
    late = world(fleet)
    told = status("e", look(late), late.needs, None)["workloads"]["a"]
    assert told["loss_s"] < 60 < told["recovery_point"]["age_s"]
    assert told["within_rpo"]


def test_an_approval_covers_a_plan_in_which_only_what_is_seen_to_run_or_to_stand_still_changed(fleet):
    approved = plan_only(fleet.world(), "west", Given(by="bob")).document()
    assert approved["runs"]
    fencing.fence(fleet.world(), "east", BY)
    now = plan_only(fleet.world(), "west", Given(by="bob")).document()
    assert not now["runs"]
    assert now["workloads"][0]["still_since"]
    assert covers(approved, now) is None
    assert covers(approved, {**now, "capacity": 7}) == "capacity changed"


def test_a_fence_that_was_not_proven_says_nothing_until_it_is(fleet):
    fleet.sites["east"].reachable = False
    assert fencing.fence(fleet.world(), "east", BY)["fences"][0]["grade"] == "assumed"
    assert "not known" in str(refused(fleet))
    fleet.sites["east"].reachable = True
    assert fencing.again(fleet.world(), "east")["improved"]
    plan_only(world(fleet), "west", Given(by="bob"))


def test_once_it_was_lifted_it_counts_no_more_though_the_site_is_gone(fleet):
    fencing.fence(fleet.world(), "east", BY)
    lift(fleet.world(), "east", by="bob", reason="false alarm")
    fleet.sites["east"].reachable = False
    assert "not known" in str(refused(fleet))


def test_what_an_abort_started_again_counts_no_more(fleet):
    fencing.fence(fleet.world(), "east", BY)
    [journal] = fleet.witness().journals(1)
    assert {name for _, name in fenced_at([journal])} == {"a", "b"}
    journal.write("start again", {"workload": "a", "step": "start again a", "at": time.time()})
    assert {name for _, name in fenced_at([journal])} == {"b"}


def test_the_proven_fence_of_a_promotion_that_was_abandoned_counts(fleet):
    plan = plan_only(fleet.world(), "west", Given(by="ana")).document()
    journal, _ = begin(fleet.witness(), {**plan, "by": "ana"})
    fleet.sites["east"].started.clear()
    row = {"site": "east", "grade": "proven", "done": "stopped", "proof": "confirmed"}
    journal.write("outcome", {"step": "fence east", "began_at": 1.0, "ended_at": time.time(), "result": {"fence": row}})
    abandon(journal, by="ana", reason="west has no room")
    assert all(each.still_since for each in plan_only(world(fleet), "west", Given(by="bob")).workloads)


def test_work_that_is_seen_to_run_again_by_whatever_command_is_not_still(fleet):
    fencing.fence(fleet.world(), "east", BY)
    fleet.sites["east"].started["a"] = ("by hand", 10)
    assert "a: " in str(refused(fleet))


def test_a_checkpoint_that_was_saved_after_the_fence_contradicts_it(fleet):
    fencing.fence(fleet.world(), "east", BY)
    facts = look(fleet.world())
    each = facts.workloads["a"]
    assert still_since(each, facts) == each.fenced_at
    before = replace(each, fenced_at=each.fenced_at - 60)
    assert still_since(before, facts) is None, "it was saved a minute after that"
    assert loss_counts_to(before, facts) == facts.at


def test_where_clocks_disagree_nothing_is_known(fleet):
    fencing.fence(fleet.world(), "east", BY)
    facts = replace(look(fleet.world()), time=Timekeeping(told=("this machine's clock is 7 s ahead of east's",)))
    assert still_since(facts.workloads["a"], facts) is None


SAVED = time.time() + 1e6
"""When steps began of what is seen stopped: after what the fleet has saved."""
STOPPED = JobObservation(
    running=False, ranks=0, wanted=False, generation=1, first_step=11, first_step_at=SAVED, step=20, step_at=SAVED + 90
)


def seen(fleet, job: JobObservation, started: bool | None = None, **changed):
    facts = replace(look(fleet.world()), at=SAVED + 4000)
    site = SiteObservation("east", reachable=True, jobs={"a": job}, **changed)
    return still_since(replace(facts.workloads["a"], started=started), replace(facts, sites={"east": site}))


def test_of_work_that_is_seen_stopped_the_step_after_its_last_is_lost_at_most(fleet):
    assert seen(fleet, STOPPED) == SAVED + 100, "nine steps in 90 s"
    assert seen(fleet, replace(STOPPED, step_at=SAVED + 3999)) == SAVED + 4000, "never later than the look"


def test_steps_of_an_earlier_term_say_nothing_of_this_one(fleet):
    """A promotion made the site the writer and started nothing: what it shows stopped days ago, as a standby's."""
    assert seen(fleet, STOPPED, started=False) is None
    assert seen(fleet, STOPPED, started=True) == SAVED + 100
    days_ago = replace(STOPPED, first_step_at=time.time() - 3e5, step_at=time.time() - 2.9e5)
    assert seen(fleet, days_ago) is None, "checkpoints were saved since, elsewhere"


def test_a_lift_counts_for_every_fence_before_it_whatever_operation_made_it(fleet):
    fencing.fence(fleet.world(), "east", BY)
    plan = plan_only(fleet.world(), "west", Given(by="ana")).document()
    journal, _ = begin(fleet.witness(), {**plan, "by": "ana"})
    row = {"site": "east", "grade": "proven", "done": "stopped", "proof": "confirmed"}
    at = time.time() - 30
    journal.write("outcome", {"step": "fence east", "began_at": at, "ended_at": at, "result": {"fence": row}})
    abandon(journal, by="ana", reason="west has no room")
    lift(fleet.world(), "east", by="bob", reason="false alarm")
    fleet.sites["east"].reachable = False
    assert fenced_at(fleet.witness().journals(1)) == {}
    assert "not known" in str(refused(fleet))


@pytest.mark.parametrize(
    "otherwise",
    [
        {"wanted": None}, {"wanted": True}, {"running": True}, {"ranks": 1}, {"step_at": None}, {"first_step_at": None},
        {"step": 11}, {"step": None}, {"first_step": None},
    ],
)  # fmt: skip
def test_where_it_may_run_or_its_steps_do_not_say_nothing_is_known(fleet, otherwise):
    assert seen(fleet, replace(STOPPED, **otherwise)) is None


def test_a_platform_that_shows_no_processes_proves_nothing_by_showing_none(fleet):
    assert seen(fleet, STOPPED, shows_processes=False) is None
