"""Pausing, resuming, leaving a step out and aborting: heeded by whoever executes, before the next step."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from drstack.errors import ActuatorFailed, OperationConflict, OperationPaused
from drstack.recovery import control
from drstack.recovery.conduct import promote
from drstack.recovery.plan import Given
from drstack.recovery.preview import preview
from drstack.recovery.promote import Promotion
from replicator.stores.faults import FaultyStore
from tests.drstack.recovery.fleet import Fleet, FleetSite
from tests.drstack.recovery.test_interruptions import dying_at
from tests.drstack.recovery.test_steps import Refusing
from tests.drstack.recovery.world import Away, Quiet

BY = Given(by="test")


@pytest.fixture
def fleet(tmp_path):
    made = Fleet(tmp_path, names=("a", "b"))
    made.save()
    made.sites["east"].reached = dict.fromkeys(made.names, 10)  # a switchover finds the last step saved
    return made


class When(Quiet):
    def __init__(self, step, act):
        self.step, self.act = step, act

    def begin(self, step):
        if step == self.step:
            self.act()


def abort(fleet, reason="a mistake"):
    return control.abort(fleet.world(), by="other", reason=reason)


def test_nothing_begins_once_an_operation_is_paused_and_it_goes_on_when_it_is_resumed(fleet):
    pause = When("assign", lambda: control.pause(fleet.witness(), by="other", reason="looking at the seals"))
    with pytest.raises(OperationPaused, match="paused by other: looking at the seals") as raised:
        promote(fleet.world(progress=pause), "west", BY)
    assert raised.value.hint == "To go on: drstack resume e"
    assert set(fleet.writers().values()) == {"west"}, "what had begun is finished"
    assert fleet.sites["west"].starts == []
    with pytest.raises(OperationPaused):
        promote(fleet.world(), "west", BY)
    document = control.describe(fleet.witness().journal(1, 1))
    assert document["paused"] == {"by": "other", "reason": "looking at the seals"}
    assert document["done"] == ["fence east", "seal a", "seal b", "assign"]
    end = control.resume(fleet.world(), by="third")
    assert end["result"] == "promoted"
    assert sorted(fleet.sites["west"].starts) == ["a", "b"]


def test_a_plan_of_what_has_begun_is_refused_and_the_operation_is_taken_up(fleet):
    with dying_at("restore"):
        promote(fleet.world(), "west", BY)
    with pytest.raises(
        OperationConflict, match=r"operation 1-1 \(promote to west.* has not ended: the same command"
    ) as told:
        preview(fleet.world(), "west", BY)
    assert told.value.hint.startswith("drstack resume e")
    assert promote(fleet.world(), "west", BY)["result"] == "promoted"
    with pytest.raises(OperationConflict, match="west writes every workload already"):
        preview(fleet.world(), "west", BY)


def test_pausing_twice_is_once_and_a_resume_of_what_is_not_paused_takes_it_up(fleet):
    with dying_at("restore"):
        promote(fleet.world(), "west", BY)
    for reason in ("one", "two"):
        control.pause(fleet.witness(), by="other", reason=reason)
    assert fleet.witness().journal(1, 1).paused()["reason"] == "one"
    assert fleet.witness().journal(1, 1).resume(by="x") is True
    assert fleet.witness().journal(1, 1).resume(by="x") is False
    assert control.resume(fleet.world(), by="x")["result"] == "promoted"


def test_without_an_operation_there_is_nothing_to_pause_resume_skip_or_abort(fleet):
    for call in (
        lambda: control.pause(fleet.witness(), by="x", reason="r"),
        lambda: control.resume(fleet.world(), by="x"),
        lambda: control.skip(fleet.witness(), "prove a", by="x", reason="r", at=0.0),
        lambda: abort(fleet),
    ):
        with pytest.raises(OperationConflict, match="no operation of e is under way"):
            call()


def test_a_step_that_others_can_do_without_is_left_out_with_its_reason(fleet):
    with dying_at("prove"):
        promote(fleet.world(), "west", BY)
    control.skip(fleet.witness(), "prove a", by="other", reason="its metrics are broken", at=1.0)
    looks = fleet.sites["west"].looks
    end = promote(fleet.world(), "west", BY)
    assert end["result"] == "promoted"
    told = {step["id"]: step["skipped"] for step in end["steps"]}
    assert (told["prove a"], told["prove b"]) == ("its metrics are broken", None)
    assert fleet.sites["west"].looks > looks, "the other one was proved"


@pytest.mark.parametrize("step", ["seal a", "assign", "restore a", "start b", "fence east", "capacity west"])
def test_a_step_that_others_build_on_cannot_be_left_out(fleet, step):
    with dying_at("fence"):
        promote(fleet.world(), "west", BY)
    with pytest.raises(OperationConflict, match=f"{step} cannot be left out") as raised:
        control.skip(fleet.witness(), step, by="other", reason="hurry", at=1.0)
    assert "prove a" in raised.value.hint


def test_a_step_that_is_done_or_is_none_cannot_be_left_out(fleet):
    with dying_at("prove"):
        promote(fleet.world(), "west", BY)
    with pytest.raises(OperationConflict, match="no step 'prove z'"):
        control.skip(fleet.witness(), "prove z", by="x", reason="r", at=1.0)
    fleet.witness().journal(1, 1).settle("prove a", {"began_at": 1.0, "ended_at": 1.0, "detail": "", "result": {}})
    with pytest.raises(OperationConflict, match="done already"):
        control.skip(fleet.witness(), "prove a", by="x", reason="r", at=1.0)


def test_an_abort_before_anything_was_sealed_leaves_everything_as_it_was(fleet):
    with dying_at("fence"):
        promote(fleet.world(), "west", BY)
    told = abort(fleet)
    assert told == {"operation": "1-1", "result": "aborted", "writers": {"a": "east", "b": "east"}, "next": []}
    assert len(fleet.witness().assignments()) == 1
    fleet.save(step=20)


def test_an_abort_after_a_seal_opens_a_new_term_for_the_writer_that_was(fleet):
    with dying_at("assign"):
        promote(fleet.world(), "west", BY)
    told = abort(fleet)
    assert told["writers"] == {"a": "east", "b": "east"}
    assert [each for each in told["next"] if "may write" in each] == [
        f"east may write {name} again, in a new term" for name in ("a", "b")
    ]
    assert {name: step for name, (_, step) in fleet.sites["east"].started.items()} == {"a": 10, "b": 10}
    assert set(fleet.writers().values()) == {"east"}
    for name, part in fleet.witness().current().workloads.items():
        assert part.term > 1
        fleet.save(name, step=20, term=part.term)
    assert fleet.sites["west"].starts == []


def test_a_second_abort_in_a_row_opens_a_new_term_too(fleet):
    """The term that it finds was made by an abort, but not by this one."""
    for term in (1, 3):
        with dying_at("assign"):
            promote(fleet.world(), "west", BY)
        abort(fleet)
        for name, part in fleet.witness().current().workloads.items():
            assert (part.writer, part.term > term) == ("east", True)
            assert fleet.repository("east").log(name).view().writable, name
            fleet.save(name, step=10 * part.term, term=part.term)
        fleet.sites["east"].reached = {n: 10 * p.term for n, p in fleet.witness().current().workloads.items()}


def test_an_abort_where_the_old_writer_is_gone_says_that_nobody_may_write(fleet):
    with dying_at("assign"):
        promote(fleet.world(), "west", BY)
    fleet.sites["east"].reachable = False
    told = abort(fleet)
    assert told["result"] == "aborted"
    assert all("nobody may write it" in each and "drstack promote e" in each for each in told["next"])
    given = Given(by="test", reason="east is gone", data_loss_s=float("inf"))
    assert promote(fleet.world(), "west", given)["result"] == "promoted"


def test_an_abort_after_the_assignment_leaves_the_new_writer_and_starts_nothing(fleet):
    with dying_at("restore"):
        promote(fleet.world(), "west", BY)
    told = abort(fleet)
    assert told["writers"] == {"a": "west", "b": "west"}
    assert told["next"] == [
        f"{name} does not run at west; to start it there: drstack promote e --to west" for name in ("a", "b")
    ]
    assert fleet.sites["west"].starts == []
    with pytest.raises(OperationConflict, match="has ended: aborted"):
        Promotion(fleet.world(), fleet.witness().journal(1, 1)).finish()


def pins(fleet):
    return [(place, n, *fleet.repository(place).log(n).view().pins) for place in fleet.places for n in fleet.names if
            fleet.repository(place).log(n).view().pins]  # fmt: skip


def left_pinned(fleet):
    with dying_at("start"):
        promote(fleet.world(), "west", BY)
    assert {name for _, name, *_ in pins(fleet)} == {"a", "b"}


def test_an_abort_lets_go_of_what_was_pinned(fleet):
    left_pinned(fleet)
    abort(fleet)
    assert pins(fleet) == []


def test_an_operation_that_is_abandoned_lets_go_of_what_was_pinned(fleet):
    left_pinned(fleet)
    given = Given(by="test", reason="west is lost too", abandon="1-1")
    assert promote(fleet.world(), "east", given)["result"] == "promoted"
    assert pins(fleet) == []


def test_an_operation_lets_go_of_what_was_pinned_though_its_last_step_is_left_out(fleet):
    left_pinned(fleet)
    control.skip(fleet.witness(), "reconcile", by="x", reason="the engine is gone", at=1.0)
    assert promote(fleet.world(), "west", BY)["result"] == "promoted"
    assert pins(fleet) == []


def test_an_abort_restores_what_the_work_is_to_go_on_from_where_its_trainer_has_dropped_it(fleet):
    folder = fleet.sites["east"].checkpoints("a")
    kept = fleet.sites["east"].checkpoints("b") / "step-00000010"
    kept.mkdir(parents=True)
    (kept / "mine").write_text("as the trainer left it")
    with dying_at("assign"):
        promote(fleet.world(), "west", BY)
    told = abort(fleet)
    assert "a goes on at east from step 10" in told["next"]
    assert [each.name for each in (folder / "step-00000010").iterdir()] != []
    assert [each.name for each in kept.iterdir()] == ["mine"], "what is there is not touched"
    assert pins(fleet) == []


def test_what_came_about_in_an_earlier_operators_hands_is_measured_from_when_they_set_out(fleet):
    began = time.time()
    with dying_at("start"):
        promote(fleet.world(), "west", BY)
    intents = [r.body["at"] for r in fleet.witness().journal(1, 1).records() if r.kind == "intent"]
    first = dict.fromkeys(fleet.names, began + 0.001)

    class Earlier(FleetSite):
        def observe(self, *, deadline_s):
            seen = super().observe(deadline_s=deadline_s)
            return replace(seen, jobs={n: replace(job, first_step_at=first[n]) for n, job in seen.jobs.items()})

    west = fleet.sites["west"]
    fleet.sites["west"] = Earlier(west.name, west.folder, started=west.started)
    assert promote(fleet.world(), "west", BY)["result"] == "promoted"
    told = fleet.witness().journal(1, 1).outcomes()
    for name in fleet.names:
        outcome = told[f"start {name}"]
        assert outcome["began_at"] <= outcome["ended_at"] < max(intents)


def test_whoever_executes_an_aborted_operation_begins_no_other_step_and_no_other_operation(fleet):
    beside = {"seal a": set(), "assign": set(), "restore a": {"b"}, "start b": {"a", "b"}}
    for step, started in beside.items():  # what may have begun beside that step before the abort came
        made = Fleet(fleet.folder / step.replace(" ", "-"), names=("a", "b"))
        made.save()
        stop = When(step, lambda made=made: abort(made))
        with pytest.raises(OperationConflict, match="has ended: aborted"):
            promote(made.world(progress=stop), "west", BY)
        assert len(made.witness().journals(1)) <= 2 + len(made.names)
        assert set(made.sites["west"].starts) <= started
        for name in made.names:
            logs = [made.repository(place).log(name).view() for place in made.places]
            part = made.witness().current().workloads[name]
            assert {view.term for view in logs} == {part.term}
            assert all(view.writable for view in logs), f"{name} after an abort in {step}"


def test_a_writer_that_is_away_at_the_abort_may_write_after_a_promotion_of_it(fleet):
    with dying_at("assign"):
        promote(fleet.world(), "west", BY)
    repositories = {
        name: fleet.repository(name)
        if name == "west"
        else type(fleet.repository(name))(name, FaultyStore(store, Away()))
        for name, store in fleet.stores.items()
        if name != "witness"
    }
    told = control.abort(fleet.world(repositories=repositories), by="x", reason="r")
    assert told["result"] == "aborted"
    assert promote(fleet.world(), "east", BY)["result"] == "promoted"
    assert set(fleet.writers().values()) == {"east"}


def test_what_failed_what_runs_and_what_waits_is_told(fleet):
    fleet.sites["west"].trouble = Refusing("a")
    with pytest.raises(ActuatorFailed):
        promote(fleet.world(), "west", BY)
    document = control.describe(fleet.witness().journal(1, 1))
    assert document["failed"] == {"start a": "start a: no"}
    assert document["waiting"] == ["prove a", "reconcile"]
    assert (document["id"], document["kind"], document["target"], document["begun"]) == ("1-1", "promote", "west", [])
    assert "prove b" in document["done"]


def test_an_abort_that_could_not_do_all_is_taken_up_once_the_site_is_there_again(fleet):
    with dying_at("assign"):
        promote(fleet.world(), "west", BY)
    fleet.sites["east"].reachable = False
    assert len(abort(fleet)["next"]) == 2
    fleet.sites["east"].reachable = True
    again = abort(fleet)
    assert again["operation"] == "1-1"
    assert sorted(fleet.sites["east"].started) == ["a", "b"]
    with pytest.raises(OperationConflict, match="no operation of e is under way"):
        abort(fleet)


def test_an_abort_that_is_taken_up_late_leaves_alone_whoever_was_promoted_meanwhile(fleet):
    with dying_at("assign"):
        promote(fleet.world(), "west", BY, kind="switchover")
    fleet.sites["east"].reachable = False
    abort(fleet)
    promote(fleet.world(), "west", Given(by="test", reason="east is gone", data_loss_s=float("inf")))
    starts, stops = list(fleet.sites["west"].starts), list(fleet.sites["west"].acts)
    terms = {name: part.term for name, part in fleet.witness().current().workloads.items()}
    assert abort(fleet)["next"] == []
    assert (fleet.sites["west"].starts, fleet.sites["west"].acts) == (starts, stops)
    assert {name: part.term for name, part in fleet.witness().current().workloads.items()} == terms
