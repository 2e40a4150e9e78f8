"""The witness is away and a promotion goes on, by consent and proven fences; what it made is a copy on the witness later."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from drstack.errors import (
    ConsentRequired,
    DrstackError,
    EnvironmentUnknown,
    FenceNotProven,
    NotReady,
    PromotionRefused,
    WitnessUnreachable,
    WitnessUnsound,
)
from drstack.kit.write import _Known, _put_witness
from drstack.recovery import control
from drstack.recovery.conduct import look, plan_only, promote
from drstack.recovery.history import past_operations
from drstack.recovery.leases import LeasePolicy
from drstack.recovery.plan import Given
from drstack.recovery.ports import Fence
from drstack.unwitnessed import Unwitnessed, stand_in_for, stand_ins
from drstack.witness.assignment import Assignment, WorkloadAssignment
from drstack.witness.repair import plan_repair, repair, survey
from drstack.witness.seen import Seen
from drstack.witness.stand_in import open_stand_in
from drstack.witness.witness import Witness
from replicator.errors import StoreError
from replicator.repository.repository import Repository, random_token
from replicator.stores.faults import FaultyStore
from tests.drstack.recovery.fleet import Fleet
from tests.drstack.recovery.killing import die_at, with_faults, without_faults, writes_of

GIVEN = Given(by="ana", reason="the bucket's account is closed", without_witness=True)
PLACES = ("east", "west", "north")


class Away:
    def before(self, verb, key):
        raise StoreError(f"{key}: connection refused")

    def after(self, verb, key):
        pass

    def filter(self, key, body):
        return body


def away(fleet):
    store = FaultyStore(fleet.stores["witness"], Away())
    return Witness(store, "e", clock=time.time, token=random_token)


def stand_in(fleet, target, *, witness=None, touch=True):
    repositories = {name: Repository(name, fleet.wrap(fleet.stores[name])) for name in fleet.places}
    return stand_in_for(
        witness or away(fleet), fleet.names, repositories, target, Seen(fleet.folder / "seen"), Unwitnessed(touch=touch),
        clock=time.time, by="ana",
    )  # fmt: skip


def go(fleet, target="west", given=GIVEN, **more):
    return promote(fleet.world(witness=stand_in(fleet, target, **more)), target, given)


def back(fleet):
    """The witness is put back by hand, as `drstack witness repair` does."""
    repositories = {name: fleet.repository(name) for name in fleet.places}
    found = survey(repositories, fleet.names)
    planned = plan_repair(fleet.witness(), found, by="ben", reason="it is back")
    repair(fleet.witness(), found, planned, stand_ins(repositories, "e"))
    return planned


@pytest.fixture
def fleet(tmp_path):
    made = Fleet(tmp_path, names=("a", "b"), places=PLACES)
    made.save()
    return made


def terms(fleet, place):
    return {name: fleet.repository(place).log(name).view().term for name in fleet.names}


def untouched(fleet):
    assert all(terms(fleet, place) == {"a": 1, "b": 1} for place in fleet.places)
    assert all(fleet.repository(place).log("a").view().writable for place in fleet.places)


def test_it_goes_on_and_the_witness_has_a_copy_and_the_journal_once_it_is_back(fleet):
    end = go(fleet)
    assert (end["result"], end["number"]) == ("promoted", 2)
    assert fleet.sites["east"].fenced
    assert sorted(fleet.sites["west"].starts) == ["a", "b"]
    opened = fleet.repository("north").log("a").view().opened[2]
    assert opened.assignment["workload"]["without_witness"] == {
        "operation": "1-1", "reason": GIVEN.reason, "by": "ana",
    }  # fmt: skip
    assert len(fleet.witness().assignments()) == 1

    with pytest.raises(WitnessUnsound, match="is behind") as told:
        promote(fleet.world(), "east", Given(by="ben"))
    assert "witness repair" in told.value.hint
    back(fleet)
    made = fleet.witness().assignments()[1]
    assert (made.cause, made.operation, made.writer("a")) == ("repair", "1-1", "west")
    assert ("without-witness", "west", "ana") in {(each.kind, each.value, each.by) for each in made.consents}
    assert fleet.witness().journal(1, 1).ended() == {key: end[key] for key in fleet.witness().journal(1, 1).ended()}
    assert [each.operation for each in past_operations(fleet.witness())] == ["1-1"]
    assert not back(fleet).missing
    fleet.save(step=20, term=2)
    assert promote(fleet.world(), "west", Given(by="ben"))["already"]
    assert promote(fleet.world(), "east", Given(by="ben"))["result"] == "promoted"
    assert fleet.writers() == {"a": "east", "b": "east"}


def test_the_same_command_again_finds_that_it_is_done(fleet):
    go(fleet)
    assert go(fleet)["already"]
    assert sorted(fleet.sites["west"].starts) == ["a", "b"]


def test_it_needs_a_reason_and_a_witness_that_is_away(fleet):
    with pytest.raises(ConsentRequired, match="needs a reason"):
        go(fleet, given=replace(GIVEN, reason=None))
    with pytest.raises(PromotionRefused, match="answers: nothing goes on without it"):
        go(fleet, witness=fleet.witness())
    with pytest.raises(PromotionRefused, match="every fence has to be proven"):
        go(fleet, given=replace(GIVEN, skip_fence=("east",)))
    untouched(fleet)
    with pytest.raises(WitnessUnreachable):
        promote(fleet.world(witness=away(fleet)), "west", GIVEN)


def test_a_fence_that_is_not_proven_stops_it_before_anything_is_sealed(fleet):
    east = fleet.sites["east"]
    east.reachable = False
    with pytest.raises(FenceNotProven, match="east: assumed"):
        go(fleet)
    untouched(fleet)
    east.reachable = True
    assert go(fleet)["result"] == "promoted"


def test_what_runs_under_leases_is_refused(fleet):
    world = fleet.world(witness=stand_in(fleet, "west"), leases=LeasePolicy(0.1, 0.1, time.monotonic))
    leased = {name: replace(need, leased=True) for name, need in world.needs.items()}
    with pytest.raises(PromotionRefused, match="a, b run under leases"):
        promote(replace(world, needs=leased), "west", GIVEN)
    untouched(fleet)


def test_a_plan_writes_nothing_at_all(fleet):
    plan = plan_only(fleet.world(witness=stand_in(fleet, "west", touch=False)), "west", GIVEN)
    assert ("without-witness", "west") in plan.consents
    fence = next(step for step in plan.steps if step.id == "fence east")
    assert "have that proven" in fence.does
    assert "exit code 88" in fence.effect
    assert "assumed" not in fence.effect
    assert not list(fleet.stores["west"].list("without-witness"))
    untouched(fleet)


def test_who_dies_anywhere_in_it_does_it_again(tmp_path):
    def made(name):
        fleet = Fleet(tmp_path / name, names=("a",), places=PLACES)
        fleet.save()
        return fleet

    count = writes_of(first := made("whole"), lambda: go(first))
    for n in range(0, count, 3):
        for before in (True, False):
            fleet = made(f"{n}-{before}")
            die_at(fleet, n, lambda fleet=fleet: go(fleet), count=count, before=before)
            assert go(fleet)["result"] == "promoted"
            assert fleet.sites["west"].starts == ["a"]
            back(fleet)
            assert fleet.writers() == {"a": "west"}
            assert len({fleet.repository(place).log("a").view().opened[2].model_dump_json() for place in PLACES}) == 1


def test_one_that_was_killed_goes_on_where_the_witness_is_once_that_is_back(tmp_path):
    """At whatever write: it is resumed if its term was opened anywhere, else promoted anew; once started, never twice."""
    whole = Fleet(tmp_path / "whole", names=("a",), places=PLACES)
    whole.save()
    count = writes_of(whole, lambda: go(whole))
    for n in range(2, count, 3):
        fleet = Fleet(tmp_path / str(n), names=("a",), places=PLACES)
        fleet.save()
        die_at(fleet, n, lambda fleet=fleet: go(fleet), count=count, before=True)
        back(fleet)
        try:
            control.resume(fleet.world(), by="ben")
        except DrstackError:
            promote(fleet.world(), "west", Given(by="ben"))
        assert fleet.writers() == {"a": "west"}
        assert fleet.sites["west"].starts == ["a"], (n, fleet.sites["west"].starts)
        fleet.save(step=20, term=fleet.witness().current().workloads["a"].term, to=("west",))


def test_two_who_go_on_at_once_to_different_sites_meet_at_a_repository_and_one_starts_nothing(fleet):
    """Both have read the logs; the other is through before this one opens its term."""
    world = fleet.world(witness=stand_in(fleet, "west"))
    other = fleet.world(witness=stand_in(fleet, "north"))
    assign = world.witness.assign

    def overtaken(assignment):
        assert promote(other, "north", GIVEN)["result"] == "promoted"
        return assign(assignment)

    world.witness.assign = overtaken
    with pytest.raises(PromotionRefused, match="somebody else has gone on"):
        promote(world, "west", GIVEN)
    assert not fleet.sites["west"].starts
    assert sorted(fleet.sites["north"].starts) == ["a", "b"]
    with pytest.raises(WitnessUnsound, match="opened for north"):
        go(fleet)
    back(fleet)
    assert fleet.writers() == {"a": "north", "b": "north"}


def test_a_number_that_the_witness_had_given_to_somebody_else_blocks_until_a_person_decides(fleet):
    """Its record of that number was made by others, and reached no repository before it went away."""
    current = fleet.witness().current()
    parts = {name: WorkloadAssignment(writer="north", term=2) for name in fleet.names}
    go(fleet)
    assert fleet.witness().assign(Assignment(number=2, workloads=parts, cause="promote", operation="1-1")).number == 2
    assert current.number == 1
    with pytest.raises(WitnessUnsound, match="was opened for west in that term"):
        back(fleet)
    fleet.save(step=20, term=2, to=("west",))
    assert promote(fleet.world(), "west", Given(by="ben", reason="west ran"))["number"] == 3
    assert fleet.writers() == {"a": "west", "b": "west"}
    assert not fleet.sites["north"].starts


def test_what_this_machine_saw_counts_where_no_log_tells_it(fleet):
    """A number that opened nothing (requests moved), and a workload that only serves, are known from the last look."""
    current = fleet.witness().current()
    parts = {**current.workloads, "chat": WorkloadAssignment(writer="east", term=2, serves={"east": 100})}
    fleet.witness().assign(Assignment(number=2, workloads=parts, cause="traffic"))
    world = fleet.world(remember=Seen(fleet.folder / "seen").note_assignment)
    look(world)
    end = go(fleet)
    assert end["number"] == 3
    assert "chat" in stand_in(fleet, "west").current().workloads
    back(fleet)
    assert fleet.writers() == {"a": "west", "b": "west"}


def test_a_target_that_cannot_be_read_or_was_never_seen_is_named(fleet):
    with pytest.raises(EnvironmentUnknown, match="never seen the descriptor of 'south'"):
        stand_in(fleet, "south")
    with_faults(fleet, Away())
    with pytest.raises(NotReady, match="west's repository cannot be read"):
        stand_in(fleet, "west")
    without_faults(fleet)


def test_a_damaged_copy_of_what_was_seen_is_named(tmp_path):
    seen = Seen(tmp_path)
    (tmp_path / "assignment.json").write_text("{")
    with pytest.raises(WitnessUnsound, match=r"assignment\.json"):
        seen.assignment()
    (tmp_path / "assignment.json").write_text('{"number": 0}')
    with pytest.raises(WitnessUnsound, match=r"assignment\.json"):
        seen.assignment()


def test_a_fence_elsewhere_is_asked_again_each_time(fleet):
    """What was not proven the first time is no outcome: the same command fences again."""
    asked = []

    def fence(*, deadline_s, only=None, order=None):
        assert order is None  # the lost witness may know of later ones
        asked.append(only)
        return Fence("assumed" if len(asked) == 1 else "proven", "stopped", "told")

    fleet.sites["east"].fence = fence
    with pytest.raises(FenceNotProven):
        go(fleet)
    assert go(fleet)["fences"][0]["grade"] == "proven"
    assert len(asked) == 2


def test_a_stand_in_that_the_logs_contradict_is_refused(fleet):
    parts = {name: WorkloadAssignment(writer="north", term=1) for name in fleet.names}
    forged = open_stand_in(fleet.stores["west"], "e", clock=time.time, token=random_token)
    forged.assign(Assignment(number=1, workloads=parts, cause="create"))
    with pytest.raises(WitnessUnsound, match="opened for east in that term"):
        go(fleet)
    untouched(fleet)


def test_what_a_recovery_kit_holds_serves_a_machine_that_never_looked(fleet, tmp_path):
    """And what this machine saw itself goes before it."""
    current = fleet.witness().current()
    kit = tmp_path / "kit" / "witness"
    _put_witness(kit, _Known(current, "id", {"west": {"site": "west", "folder": "of the kit"}}))
    fresh = Seen(tmp_path / "fresh", kit)
    assert (fresh.assignment(), fresh.descriptor("west")["folder"]) == (current, "of the kit")
    assert fresh.descriptor("east") is None
    fresh.note_descriptor("west", {"site": "west", "folder": "seen"})
    assert fresh.descriptor("west")["folder"] == "seen"
    assert Seen(tmp_path / "none").assignment() is None
