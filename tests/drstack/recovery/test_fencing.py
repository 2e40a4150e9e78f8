"""Fencing as an operation of its own, and grades that get better once a site is seen again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from drstack.errors import EnvironmentUnknown, OperationConflict, WitnessUnreachable
from drstack.recovery import control, fencing
from drstack.recovery.conduct import look, promote
from drstack.recovery.dossier import dossier
from drstack.recovery.history import past
from drstack.recovery.lifting import lift
from drstack.recovery.plan import Given
from drstack.recovery.ports import JobObservation, SiteObservation
from drstack.report.plan import graph, markdown, tree
from tests.drstack.recovery.fleet import Fleet
from tests.replicator.repository.rig import Killed

BY = Given(by="test", reason="smoke in the room")
LOST = Given(by="test", reason="lost", data_loss_s=float("inf"))


@pytest.fixture
def fleet(tmp_path):
    made = Fleet(tmp_path, names=("a", "b"))
    made.save()
    return made


def killed_in(fleet, act: str, place: str = "east"):
    """The operator's process dies in an act at a site, once."""

    def die(name: str) -> None:
        if name == act:
            fleet.sites[place].trouble = lambda _: None
            raise Killed

    fleet.sites[place].trouble = die


def plan_of(fleet, given=BY):
    return fencing.plan_fence("e", look(fleet.world()), "east", given)


def test_a_fence_stops_the_site_promotes_nobody_and_leaves_its_grade_and_proof(fleet):
    end = fencing.fence(fleet.world(), "east", BY)
    assert (end["result"], end["stops"]) == ("fenced", ["a", "b"])
    assert end["fences"] == [{"site": "east", "grade": "proven", "done": "stopped", "proof": "confirmed"}]
    assert fleet.sites["east"].started == {}
    assert len(fleet.witness().assignments()) == 1
    assert set(fleet.writers().values()) == {"east"}
    told = past(fleet.witness().journal(1, 1))
    assert (told.kind, told.result, told.fences, told.reason) == ("fence", "fenced", {"east": "proven"}, BY.reason)


def test_it_says_what_it_means_before(fleet):
    plan = plan_of(fleet)
    said = fencing.meaning(plan, environment="e")
    assert "a, b stops at east, and nobody is promoted" in said
    assert "drstack fence e east --lift" in said
    for shape in (tree, markdown, graph):
        assert "Fence east of e; stands still: a, b" in shape(plan.document())
    assert plan.hash() != replace(plan, stops=("a",)).hash()
    assert fleet.sites["east"].acts == []


def test_one_workload_is_stopped_alone(fleet):
    end = fencing.fence(fleet.world(), "east", replace(BY, only=("b",)))
    assert end["stops"] == ["b"]
    assert list(fleet.sites["east"].started) == ["a"]
    assert fleet.sites["east"].stopped == ["b"]


def test_an_unknown_site_or_workload_is_named(fleet):
    with pytest.raises(EnvironmentUnknown, match="no site 'north'"):
        fencing.fence(fleet.world(), "north", BY)
    with pytest.raises(EnvironmentUnknown, match="no workload 'z'"):
        fencing.fence(fleet.world(), "east", replace(BY, only=("z",)))


def test_a_fence_that_was_killed_is_resumed_by_anybody(fleet):
    killed_in(fleet, "fence")
    with pytest.raises(Killed):
        fencing.fence(fleet.world(), "east", BY)
    assert control.describe(fleet.witness().journal(1, 1))["kind"] == "fence"
    end = control.resume(fleet.world(), by="other")
    assert end["result"] == "fenced"
    assert len(fleet.witness().journals(1)) == 1


def test_two_operators_fence_once(fleet):
    killed_in(fleet, "fence")
    with pytest.raises(Killed):
        fencing.fence(fleet.world(), "east", BY)
    assert fencing.fence(fleet.world(), "east", replace(BY, by="other"))["operation"] == "1-1"


def test_a_promotion_to_another_site_goes_before_a_fence_that_did_not_end(fleet):
    killed_in(fleet, "fence")
    with pytest.raises(Killed):
        fencing.fence(fleet.world(), "east", BY)
    end = promote(fleet.world(), "west", Given(by="test"))
    assert end["result"] == "promoted"
    assert fleet.witness().journal(1, 1).ended()["result"] == "superseded"
    assert fleet.witness().journal(1, 1).ended()["why"] == "a promote to west goes before it"


def test_whoever_still_executes_a_fence_that_gave_way_begins_nothing(fleet):
    killed_in(fleet, "fence")
    with pytest.raises(Killed):
        fencing.fence(fleet.world(), "east", BY)
    promote(fleet.world(), "west", Given(by="test"))
    acts = len(fleet.sites["east"].acts)
    with pytest.raises(OperationConflict, match=r"superseded|made after the plan"):
        fencing.Fencing(fleet.world(), fleet.witness().journal(1, 1)).finish()
    assert len(fleet.sites["east"].acts) == acts


def test_nobody_is_promoted_to_a_site_that_is_being_fenced(fleet):
    killed_in(fleet, "fence", "west")
    with pytest.raises(Killed):
        fencing.fence(fleet.world(), "west", BY)
    with pytest.raises(OperationConflict, match=r"operation 1-1 \(fence to west, begun by test at .*\) has not ended"):
        promote(fleet.world(), "west", Given(by="test"))
    with pytest.raises(OperationConflict, match="has not ended"):
        fencing.fence(fleet.world(), "east", BY)


def test_an_aborted_fence_says_what_may_stand_still(fleet):
    killed_in(fleet, "fence")
    with pytest.raises(Killed):
        fencing.fence(fleet.world(), "east", BY)
    told = control.abort(fleet.world(), by="other", reason="false alarm")
    assert told["next"] == ["a, b may be stopped at east: drstack fence e east --lift --reason '…'"]


def test_after_a_fence_a_promotion_brings_the_work_up_elsewhere(fleet):
    fencing.fence(fleet.world(), "east", BY)
    assert promote(fleet.world(), "west", Given(by="test"))["result"] == "promoted"
    assert sorted(fleet.sites["west"].starts) == ["a", "b"]


def promoted_away(fleet):
    """West was promoted while nobody could see east, which still runs what it ran."""
    fleet.sites["east"].reachable = False
    promote(fleet.world(), "west", LOST)
    [left] = fencing.unproven(fleet.witness())
    assert (left.site, left.grade, left.operation) == ("east", "assumed", "1-1")
    fleet.sites["east"].reachable = True


def test_a_look_at_a_site_that_came_back_improves_the_grade_and_both_are_told_with_their_times(fleet):
    promoted_away(fleet)
    fleet.sites["east"].last = {"a": 10, "b": 10}
    fleet.sites["east"].started = {}
    acts = list(fleet.sites["east"].acts)
    assert fencing.note_what_is_seen(fleet.world(), look(fleet.world()).sites) == []
    assert fleet.sites["east"].acts == acts, "it was looked at, and nothing was done"
    rows = dossier("e", "1-1", fleet.witness().journal(1, 1).records(), "promote", {})["fences"]
    assert [row["grade"] for row in rows] == ["assumed", "proven"]
    assert rows[0]["at"] < rows[1]["at"]
    assert "no rank of a, b runs there" in rows[1]["proof"]
    assert fencing.note_what_is_seen(fleet.world(), look(fleet.world()).sites) == []
    assert len([r for r in fleet.witness().journal(1, 1).records() if r.kind == "fence"]) == 1


def test_a_look_at_a_site_where_they_still_run_proves_nothing_and_again_stops_them_alone(fleet):
    promoted_away(fleet)
    assert len(fencing.note_what_is_seen(fleet.world(), look(fleet.world()).sites)) == 1
    told = fencing.again(fleet.world(), "east")
    assert (told["grade"], told["improved"]) == ("proven", True)
    assert fleet.sites["east"].stopped == ["a", "b"]
    assert fleet.sites["east"].fenced == 0, "its replicator goes on"
    with pytest.raises(OperationConflict, match="no fence of east is left to prove"):
        fencing.again(fleet.world(), "east")


def test_again_while_it_is_still_away_leaves_the_grade(fleet):
    promoted_away(fleet)
    fleet.sites["east"].reachable = False
    assert fencing.again(fleet.world(), "east")["improved"] is False
    assert [r for r in fleet.witness().journal(1, 1).records() if r.kind == "fence"] == []


def test_a_site_that_writes_again_is_not_stopped_by_an_old_fence(fleet):
    promoted_away(fleet)
    fleet.save(step=20, term=2)
    promote(fleet.world(), "east", Given(by="test"))
    assert fencing.unproven(fleet.witness()) == []
    with pytest.raises(OperationConflict, match="no fence of east"):
        fencing.again(fleet.world(), "east")


def test_an_assumed_fence_is_told_of_until_it_is_proven_however_many_assignments_follow(fleet):
    promoted_away(fleet)
    fleet.save(step=20, term=2)
    only_a = Given(by="test", only=("a",))
    promote(fleet.world(), "east", only_a)
    assert [each.workloads for each in fencing.unproven(fleet.witness())] == [("b",)]
    fleet.save("a", step=30, term=3)
    promote(fleet.world(), "west", only_a)
    assert [each.workloads for each in fencing.unproven(fleet.witness())] == [("b",)], (
        "a was fenced, and that was proven"
    )
    told = fencing.again(fleet.world(), "east")
    assert (told["operation"], told["grade"], told["improved"]) == ("1-1", "proven", True)
    assert "b" not in fleet.sites["east"].started
    assert fencing.unproven(fleet.witness()) == []


def test_a_fence_that_was_left_out_by_consent_is_improved_too(fleet):
    promote(fleet.world(), "west", replace(BY, skip_fence=("east",)))
    assert [each.grade for each in fencing.unproven(fleet.witness())] == ["assumed"]
    assert fencing.again(fleet.world(), "east")["grade"] == "proven"


@pytest.mark.parametrize(
    ("seen", "proves"),
    [
        (SiteObservation("east", reachable=False), False),
        (SiteObservation("east", reachable=True), False),
        (SiteObservation("east", reachable=True, jobs={"a": JobObservation(running=False, ranks=0)}), True),
        (SiteObservation("east", reachable=True, jobs={"a": JobObservation(running=False, ranks=1)}), False),
        (SiteObservation("east", reachable=True, jobs={"a": JobObservation(running=True, ranks=0)}), False),
        (
            SiteObservation(
                "east", reachable=True, jobs={"a": JobObservation(running=False, ranks=0)}, shows_processes=False
            ),
            False,
        ),
    ],
)
def test_only_a_site_that_is_seen_without_its_processes_proves_anything(seen, proves):
    assert (fencing.judged(seen, ("a",)) is not None) is proves


def test_who_may_only_read_the_witness_still_sees_the_grade(fleet, monkeypatch):
    promoted_away(fleet)
    fleet.sites["east"].started = {}
    fleet.sites["east"].last = {"a": 10, "b": 10}

    def refuse(*_):
        raise WitnessUnreachable("read only")

    monkeypatch.setattr(fencing, "_note", refuse)
    assert [each.grade for each in fencing.note_what_is_seen(fleet.world(), look(fleet.world()).sites)] == ["assumed"]


def test_a_lifted_fence_has_the_work_run_again_from_its_last_checkpoint(fleet):
    fencing.fence(fleet.world(), "east", BY)
    fleet.sites["east"].capacity = 0
    told = lift(fleet.world(), "east", by="other", reason="false alarm")
    assert (told["operation"], told["started"]) == ("1-1", ["a", "b"])
    assert {name: step for name, (_, step) in fleet.sites["east"].started.items()} == {"a": 10, "b": 10}
    assert fleet.sites["east"].capacity == fleet.sites["east"].bound
    starts = list(fleet.sites["east"].starts)
    lift(fleet.world(), "east", by="other", reason="again")
    assert fleet.sites["east"].starts == starts, "started once"


@pytest.mark.parametrize("act", ["start a", "capacity 100"])
def test_a_lift_that_is_overtaken_between_its_last_look_and_its_act_starts_nothing(fleet, act):
    """The site itself refuses: it knows of the later fence."""
    fencing.fence(fleet.world(), "east", BY)
    east = fleet.sites["east"]
    before, east.capacity = len(east.starts), 0

    def taken(name: str) -> None:
        if name == act:
            east.trouble = lambda _: None
            assert promote(fleet.world(), "west", LOST)["result"] == "promoted"

    east.trouble = taken
    told = lift(fleet.world(), "east", by="other", reason="false alarm")
    assert told["started"] == []
    assert "operation 1-2 has fenced" in told["told"][0]
    assert told["told"][1].startswith("b is left")
    assert len(east.starts) == before
    assert east.started == {}


def test_a_fence_is_not_lifted_once_the_work_is_elsewhere_or_an_operation_runs(fleet):
    with pytest.raises(OperationConflict, match="east was not fenced by itself"):
        lift(fleet.world(), "east", by="x", reason="r")
    fencing.fence(fleet.world(), "east", BY)
    killed_in(fleet, "fence", "west")
    with pytest.raises(Killed):
        fencing.fence(fleet.world(), "west", BY)
    with pytest.raises(OperationConflict, match="operation 1-2 has not ended"):
        lift(fleet.world(), "east", by="x", reason="r")
    control.resume(fleet.world(), by="x")
    promote(fleet.world(), "west", Given(by="test"))
    with pytest.raises(OperationConflict, match="was not fenced by itself since the last assignment"):
        lift(fleet.world(), "east", by="x", reason="r")
    assert fleet.sites["east"].started == {}
