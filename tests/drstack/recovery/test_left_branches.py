"""A promotion that took an older, proved point left a branch: nobody goes back to it unasked, and nothing of it is lost."""

from __future__ import annotations

from dataclasses import replace

import pytest

from drstack.errors import PromotionRefused
from drstack.recovery.conduct import look, plan_only, promote
from drstack.recovery.plan import Given
from drstack.recovery.status import status
from replicator.model import CommitId
from replicator.repository.repository import newest_recovery_point
from replicator.repository.select import select
from replicator.service.keeping import Keeping
from tests.drstack.recovery.test_interruptions import dying_at, find_again, lose
from tests.drstack.recovery.world import NEED, Quiet, Rig

BY = Given(by="test")


@pytest.fixture
def rig(tmp_path):
    """West took step 20, which is proved, and left 30 and 40."""
    made = Rig(tmp_path)
    for step in (10, 20, 30, 40):
        made.save(step, age_s=50 - step)
    made.prove(20)
    assert promote(made.world(), "west", BY)["workloads"][0]["step"] == 20
    return made


def keep(rig: Rig, name: str, count: int) -> None:
    Keeping(rig.repository(name), "gpt", name, keep=count, grace_s=0, poll_s=1).let_go()


def test_a_promotion_back_before_the_new_term_has_receipts_goes_on_from_where_it_began(rig):
    rig.save(10, term=2, receipts=False)
    plan = plan_only(rig.world(), "east", BY).workloads[0]
    assert (plan.step, plan.commit) == (20, (1, 2))
    assert promote(rig.world(), "east", BY)["workloads"][0]["commit"] == [1, 2]


def test_a_proof_of_the_left_branch_that_comes_late_does_not_bring_it_back(rig):
    rig.save(10, term=2)
    rig.prove(40)
    plan = plan_only(rig.world(), "east", BY).workloads[0]
    assert plan.commit == (1, 2)
    assert plan.other is not None
    assert plan.other.commit == (2, 1)
    assert plan_only(rig.world(), "east", replace(BY, newest=True)).workloads[0].commit == (2, 1)
    rig.prove(20, ok=False)
    assert plan_only(rig.world(), "east", BY).workloads[0].commit == (2, 1)
    rig.prove(20)
    assert promote(rig.world(), "east", BY)["workloads"][0]["commit"] == [1, 2]


def test_a_restore_that_falls_back_does_not_fall_onto_the_left_branch(rig):
    rig.save(10, term=2)
    for name in ("east", "west"):
        newest = rig.repository(name).log("gpt").view().accepted[CommitId(2, 1)]
        for pack in newest.where.packs:
            rig.stores[name].delete(f"packs/{pack.digest[:2]}/{pack.digest}")
    assert promote(rig.world(), "east", replace(BY, newest=True))["workloads"][0]["commit"] == [1, 2]


def test_the_left_branch_stands_is_restored_by_name_and_by_nothing_else(rig):
    repository = rig.repository("west")
    assert {CommitId(1, 3), CommitId(1, 4)} <= repository.log("gpt").view().accepted.keys()
    assert select(repository, "gpt", "latest").what.step == 20
    assert newest_recovery_point(repository, "gpt", NEED.demanded).what.step == 20
    assert select(repository, "gpt", "1.4").what.step == 40
    assert status("e", look(rig.world()), rig.world().needs, None)["workloads"]["gpt"]["recovery_point"]["step"] == 20


def test_a_keeper_keeps_what_the_run_goes_on_from_and_not_the_newer_left_ones_instead(rig):
    keep(rig, "west", 1)
    assert CommitId(1, 2) in rig.repository("west").log("gpt").view().accepted


def test_where_nothing_else_is_within_reach_the_left_branch_is_taken_and_that_is_said(rig):
    for name in ("east", "west"):
        repository = rig.repository(name)
        for height in (1, 2):
            slot = repository.log("gpt").view().accepted[CommitId(1, height)].slot
            record = repository.log("gpt").slot(slot).digest
            repository.receipts.write("gpt", slot, "stored", name, record=record, ok=False, reason="gone")
    plan = plan_only(rig.world(), "east", BY).workloads[0]
    assert plan.commit == (1, 4)
    assert "of a branch that an earlier promotion left" in plan.why
    assert promote(rig.world(), "east", BY)["workloads"][0]["commit"] == [1, 4]
    rig.save(10, term=3, receipts=False)
    assert plan_only(rig.world(), "west", BY).workloads[0].commit == (1, 4)


def test_a_repository_that_was_away_learns_what_was_left_when_it_is_opened(tmp_path):
    rig = Rig(tmp_path)
    for step in (10, 20, 30):
        rig.save(step, age_s=40 - step)
    rig.prove(20)
    lose(rig, "east")
    promote(rig.world(), "west", BY)
    find_again(rig, "east")
    assert promote(rig.world(), "east", BY)["workloads"][0]["commit"] == [1, 2]
    assert select(rig.repository("east"), "gpt", "latest").what.step == 20


def test_a_run_that_was_only_opened_anew_has_all_that_it_committed_behind_it(tmp_path):
    rig = Rig(tmp_path)
    for step in (10, 20, 30):
        rig.save(step, age_s=40 - step)
    rig.save(40, receipts=False)
    rig.prove(10)
    with dying_at("assign"):
        promote(rig.world(), "west", BY)
    end = promote(rig.world(), "east", Given(by="test", abandon="1-1", reason="east is well"))
    assert end["workloads"][0]["step"] == 30
    assert rig.witness().current().workloads["gpt"].head.key() == (1, 4)
    assert select(rig.repository("west"), "gpt", "latest").what.step == 40


class At(Quiet):
    """Does something when a phase begins."""

    def __init__(self, step, act):
        self.step, self.act = step, act

    def begin(self, step: str) -> None:
        if step == self.step:
            self.act()


@pytest.mark.parametrize("how", ["a proof fails", "a repository goes away"])
def test_more_is_never_lost_than_was_agreed_to_though_the_facts_change_before_the_seal(tmp_path, how):
    rig = Rig(tmp_path)
    rig.save(10, age_s=NEED.rpo_s + 30)
    rig.save(20, age_s=2, to=("east", "west") if how == "a proof fails" else ("east",))

    def change() -> None:
        if how == "a proof fails":
            rig.prove(20, ok=False)
        else:
            lose(rig, "east")

    def late() -> None:
        change()
        world.repositories["east"] = rig.repository("east")

    world = rig.world()
    world = replace(world, repositories=dict(world.repositories), progress=At("fence east", late))
    with pytest.raises(PromotionRefused, match="the objective is 1m"):
        promote(world, "west", BY)
    assert len(rig.witness().assignments()) == 1
    assert rig.witness().journal(1, 1).ended()["result"] == "superseded"
    given = Given(by="test", data_loss_s=1000.0, reason="the proof failed")
    assert promote(rig.world(), "west", given)["workloads"][0]["step"] == 10
