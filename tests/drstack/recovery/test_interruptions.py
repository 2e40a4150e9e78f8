"""What an operator, a site, the witness or a writer may do between two phases of a promotion, and what must hold then."""

from __future__ import annotations

import itertools
import os
import time
from contextlib import contextmanager

import pytest

from drstack.errors import ConsentRequired, OperationConflict, PlanStale, WitnessUnsound
from drstack.recovery.conduct import look, plan_only, promote
from drstack.recovery.operation import begin, unfinished
from drstack.recovery.plan import Given, plan_promotion
from drstack.recovery.promote import Promotion
from drstack.witness.assignment import Assignment
from replicator.model import Id
from replicator.service.keeping import Keeping
from replicator.stores.faults import FaultyStore
from tests.drstack.recovery.world import Away, Rig
from tests.replicator.repository.rig import Killed

BY = Given(by="test")
ANY_LOSS = Given(by="test", data_loss_s=float("inf"), reason="east is gone")


@pytest.fixture
def rig(tmp_path):
    return Rig(tmp_path)


def lose(rig: Rig, site: str) -> None:
    rig.sites[site].reachable = False
    rig.wrap = lambda name, store: FaultyStore(store, Away()) if name == site else store


def find_again(rig: Rig, site: str) -> None:
    rig.sites[site].reachable = True
    rig.wrap = lambda _, store: store


@contextmanager
def dying_at(act: str):
    """The operator's process dies when it comes to a step of this act."""
    do = Promotion._do

    def die(self, step):
        if step.act == act:
            raise Killed
        return do(self, step)

    Promotion._do = die
    try:
        with pytest.raises(Killed):
            yield
    finally:
        Promotion._do = do


def corrupt(rig: Rig, site: str, slot: int) -> None:
    key = f"log/gpt/{slot:020d}"
    rig.stores[site].delete(key)
    rig.stores[site].create(key, b"garbage")


def forget_assignment(rig: Rig, number: int) -> None:
    for key in list(rig.stores["witness"].list("e")):
        if key.endswith(f"assignments/{number:020d}") or "/operations/" in key:
            rig.stores["witness"].delete(key)


def test_the_tail_of_a_site_that_was_away_is_no_recovery_point_when_it_is_promoted_again(rig):
    rig.save(10)
    lose(rig, "east")
    promote(rig.world(), "west", BY)
    rig.save(20, to=("east",))
    find_again(rig, "east")
    end = promote(rig.world(), "east", BY)
    assert end["workloads"][0]["step"] == 10
    for name in ("east", "west"):
        assert (1, 2) not in rig.repository(name).log("gpt").view().accepted


def test_checkpoints_committed_between_plan_and_seal_are_recovered(rig):
    rig.save(10)
    with dying_at("fence"):
        promote(rig.world(), "west", BY)
    for step in (20, 30, 40):
        rig.save(step)
    assert promote(rig.world(), "west", BY)["workloads"][0]["step"] == 40


def test_a_site_that_dies_after_the_plan_does_not_block(rig):
    rig.save(10)
    with dying_at("seal"):
        promote(rig.world(), "west", BY)
    lose(rig, "east")
    assert promote(rig.world(), "west", BY)["result"] == "promoted"


def test_another_site_is_promoted_once_the_operation_of_a_dead_target_is_abandoned_with_a_reason(rig):
    rig.save(10)
    with dying_at("restore"):
        promote(rig.world(), "west", BY)
    lose(rig, "west")
    with pytest.raises(OperationConflict, match="1-1"):
        promote(rig.world(), "east", ANY_LOSS)
    with pytest.raises(ConsentRequired, match="reason"):
        promote(rig.world(), "east", Given(by="test", abandon="1-1"))
    given = Given(by="test", abandon="1-1", reason="west died too", data_loss_s=float("inf"))
    assert promote(rig.world(), "east", given)["result"] == "promoted"
    assert rig.witness().journal(1, 1).ended()["result"] == "abandoned"
    assert rig.witness().current().workloads["gpt"].writer == "east"


def test_an_assignment_that_adds_a_workload_does_not_hide_an_unfinished_promotion(rig):
    rig.save(10)
    with dying_at("restore"):
        promote(rig.world(), "west", BY)
    current = rig.witness().current()
    rig.witness().assign(Assignment(number=3, workloads=current.workloads, cause="extend"))
    assert unfinished(rig.witness()) is not None
    promote(rig.world(), "west", BY)
    assert rig.sites["west"].starts


@pytest.mark.parametrize("phase", ["fence", "assign", "pin"])
def test_a_log_that_gets_corrupt_at_the_failed_site_does_not_block(rig, phase):
    rig.save(10)
    with dying_at(phase):
        promote(rig.world(), "west", BY)
    corrupt(rig, "east", 2)
    assert promote(rig.world(), "west", BY)["result"] == "promoted"


def test_a_corrupt_log_at_the_failed_site_does_not_keep_a_promotion_from_beginning(rig):
    rig.save(10)
    corrupt(rig, "east", 2)
    assert promote(rig.world(), "west", BY)["result"] == "promoted"


def test_promoting_the_writer_of_a_sealed_log_opens_it_anew_and_leaves_its_run_alone(rig):
    rig.save(10)
    with dying_at("assign"):
        promote(rig.world(), "west", BY)
    current = rig.witness().current()
    rig.witness().assign(Assignment(number=2, workloads=current.workloads, cause="extend"))
    with pytest.raises(OperationConflict):
        Promotion(rig.world(), rig.witness().journal(1, 1)).finish()
    fenced = rig.sites["east"].fenced
    end = promote(rig.world(), "east", BY)
    assert end["result"] == "promoted"
    assert rig.sites["east"].fenced == fenced
    assert rig.sites["east"].starts == []
    view = rig.repository("east").log("gpt").view()
    assert view.writable
    assert view.opened[view.term].writer == "east"
    rig.save(20, term=3)
    assert promote(rig.world(), "east", BY)["already"] is True


def test_promoting_the_writer_of_a_term_that_no_log_was_opened_for_opens_one(rig):
    """The assignment was made, every log was out of reach of its opens, and the operation was given up."""
    rig.save(10)
    first = rig.witness().current()
    part = first.workloads["gpt"].model_copy(
        update={"writer": "west", "term": 2, "head": Id(term=1, height=1), "heads": {"1": 1}}
    )
    rig.witness().assign(Assignment(number=2, workloads={"gpt": part}, cause="promote"))
    end = promote(rig.world(), "west", BY)
    assert (end["number"], end.get("already")) == (3, None)
    for name in ("east", "west"):
        view = rig.repository(name).log("gpt").view()
        assert (view.term, view.writable) == (3, True)
    assert promote(rig.world(), "west", BY)["already"]


def test_a_plan_that_was_overtaken_fences_nobody(rig):
    rig.save(10)
    world = rig.world()
    plan = plan_promotion("e", look(world), "west", world.needs, BY).document()
    for workload in plan["workloads"]:
        workload.update({"rpo_s": 60.0, "rto_s": 60.0})
    promote(rig.world(), "west", BY)
    rig.save(20, term=2)
    promote(rig.world(), "east", BY)
    fenced, now = rig.sites["east"].fenced, time.time()
    times = {"failed_at": None, "began_at": now, "facts_at": now, "planned_at": now}
    journal, _ = begin(world.witness, {**plan, "by": "slow", "reason": None, **times})
    with pytest.raises(OperationConflict):
        Promotion(world, journal).finish()
    assert rig.sites["east"].fenced == fenced


@pytest.mark.parametrize("name", ["step-00000010", "step-00000090"])
def test_what_lies_in_the_way_is_moved_whatever_its_clock_says(rig, name):
    rig.save(10)
    stale = rig.folder / "west" / "gpt" / name
    stale.mkdir(parents=True)
    (stale / "weights").write_text("something else")
    os.utime(stale, (time.time() + 30, time.time() + 30))
    promote(rig.world(), "west", BY)
    assert [path.name for path in (rig.folder / "west" / "gpt").iterdir()] == ["step-00000010"]


@pytest.mark.parametrize("target", ["east", "west"])
def test_a_witness_that_is_shorter_than_the_logs_blocks_and_gives_no_number_out_again(rig, target):
    rig.save(10)
    promote(rig.world(), "west", BY)
    rig.save(20, term=2)
    forget_assignment(rig, 2)
    with pytest.raises(WitnessUnsound, match="behind"):
        promote(rig.world(), target, BY)
    assert len(rig.witness().assignments()) == 1


def test_a_source_that_goes_away_before_the_pin_is_passed_over_for_an_older_checkpoint(rig):
    rig.save(10)
    rig.save(20, to=("east",))
    with dying_at("pin"):
        promote(rig.world(), "west", ANY_LOSS)
    lose(rig, "east")
    assert promote(rig.world(), "west", ANY_LOSS)["workloads"][0]["step"] == 10


def test_a_planned_checkpoint_that_was_dropped_before_the_seal_is_passed_over(rig):
    rig.save(10)
    with dying_at("fence"):
        promote(rig.world(), "west", BY)
    for step in (20, 30):
        rig.save(step)
    Keeping(rig.repository("west"), "gpt", "west", keep=1, grace_s=0, poll_s=1).let_go()
    assert promote(rig.world(), "west", BY)["workloads"][0]["step"] == 30


def test_an_agreed_plan_is_held_to_when_another_operation_is_joined(rig):
    rig.save(10)
    agreed = plan_only(rig.world(), "west", BY).document()
    late = Given(by="other", failed_at=time.time() + 600, data_loss_s=900, reason="a region is gone")
    with dying_at("fence"):
        promote(rig.world(), "west", late)
    with pytest.raises(PlanStale, match="another operator"):
        promote(rig.world(), "west", BY, agreed=agreed)


def test_a_repository_rolled_back_past_its_open_is_noticed(rig):
    rig.save(10)
    promote(rig.world(), "west", BY)
    rig.save(20, term=2)
    for seal in rig.witness().current().workloads["gpt"].seals:
        for key in list(rig.stores[seal.repository].list("log/gpt")):
            if int(key.rsplit("/", 1)[1]) > seal.slot:
                rig.stores[seal.repository].delete(key)
    facts = look(rig.world())
    assert all(fact.rolled_back for fact in facts.workloads["gpt"].repositories.values())


def test_a_run_that_ends_well_before_it_could_be_proved_does_not_keep_the_operation_open(rig):
    rig.save(10)
    rig.sites["west"].ends_after = 2
    rig.sites["west"].steps = itertools.count(1)
    assert promote(rig.world(), "west", BY)["result"] == "promoted"


def test_pins_that_cannot_be_let_go_are_told(rig):
    rig.save(10)
    with dying_at("reconcile"):
        promote(rig.world(), "west", BY)
    corrupt(rig, "east", 2)
    assert promote(rig.world(), "west", BY)["result"] == "promoted"
    assert "pins of gpt stay in east" in rig.witness().journal(1, 1).outcome("reconcile")["detail"]


def test_pins_of_a_promotion_are_gone_when_it_has_ended(rig):
    rig.save(10)
    promote(rig.world(), "west", BY)
    for name in ("east", "west"):
        assert rig.repository(name).log("gpt").view().pins == {}
