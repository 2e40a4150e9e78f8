"""A promotion where leases are on: nothing is started before the old writer's lease has ended, unless its fence is proven."""

from __future__ import annotations

from dataclasses import replace

import pytest

from drstack.errors import OperationConflict
from drstack.recovery import control
from drstack.recovery.conduct import plan_only, promote
from drstack.recovery.leases import LeasePolicy
from drstack.recovery.plan import Given
from drstack.witness.journal import Journal
from tests.drstack.recovery.world import NEED, Rig


class Clock:
    """Stands still but for those who sleep; `beside` is called before each sleep."""

    def __init__(self):
        self.now, self.beside = 1000.0, lambda: None

    def sleep(self, seconds):
        self.beside()
        self.now += seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def rig(tmp_path):
    made = Rig(tmp_path)
    made.save(10)
    return made


def leased(rig, clock, **changed):
    policy = LeasePolicy(drift_s=1.0, pause_s=3.0, now=lambda: clock.now)
    world = rig.world(replace(NEED, leased=True))
    return replace(world, leases=policy, sleep=clock.sleep, **changed)


def hold(rig, *, for_s=30.0, over=lambda _: False):
    return rig.witness().leases("gpt").hold(site="east", term=1, for_s=for_s, over=over)


def test_an_unproven_fence_is_graded_lease_expired_after_the_whole_time_to_live(rig, clock):
    hold(rig)
    rig.sites["east"].reachable = False
    started_at = []
    west = rig.sites["west"]
    start = west.start_job
    west.start_job = lambda *given, **more: (started_at.append(clock.now), start(*given, **more))
    end = promote(leased(rig, clock), "west", Given(by="test"))
    assert [(row["site"], row["grade"]) for row in end["fences"]] == [("east", "lease-expired")]
    assert "34.0 s" in end["fences"][0]["proof"]
    assert started_at[0] >= 1000 + 30 + 1 + 3
    taken = rig.witness().leases("gpt").last()
    assert (taken.taken, taken.operation) == (True, "1-1")


def test_a_proven_fence_is_not_waited_for(rig, clock):
    hold(rig)
    end = promote(leased(rig, clock), "west", Given(by="test"))
    assert [row["grade"] for row in end["fences"]] == ["proven"]
    assert clock.now < 1030
    assert rig.witness().leases("gpt").last().taken


def test_work_without_a_lease_is_never_taken_for_stopped(rig, clock):
    rig.sites["east"].reachable = False
    end = promote(leased(rig, clock), "west", Given(by="test"))
    (row,) = end["fences"]
    assert row["grade"] == "assumed"
    assert "nobody held a lease of gpt" in row["proof"]


def test_the_plan_shows_the_step_only_where_leases_are_on(rig, clock):
    with_leases = plan_only(leased(rig, clock), "west", Given(by="test"))
    steps = {step.id: step for step in with_leases.steps}
    assert steps["lease east"].after == ("fence east",)
    assert "lease east" in steps["start gpt"].after
    assert "lease east" not in {step.id for step in plan_only(rig.world(), "west", Given(by="test")).steps}


def test_who_takes_an_operation_up_waits_all_of_it_again(rig, clock):
    hold(rig)
    rig.sites["east"].reachable = False

    def die():
        raise KeyboardInterrupt

    clock.beside = die
    with pytest.raises(KeyboardInterrupt):
        promote(leased(rig, clock), "west", Given(by="test"))
    assert rig.sites["west"].starts == []
    clock.beside, clock.now = (lambda: None), 5.0
    end = promote(leased(rig, clock), "west", Given(by="another"))
    assert clock.now >= 5 + 34
    assert [row["grade"] for row in end["fences"]] == ["lease-expired"]
    assert rig.witness().leases("gpt").last().n == 2


def test_an_operation_that_ended_meanwhile_starts_nothing_and_the_writer_holds_again(rig, clock):
    hold(rig)
    rig.sites["east"].reachable = False

    def end():
        clock.beside = lambda: None
        control.running(rig.witness()).end({"result": "abandoned", "by": "a person", "why": "not today"})

    clock.beside = end
    with pytest.raises(OperationConflict):
        promote(leased(rig, clock), "west", Given(by="test"))
    assert rig.sites["west"].starts == []
    journal = rig.witness().journal(1, 1)
    if rig.witness().current().number == 1:
        assert hold(rig, over=lambda _: journal.ended() is not None).n == 3


STEPS = (
    "fence east",
    "lease east",
    "seal gpt",
    "assign",
    "pin gpt",
    "restore gpt",
    "start gpt",
    "prove gpt",
    "reconcile",
)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_killed_in_any_step_and_taken_up_by_another_it_comes_to_the_same_end(rig, clock, monkeypatch, step, when):
    hold(rig)
    rig.sites["east"].reachable = False
    settle = Journal.settle
    intend = Journal.intend

    def die_after(journal, name, body):
        settled = settle(journal, name, body)
        if name == step:
            raise KeyboardInterrupt
        return settled

    def die_before(journal, name, **told):
        found = intend(journal, name, **told)
        if name == step:
            raise KeyboardInterrupt
        return found

    with monkeypatch.context() as patched:
        patched.setattr(*((Journal, "settle", die_after) if when == "after" else (Journal, "intend", die_before)))
        with pytest.raises(KeyboardInterrupt):
            promote(leased(rig, clock), "west", Given(by="one"))
    end = promote(leased(rig, clock), "west", Given(by="another"))
    assert [row["grade"] for row in end["fences"]] == ["lease-expired"]
    assert [start[1] for start in rig.sites["west"].starts] == [10]
    last = rig.witness().leases("gpt").last()
    assert (last.n, last.taken, last.operation) == (2, True, "1-1")
