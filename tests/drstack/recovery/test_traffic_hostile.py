"""Requests under attack: operators killed at every record, two at once, commands in each other's way, routers that lie."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace

import pytest

from drstack.errors import OperationConflict, StepFailed, WitnessUnreachable
from drstack.recovery import shares
from drstack.recovery.conduct import promote
from drstack.recovery.operation import unfinished
from drstack.recovery.plan import Given
from drstack.recovery.shares import set_shares
from drstack.recovery.traffic import Traffic, weights_after
from drstack.witness.assignment import Assignment, WorkloadAssignment
from replicator.errors import StoreUnavailable
from replicator.stores.faults import FaultyStore
from tests.drstack.recovery import test_traffic
from tests.drstack.recovery.test_interruptions import dying_at, lose
from tests.drstack.recovery.test_traffic import RememberedRouter
from tests.replicator.repository.rig import Killed

BY = Given(by="test")
MOVED = {"east": 0, "west": 100}
rig = test_traffic.rig


def world(rig, router, *, second=0.2):
    """Its clock goes on by itself, so that nobody waits."""
    seconds = itertools.count(start=time.time(), step=second)
    return replace(test_traffic.world(rig, router), clock=lambda: next(seconds))


class KillsAtWrite:
    """Whoever makes the n-th write to the witness dies: before it takes effect, or after."""

    def __init__(self, n: int, *, after: bool) -> None:
        self.left, self.late = n, after

    def before(self, verb: str, key: str) -> None:
        if verb == "create":
            self.left -= 1
            if self.left == 0 and not self.late:
                raise Killed

    def after(self, verb: str, key: str) -> None:
        if verb == "create" and self.left == 0 and self.late:
            self.left = -1
            raise Killed

    def filter(self, key: str, body: bytes) -> bytes:
        return body


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True])
def test_an_operator_killed_at_any_record_is_followed_by_one_who_comes_to_the_same_end(tmp_path, after):
    for n in itertools.count(1):
        rig = test_traffic.rig.__wrapped__(tmp_path / f"{n}")
        router = RememberedRouter(number=2)
        rig.wrap = lambda name, store, n=n: (
            FaultyStore(store, KillsAtWrite(n, after=after)) if name == "witness" else store
        )
        try:
            promote(world(rig, router), "west", BY)
        except Killed:
            killed = True
        else:
            killed = False
        rig.wrap = lambda _, store: store
        promote(world(rig, router), "west", BY)
        assert (router.weights, router.number) == (MOVED, 3), f"killed at write {n}"
        assert len(rig.witness().assignments()) == 3
        assert len(rig.sites["west"].starts) == 1
        assert unfinished(rig.witness()) is None
        if not killed:
            assert n > 18
            return


class Overtaken(RememberedRouter):
    """Just before its n-th turn, somebody else does something."""

    def __init__(self, n: int, meanwhile, **given) -> None:
        super().__init__(**given)
        self.left, self.meanwhile = n, meanwhile

    def set_weights(self, *args, **given) -> None:
        self.left -= 1
        if self.left == 0:
            self.meanwhile()
        super().set_weights(*args, **given)


@pytest.mark.parametrize("turn", [1, 2, 3])
def test_who_shifts_late_does_not_take_requests_back_from_an_operator_who_finished(rig, turn):
    def other() -> None:
        assert promote(world(rig, router), "west", BY)["result"] == "promoted"
        assert router.weights == MOVED

    router = Overtaken(turn, other, number=2)
    assert promote(world(rig, router), "west", BY)["result"] == "promoted"
    assert router.weights == MOVED
    finished = router.turned.index(MOVED)
    assert all(weights == MOVED for weights in router.turned[finished:])


def test_a_promotion_that_comes_while_shares_are_shifted_wins_and_the_shift_says_so_at_once(rig):
    def other() -> None:
        lose(rig, "east")
        router.healthy["east"] = False
        promote(world(rig, router), "west", BY)

    router = Overtaken(2, other, number=2)
    with pytest.raises(StepFailed, match="assignment 4 already; 3 is older"):
        set_shares(world(rig, router), "chat", {"east": 50, "west": 50})
    assert (router.weights, router.number) == (MOVED, 4)


def test_shares_that_are_assigned_between_plan_and_seal_make_the_promotion_plan_anew(rig, monkeypatch):
    router = RememberedRouter(number=2)
    with dying_at("seal"):
        promote(world(rig, router), "west", BY)
    monkeypatch.setattr(shares, "unfinished", lambda _: None)  # it had looked before the promotion began
    set_shares(world(rig, router), "chat", {"east": 50, "west": 50})
    monkeypatch.undo()
    end = promote(world(rig, router), "west", BY)
    assert (end["number"], router.weights) == (4, MOVED)
    assert rig.witness().journal(2, 1).ended()["result"] == "superseded"


def test_shares_lose_to_a_promotion_that_took_their_slot(rig):
    router = RememberedRouter(number=2, healthy={"east": True, "west": False})

    def meanwhile(_seconds: float) -> None:
        router.healthy["west"] = True
        if len(rig.witness().assignments()) == 2:
            promote(world(rig, router), "west", BY)

    with pytest.raises(OperationConflict, match="assignment 3 was made by somebody else"):
        set_shares(replace(world(rig, router), sleep=meanwhile), "chat", {"east": 50, "west": 50})
    assert router.weights == MOVED


def test_an_operator_whose_operation_is_abandoned_stops_and_begins_no_other(rig):
    def other() -> None:
        given = Given(by="other", abandon="2-1", reason="west is to rest")
        promote(world(rig, router), "east", given)

    router = Overtaken(1, other, number=2)
    with pytest.raises(OperationConflict, match="has ended: abandoned"):
        promote(world(rig, router), "west", BY)
    assert rig.witness().current().workloads["gpt"].writer == "east"
    assert router.weights == {"east": 100, "west": 0}


def test_what_is_declared_during_a_promotion_does_not_keep_it_from_turning_the_router(rig):
    """A `pulumi up` that declares a workload makes an assignment, and may tell the router its number."""
    lose(rig, "east")
    router = RememberedRouter(number=2, healthy={"east": False, "west": True})
    with dying_at("requests"):
        promote(world(rig, router), "west", BY)
    current = rig.witness().current()
    rig.witness().assign(Assignment(number=4, workloads=current.workloads, cause="extend"))
    router.number = 4
    assert promote(world(rig, router), "west", BY)["result"] == "promoted"
    assert router.weights == MOVED


class Unaware(RememberedRouter):
    """A router to which the workload was not declared yet."""

    def observe(self, *, deadline_s):
        return replace(super().observe(deadline_s=deadline_s), weights={}, healthy={}, errors={}, urls={})


def test_a_router_that_does_not_know_the_workload_keeps_no_training_waiting(rig):
    lose(rig, "east")
    router = Unaware(number=2)
    with pytest.raises(StepFailed, match=r"no replica at west is ready|knows no workload chat"):
        promote(world(rig, router, second=2.0), "west", BY)
    assert rig.sites["west"].starts


def test_shares_that_add_up_to_nothing_make_the_target_serve():
    assert weights_after({"east": 0, "west": 0}, {"east"}, "west") == MOVED
    assert weights_after({}, (), "west") == {"west": 100}


class Black:
    """A witness that is away while `away` is true."""

    away = False

    def before(self, verb: str, key: str) -> None:
        if self.away:
            raise StoreUnavailable("black hole")

    def after(self, verb: str, key: str) -> None:
        pass

    def filter(self, key: str, body: bytes) -> bytes:
        return body


@pytest.mark.parametrize("turn", [1, 2, 3])
def test_a_witness_that_goes_away_while_requests_move_stops_nothing_that_was_decided(rig, turn):
    black = Black()
    rig.wrap = lambda name, store: FaultyStore(store, black) if name == "witness" else store

    def other() -> None:
        black.away = True

    router = Overtaken(turn, other, number=2)
    with pytest.raises(WitnessUnreachable):
        promote(world(rig, router), "west", BY)
    assert router.weights == MOVED
    black.away = False
    assert promote(world(rig, router), "west", BY)["result"] == "promoted"
    assert len(rig.sites["west"].starts) == 1


class LosesAnswers(Black):
    """An assignment takes effect; nobody hears of it, and the witness is away from then on."""

    def after(self, verb: str, key: str) -> None:
        if verb == "create" and "assignments/" in key:
            self.away = True
            raise StoreUnavailable("black hole")


@pytest.mark.slow
def test_shares_whose_assignment_nobody_could_confirm_are_turned_by_the_same_command(rig):
    loses = LosesAnswers()
    rig.wrap = lambda name, store: FaultyStore(store, loses) if name == "witness" else store
    router = RememberedRouter(number=2)
    with pytest.raises(WitnessUnreachable):
        set_shares(world(rig, router), "chat", {"east": 50, "west": 50})
    assert router.turned == []
    rig.wrap = lambda _, store: store
    assert set_shares(world(rig, router), "chat", {"east": 50, "west": 50}).number == 3
    assert router.weights == {"east": 50, "west": 50}


def test_a_router_turned_for_a_later_assignment_is_told_at_once(rig):
    router = RememberedRouter(number=9)
    part = WorkloadAssignment(writer="east", term=2, serves=MOVED)
    older = Assignment(number=3, workloads={"chat": part}, cause="traffic")
    with pytest.raises(StepFailed, match="assignment 9 already; 3 is older"):
        Traffic(world(rig, router), older).settle()
    assert router.turned == []
