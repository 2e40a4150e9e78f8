"""A witness that was emptied or rolled back, put back from what the repositories' logs copy of its assignments."""

from __future__ import annotations

import time

import pytest

from drstack.errors import ConsentRequired, OperationConflict, WitnessUnsound
from drstack.recovery.conduct import promote
from drstack.recovery.control import abort
from drstack.recovery.plan import Given
from drstack.witness.assignment import Assignment
from drstack.witness.rebuild import LogWord, rebuild
from drstack.witness.repair import plan_repair, repair, survey
from drstack.witness.witness import Witness
from replicator.log.entries import Open
from replicator.repository.format import initialise
from replicator.repository.repository import random_token
from replicator.stores.cloud import memory_store
from tests.drstack.recovery.fleet import Fleet
from tests.drstack.recovery.killing import DyingAt, with_faults, without_faults
from tests.replicator.repository.rig import Killed

BY = Given(by="test")


@pytest.fixture
def fleet(tmp_path):
    made = Fleet(tmp_path, names=("a", "b"))
    made.save()
    return made


def empty(fleet):
    """Its bucket is gone, and a new one stands there."""
    fleet.stores["witness"] = memory_store()


def cut_off(fleet, after):
    """Its assignments from there on are gone, as from an old copy of the bucket."""
    store = fleet.stores["witness"]
    for key in sorted(store.list("e/assignments"))[after:]:
        store.delete(key)


def repaired(fleet, **more):
    witness = fleet.witness()
    found = survey({name: fleet.repository(name) for name in fleet.places}, fleet.names)
    planned = plan_repair(witness, found, by="ann", reason="the bucket was deleted", **more)
    repair(witness, found, planned)
    return planned


def same_parts(before, after):
    """What every assignment said of who writes stands again; consents and operations were in no repository."""
    for old, new in zip(before, after, strict=False):
        assert (old.number, old.workloads) == (new.number, new.workloads)


def test_an_emptied_witness_has_every_assignment_again_and_one_that_is_burnt(fleet):
    promote(fleet.world(), "west", BY)
    promote(fleet.world(), "east", Given(by="test", only=("b",)))
    before = fleet.witness().assignments()
    empty(fleet)
    planned = repaired(fleet)
    after = fleet.witness().assignments()
    same_parts(before, after)
    assert [each.number for each in after] == [1, 2, 3, 4]
    assert {each.cause for each in after} == {"repair"}
    assert after[3].workloads == after[2].workloads
    assert after[3].consents[0].reason == "the bucket was deleted"
    assert (planned.furthest, planned.filled) == (3, ())
    assert fleet.writers() == {"a": "west", "b": "east"}


def test_what_comes_after_is_a_promotion_like_any_other(fleet):
    promote(fleet.world(), "west", BY)
    empty(fleet)
    repaired(fleet)
    fleet.save(step=20, term=2)
    end = promote(fleet.world(), "east", BY)
    assert (end["number"], {each["step"] for each in end["workloads"]}) == (4, {20})
    assert fleet.writers() == {"a": "east", "b": "east"}
    for place in fleet.places:
        assert fleet.repository(place).log("a").view().term == 4


def test_a_witness_that_was_rolled_back_gets_what_it_lacks_and_keeps_what_it_has(fleet):
    promote(fleet.world(), "west", BY)
    before = fleet.witness().assignments()
    cut_off(fleet, 1)
    planned = repaired(fleet)
    after = fleet.witness().assignments()
    assert after[0] == before[0]
    assert [each.number for each in planned.missing] == [2, 3]
    same_parts(before, after)


def test_a_sound_witness_is_left_alone_however_often_it_is_asked(fleet):
    promote(fleet.world(), "west", BY)
    assert repaired(fleet).missing == ()
    empty(fleet)
    repaired(fleet)
    stands = fleet.witness().assignments()
    assert repaired(fleet).missing == ()
    assert fleet.witness().assignments() == stands


@pytest.mark.parametrize("at", ["log/", "assignments/"])
def test_a_number_that_was_wanted_when_the_witness_went_is_not_given_out_again(fleet, at):
    """Killed before the seals, and before the assignment: the seals name the operation, and so the number it was after."""
    with_faults(fleet, DyingAt(at))
    with pytest.raises(Killed):
        promote(fleet.world(), "west", BY)
    without_faults(fleet)
    empty(fleet)
    planned = repaired(fleet)
    if at == "log/":
        assert planned.furthest == 1
        assert fleet.witness().current().number == 2
    else:
        assert (planned.furthest, planned.filled) == (2, (2,))
        assert fleet.witness().current().number == 3
    assert fleet.writers() == {"a": "east", "b": "east"}
    end = promote(fleet.world(), "west", BY)
    assert end["number"] == fleet.witness().current().number > planned.furthest + 1
    assert fleet.writers() == {"a": "west", "b": "west"}


def test_the_site_that_wrote_can_go_on_though_its_logs_were_sealed_by_what_is_lost(fleet):
    with_faults(fleet, DyingAt("assignments/"))
    with pytest.raises(Killed):
        promote(fleet.world(), "west", BY)
    without_faults(fleet)
    empty(fleet)
    repaired(fleet)
    promote(fleet.world(), "east", BY)
    assert fleet.writers() == {"a": "east", "b": "east"}
    assert all(fleet.repository(place).log("a").view().writable for place in fleet.places)
    with pytest.raises(OperationConflict):
        abort(fleet.world(), by="test", reason="what was lost is no operation any more")


def test_a_repository_that_says_nothing_is_left_out_by_hand_only(fleet):
    promote(fleet.world(), "west", BY)
    empty(fleet)
    for key in list(fleet.stores["west"].list("log/a")):
        fleet.stores["west"].delete(key)
    fleet.stores["west"].delete("format.json")
    with pytest.raises(ConsentRequired, match="west's repository says nothing"):
        repaired(fleet)
    assert fleet.witness().environment_id() is None, "nothing was written"
    repaired(fleet, without=("west",))
    assert fleet.writers() == {"a": "west", "b": "west"}, "east's logs were opened for west too"


def test_two_logs_that_tell_one_number_differently_are_for_a_person(fleet):
    promote(fleet.world(), "west", BY)
    log = fleet.repository("east").log("a")
    forked = log.view().opened[2].model_copy(update={"writer": "east"})
    part = {**forked.assignment["workload"], "writer": "east"}
    forked = forked.model_copy(update={"assignment": {**forked.assignment, "workload": part}})
    words = [
        LogWord("east", "a", {**log.view().opened, 2: forked}),
        LogWord("west", "a", fleet.repository("west").log("a").view().opened),
    ]
    with pytest.raises(WitnessUnsound, match="tell assignment 2 differently for a: east writes, or west"):
        rebuild((), words, by="ann", reason="r")
    assert rebuild((), words, by="ann", reason="r", believe="west").missing[1].writer("a") == "west"
    assert rebuild((), words, by="ann", reason="r", believe="east").missing[1].writer("a") == "east"
    with pytest.raises(WitnessUnsound, match="assignment 2 of the witness says that west writes a"):
        rebuild(fleet.witness().assignments(), words, by="ann", reason="r")


def survey_of(fleet):
    return survey({name: fleet.repository(name) for name in fleet.places}, fleet.names)


def test_it_is_taken_up_where_it_was_killed_and_two_at_once_make_one(fleet):
    for _ in range(3):
        promote(fleet.world(), "west" if fleet.writers()["a"] == "east" else "east", BY)
    before = fleet.witness().assignments()
    empty(fleet)
    found = survey_of(fleet)
    planned = plan_repair(fleet.witness(), found, by="ann", reason="gone")
    first, second = fleet.witness(), fleet.witness()
    repair(first, found, type(planned)(planned.missing[:2], planned.furthest))
    again = plan_repair(second, found, by="bob", reason="gone too")
    repair(second, found, again)
    repair(first, found, planned)
    after = fleet.witness().assignments()
    assert len(after) == 5
    same_parts(before, after)


def test_it_is_the_environment_that_it_was(fleet):
    identity = fleet.witness().environment_id()
    empty(fleet)
    repaired(fleet)
    assert fleet.witness().environment_id() == identity


def test_one_that_lost_only_who_it_is_gets_that_back_and_no_assignment(fleet):
    before, identity = fleet.witness().assignments(), fleet.witness().environment_id()
    fleet.stores["witness"].delete("e/format.json")
    assert repaired(fleet).missing == ()
    assert fleet.witness().assignments() == before
    assert fleet.witness().environment_id() == identity


def test_an_empty_one_holds_nothing_and_says_so_without_an_error(fleet):
    empty(fleet)
    witness = fleet.witness()
    assert (witness.assignments(), witness.current(), witness.descriptor("east")) == ((), None, None)


def test_another_environment_s_witness_or_repository_is_refused(fleet):
    other = Witness(memory_store(), "e", clock=time.time, token=random_token)
    other.found("other")
    with pytest.raises(WitnessUnsound, match="is of environment other, and the repositories are of"):
        plan_repair(other, survey_of(fleet), by="ann", reason="r")
    stray = memory_store()
    initialise(stray, environment="stray", witness=None, clock=time.time, token=random_token)
    fleet.stores["west"] = stray
    with pytest.raises(WitnessUnsound, match="more than one environment: east of"):
        survey_of(fleet)


def test_a_number_of_which_no_log_has_a_copy_is_what_stood_before(fleet):
    current = fleet.witness().current()
    part = current.workloads["a"].model_copy(update={"serves": {"east": 9, "west": 1}})
    fleet.witness().assign(Assignment(number=2, workloads={**current.workloads, "a": part}, cause="traffic"))
    promote(fleet.world(), "west", BY)
    empty(fleet)
    planned = repaired(fleet)
    assert planned.filled == (2,)
    assert [each.writer("a") for each in fleet.witness().assignments()] == ["east", "east", "west", "west"]


def test_a_log_opened_without_an_environment_tells_its_term(fleet):
    log = fleet.repository("west").log("new")
    log.open(Open(term=1, writer="west"))
    word = next(each for each in survey_of(fleet).words if each.workload == "new")
    assert rebuild((), [word], by="ann", reason="r").missing[0].workloads["new"].writer == "west"


def test_an_open_whose_copy_says_something_else_is_refused(fleet):
    opening = fleet.repository("west").log("a").view().opened[1]
    for copied in ({"term": 1}, {"term": 1, "workload": {**opening.assignment["workload"], "writer": "west"}}):
        word = LogWord("west", "a", {1: opening.model_copy(update={"assignment": copied})})
        with pytest.raises(WitnessUnsound, match="copies"):
            rebuild((), [word], by="ann", reason="r")


def test_a_repository_that_was_left_out_and_knows_another_is_ended_by_the_next_promotion(fleet):
    """West alone was opened for what the witness lost, and was left out: number 2 was burnt, which is west's term."""
    east, fleet.stores["east"] = fleet.stores["east"], fleet.stores["west"]
    promote(fleet.world(), "west", BY)
    empty(fleet)
    fleet.stores["east"] = east
    repaired(fleet, without=("west",))
    assert [each.writer("a") for each in fleet.witness().assignments()] == ["east", "east"]
    with pytest.raises(
        WitnessUnsound, match="assignment 2 of the witness says that east writes a; west's log of it was"
    ):
        repaired(fleet)
    promote(fleet.world(), "east", BY)
    assert repaired(fleet, without=("west",)).missing == ()
    for place in fleet.places:
        view = fleet.repository(place).log("a").view()
        assert (view.term, view.writable) == (3, True)
        assert view.opened[3].writer == "east"
