"""A planned move: nothing is lost, the old site stands by, and what is away or unsaved stops it before anything moved."""

from __future__ import annotations

import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from drstack.errors import NotReady, OperationConflict, PromotionRefused, StepFailed
from drstack.recovery import control
from drstack.recovery.admission import bring_up_to
from drstack.recovery.conduct import plan_only, promote
from drstack.recovery.plan import Given
from drstack.recovery.switchover import Stopped
from replicator.errors import Sealed
from replicator.repository.repository import Repository
from replicator.stores.faults import FaultyStore
from tests.drstack.recovery.fleet import Fleet
from tests.drstack.recovery.test_interruptions import dying_at
from tests.drstack.recovery.test_steps import ancestors
from tests.drstack.recovery.world import Away

BY = Given(by="test")
NAMES = ("a", "b")


def saves_as_it_stops(fleet, site="east", term=1, step=20, to=None):
    """What a site's trainers and replicator do when they are asked to stop."""
    fleet.sites[site].reached = dict.fromkeys(fleet.names, step)

    def trouble(act):
        verb, _, name = act.partition(" ")
        if verb == "stop" and (name, step) not in saved:
            saved.add((name, step))
            fleet.save(name, step=step, term=term, to=to)

    saved = set()
    fleet.sites[site].trouble = trouble


def switch(fleet, target="west", given=BY, **changed):
    return promote(fleet.world(**changed), target, given, kind="switchover")


@pytest.fixture
def fleet(tmp_path):
    made = Fleet(tmp_path, names=NAMES)
    made.save()
    saves_as_it_stops(made)
    return made


class Ticking:
    """A clock that goes on whenever somebody sleeps."""

    def __init__(self):
        self.now = 1_800_000_000.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


def test_the_work_goes_on_from_the_checkpoint_that_it_saved_as_it_stopped(fleet):
    end = switch(fleet, standby=lambda _: 7)
    assert (end["result"], [each["step"] for each in end["workloads"]]) == ("switched over", [20, 20])
    assert [each["rpo_s"] for each in end["workloads"]] == [0.0, 0.0]
    assert all(each["rto_s"] > 0 for each in end["workloads"])
    assert set(fleet.writers().values()) == {"west"}
    assert sorted(fleet.sites["west"].started) == ["a", "b"]
    assert {step for _, step in fleet.sites["west"].started.values()} == {20}
    assert (fleet.sites["east"].started, fleet.sites["east"].fenced, fleet.sites["east"].capacity) == ({}, 0, 7)
    with pytest.raises(Sealed):
        fleet.save("a", step=30, to=("east",))


def test_capacity_comes_first_and_what_waits_for_a_workload_is_stopped_before_it(tmp_path):
    fleet = Fleet(tmp_path, names=("db", "web"), after={"web": ("db",)})
    fleet.save()
    plan = plan_only(fleet.world(), "west", BY, kind="switchover")
    steps = {step.id: step for step in plan.steps}
    assert "capacity west" in ancestors(steps, "quiesce web")
    assert "quiesce web" in ancestors(steps, "quiesce db")
    assert "prove db" in ancestors(steps, "start web")
    assert {"ship db", "ship web"} <= ancestors(steps, "assign")
    assert {"prove db", "prove web", "answers"} <= ancestors(steps, "release east")
    assert not [step for step in steps if step.startswith("fence")]
    assert plan.kind == "switchover"


def test_a_second_one_finds_nothing_to_do(fleet):
    first = switch(fleet)
    assert switch(fleet)["already"] is True
    assert fleet.witness().current().number == first["number"]


def test_one_workload_alone_leaves_the_others_running(fleet):
    switch(fleet, given=Given(by="test", only=("b",)))
    assert fleet.writers() == {"a": "east", "b": "west"}
    assert sorted(fleet.sites["east"].started) == ["a"]


def test_a_trainer_that_does_not_save_as_it_stops_ends_it_and_an_abort_lets_the_work_go_on(fleet):
    fleet.sites["east"].trouble = lambda _: None
    clock = Ticking()
    with pytest.raises(StepFailed, match=r"stopped after step 20 and its newest checkpoint is of step 10"):
        switch(fleet, clock=clock, sleep=clock.sleep)
    assert set(fleet.writers().values()) == {"east"}
    assert len(fleet.witness().assignments()) == 1
    told = control.abort(fleet.world(clock=clock, sleep=clock.sleep), by="test", reason="it does not save")
    assert sorted(told["next"]) == [f"{name} goes on at east from step 10" for name in NAMES]
    assert {name: step for name, (_, step) in fleet.sites["east"].started.items()} == {"a": 10, "b": 10}
    fleet.save(step=30)


def test_an_abort_waits_for_the_checkpoint_that_is_on_its_way_and_goes_on_from_it(fleet):
    fleet.sites["east"].trouble = lambda _: None
    fleet.sites["east"].reached = dict.fromkeys(NAMES, 20)
    with dying_at("ship"):
        switch(fleet)
    clock = Ticking()

    def sleep(seconds):
        clock.sleep(seconds)
        if clock.now > 1_800_000_010 and not arrived:
            arrived.append(True)
            fleet.save(step=20)

    arrived = []
    told = control.abort(fleet.world(clock=clock, sleep=sleep), by="test", reason="not today")
    assert sorted(told["next"]) == [f"{name} goes on at east from step 20" for name in NAMES]


def test_a_checkpoint_of_a_start_before_this_one_is_not_what_it_saved_as_it_stopped(fleet):
    """The run was started again from step 10, while step 30 of the start before was on its way."""
    fleet.save("a", step=30)
    clock, east = Ticking(), fleet.sites["east"]
    arrived, look = [], east.observe

    def observe(*, deadline_s):
        seen = look(deadline_s=deadline_s)
        jobs = {n: replace(job, step_at=time.time() + 0.5, first_step_at=time.time()) for n, job in seen.jobs.items()}
        return replace(seen, jobs=jobs)

    def sleep(seconds):
        clock.sleep(seconds)
        if not arrived:  # what it saves as it stops comes a little later
            time.sleep(0.6)
            arrived.append(fleet.save("a", step=20, height=4))

    east.observe, east.trouble, east.reached = observe, lambda _: None, {"a": 20, "b": 10}
    fleet.sites["east"].started = {"a": ("lifted", 10)}
    end = switch(fleet, given=Given(by="test", only=("a",)), sleep=sleep, clock=clock)
    assert arrived
    assert [each["step"] for each in end["workloads"]] == [20]


@pytest.mark.parametrize(
    ("stopped", "counts"),
    [
        (Stopped(), {(10, 5.0), (20, 5.0), (30, 50.0)}),
        (Stopped(20), {(20, 5.0), (30, 50.0)}),
        (Stopped(20, 40.0, 10.0), {(20, 20.0), (30, 50.0), (20, 50.0)}),
        (Stopped(20, 40.0), {(20, 5.0), (20, 20.0), (30, 50.0), (20, 50.0)}),
    ],
)
def test_what_counts_as_saved_as_it_stopped(stopped, counts):
    """By step and when it was saved: later than the last step, or of that step and by this start."""
    of = [(10, 5.0), (20, 5.0), (20, 20.0), (30, 20.0), (20, 50.0), (30, 50.0)]
    found = {(s, at) for s, at in of if stopped.saved(SimpleNamespace(what=SimpleNamespace(step=s, saved_at=at)))}
    assert counts <= found
    assert (30, 20.0) not in found or stopped.at is None
    assert not stopped.saved(None)


def test_what_does_not_arrive_at_the_target_keeps_the_work_where_it_is(fleet):
    saves_as_it_stops(fleet, to=("east",))
    clock = Ticking()
    with pytest.raises(StepFailed, match=r"did not arrive at west in 3600 s"):
        switch(fleet, clock=clock, sleep=clock.sleep)
    assert set(fleet.writers().values()) == {"east"}
    for name in NAMES:
        east, west = (fleet.repository(place) for place in fleet.places)
        assert max(east.log(name).view().accepted) != max(west.log(name).view().accepted)
    told = control.abort(fleet.world(), by="test", reason="the link is down")
    assert all("goes on at east from step 20" in each for each in told["next"])


def test_an_abort_after_the_seals_gives_the_work_back_to_its_site_in_a_new_term(fleet):
    with dying_at("assign"):
        switch(fleet)
    told = control.abort(fleet.world(), by="test", reason="not today")
    assert told["writers"] == {"a": "east", "b": "east"}
    assert any("goes on at east from step 20" in each for each in told["next"])
    assert sorted(fleet.sites["east"].started) == ["a", "b"]
    for name, part in fleet.witness().current().workloads.items():
        fleet.save(name, step=30, term=part.term)


@pytest.mark.parametrize(
    "act", ["rejoin", "capacity", "quiesce", "ship", "seal", "assign", "pin", "restore", "start", "prove", "reconcile"]
)
def test_killed_before_any_step_and_run_again_it_comes_to_the_same_end(tmp_path, act):
    fleet = Fleet(tmp_path, names=NAMES)
    fleet.save()
    saves_as_it_stops(fleet)
    with dying_at(act):
        switch(fleet)
    end = switch(fleet)
    assert end["result"] == "switched over"
    assert {step for _, step in fleet.sites["west"].started.values()} == {20}
    assert sorted(fleet.sites["west"].starts) == ["a", "b"]
    assert [each.cause for each in fleet.witness().assignments()] == ["create", "promote"]


def away(fleet, site):
    return {
        name: Repository(name, FaultyStore(fleet.stores[name], Away()) if name == site else fleet.stores[name])
        for name in fleet.places
    }


def test_a_writer_that_cannot_be_seen_is_no_case_for_a_planned_move(fleet):
    fleet.sites["east"].reachable = False
    with pytest.raises(PromotionRefused, match="cannot be seen") as raised:
        switch(fleet)
    assert raised.value.hint == "If east is lost: drstack promote ENV --to west"


@pytest.mark.parametrize("site", ["east", "west"])
def test_a_repository_that_is_away_is_no_case_for_a_planned_move(fleet, site):
    with pytest.raises(PromotionRefused, match=f"{site}'s repository cannot be reached"):
        switch(fleet, repositories=away(fleet, site))
    assert sorted(fleet.sites["east"].started) == ["a", "b"]


def test_a_standby_that_is_too_small_is_refused_before_anything_stops(fleet):
    fleet.sites["west"].bound = 1
    with pytest.raises(NotReady, match="1 worker slots and the work needs 2"):
        switch(fleet)
    assert sorted(fleet.sites["east"].started) == ["a", "b"]


def test_a_promotion_does_not_join_a_move_that_needs_what_is_lost_now(fleet):
    with dying_at("ship"):
        switch(fleet)
    fleet.sites["east"].reachable = False
    with pytest.raises(
        OperationConflict, match=r"1-1 \(switchover to west, begun by test at .*\) has not ended"
    ) as raised:
        promote(fleet.world(), "west", BY)
    assert "--abandon 1-1" in raised.value.hint
    given = Given(by="test", abandon="1-1", reason="east died meanwhile")
    assert promote(fleet.world(), "west", given)["result"] == "promoted"


def test_home_again_what_the_lost_site_alone_had_written_is_void_and_listed_and_nothing_else_is_lost(tmp_path):
    fleet = Fleet(tmp_path, names=("a",))
    fleet.save()
    fleet.sites["east"].reachable = False
    promote(fleet.world(repositories=away(fleet, "east")), "west", BY)
    fleet.save(step=20, to=("east",))  # the tail that east had not shipped when it was lost
    fleet.save(step=20, term=2, to=("west",))
    fleet.sites["east"].reachable = True
    fleet.sites["east"].last.clear()
    fleet.sites["east"].started.clear()
    bring_up_to(fleet.witness().current(), "a", fleet.repository("east"))  # what its `up` does before anything starts
    fleet.save(step=30, term=2)
    saves_as_it_stops(fleet, "west", term=2, step=40)
    end = switch(fleet, "east")
    assert [each["step"] for each in end["workloads"]] == [40]
    assert fleet.writers() == {"a": "east"}
    void = fleet.witness().journal(2, 1).outcome("rejoin")["result"]["void"]
    assert [(each["workload"], each["commit"]) for each in void] == [("a", "1.2")]
    assert {step for _, step in fleet.sites["east"].started.values()} == {40}


def test_a_site_whose_repository_missed_the_new_term_is_brought_into_it_by_the_move(tmp_path):
    fleet = Fleet(tmp_path, names=("a",))
    fleet.save()
    fleet.sites["east"].reachable = False
    promote(fleet.world(repositories=away(fleet, "east")), "west", BY)
    fleet.sites["east"].reachable = True
    fleet.sites["east"].started.clear()
    assert fleet.repository("east").log("a").view().term == 1
    saves_as_it_stops(fleet, "west", term=2, step=40)
    assert switch(fleet, "east")["result"] == "switched over"
    assert fleet.repository("east").log("a").view().term == 3
