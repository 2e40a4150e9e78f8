"""A plan's steps: their order on every path, side by side where they may, and what one that fails keeps from starting."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from drstack.errors import ActuatorFailed, EnvironmentUnknown, NotTried, OperationConflict, StepFailed
from drstack.recovery.bringup import BringUp
from drstack.recovery.conduct import plan_only, promote
from drstack.recovery.plan import Given
from drstack.recovery.promote import Promotion
from drstack.recovery.steps import in_order, require_acyclic
from drstack.witness.journal import Journal
from tests.drstack.recovery.fleet import Fleet

BY = Given(by="test")
ORDER = ("fence", "seal", "assign", "pin", "restore", "start", "prove")


def ancestors(steps, name):
    found = set(steps[name].after)
    for each in steps[name].after:
        found |= ancestors(steps, each)
    return found


def steps_of(fleet, target="west", given=BY):
    return {step.id: step for step in plan_only(fleet.world(), target, given).steps}


def test_on_every_path_a_step_comes_after_those_that_rule_4_puts_before_it(tmp_path):
    fleet = Fleet(tmp_path, after={"c": ("a", "b")})
    fleet.save()
    steps = steps_of(fleet)
    for name in fleet.names:
        before = ancestors(steps, f"start {name}")
        assert {f"seal {each}" for each in fleet.names} | {"fence east", "assign", "capacity west"} <= before
        for earlier, later in zip(ORDER[3:], ORDER[4:], strict=False):
            assert f"{earlier} {name}" in ancestors(steps, f"{later} {name}")
    assert {"prove a", "prove b"} <= ancestors(steps, "start c")
    assert set(steps) - {"reconcile"} == ancestors(steps, "reconcile")
    assert all(step.does and step.timeout_s > 0 for step in steps.values())
    assert all(step.undone for step in steps.values() if step.act != "prove")


def test_workloads_are_started_in_the_order_of_the_dependency_map(tmp_path):
    fleet = Fleet(tmp_path, after={"a": ("b",), "b": ("c",)})
    fleet.save()
    promote(fleet.world(), "west", BY)
    assert fleet.sites["west"].starts == ["c", "b", "a"]
    assert set(fleet.writers().values()) == {"west"}


def test_workloads_that_wait_for_nothing_come_back_side_by_side(tmp_path):
    """Each start waits until all three have begun: one after another they never would."""
    fleet = Fleet(tmp_path)
    fleet.save()
    met = threading.Barrier(3, timeout=20)
    fleet.sites["west"].trouble = lambda act: met.wait() if act.startswith("start") else None
    assert promote(fleet.world(), "west", BY)["result"] == "promoted"


def test_a_circle_of_workloads_is_named():
    with pytest.raises(EnvironmentUnknown, match=r"(a → )?b → a( → b)?"):
        require_acyclic({"a": ("b",), "b": ("a",)})


def test_steps_in_order_are_a_way_to_do_them_one_after_another(tmp_path):
    fleet = Fleet(tmp_path, after={"a": ("b",)})
    fleet.save()
    done = set()
    for step in in_order(plan_only(fleet.world(), "west", BY).steps):
        assert set(step.after) <= done
        done.add(step.id)


class Refusing:
    """Refuses starts of some workloads, while it is to."""

    def __init__(self, *names):
        self.names = names

    def __call__(self, act):
        if act.startswith("start") and act.split()[1] in self.names:
            raise ActuatorFailed(f"{act}: no")


def test_a_workload_that_cannot_start_keeps_only_what_waits_for_it_from_coming_back(tmp_path):
    fleet = Fleet(tmp_path, after={"c": ("a",)})
    fleet.save()
    fleet.sites["west"].trouble = Refusing("a")
    with pytest.raises(ActuatorFailed, match="start a: no"):
        promote(fleet.world(), "west", BY)
    assert fleet.sites["west"].starts == ["b"]
    journal = fleet.witness().journal(1, 1)
    assert journal.ended() is None
    assert [record.body["step"] for record in journal.records() if record.kind == "failure"] == ["start a"]
    fleet.sites["west"].trouble = lambda _: None
    end = promote(fleet.world(), "west", BY)
    assert fleet.sites["west"].starts == ["b", "a", "c"]
    assert end["failures"] == 1
    assert all(each["rto_s"] > 0 for each in end["workloads"])


def test_where_steps_fail_one_after_another_at_a_site_no_more_of_them_are_tried(tmp_path):
    """Twenty starts would be twenty waits for a site that answers none of them."""
    names = tuple(f"w{n:02d}" for n in range(20))
    fleet = Fleet(tmp_path, names=names)
    fleet.save()
    fleet.sites["west"].trouble = Refusing(*names)
    with pytest.raises(ActuatorFailed) as raised:
        promote(fleet.world(), "west", BY)
    tried = [act for act, _ in fleet.sites["west"].acts if act.startswith("start")]
    assert 3 <= len(tried) <= 3 + 8
    assert any("was not tried" in note for note in raised.value.__notes__)
    assert issubclass(NotTried, StepFailed)
    fleet.sites["west"].trouble = lambda _: None
    assert promote(fleet.world(), "west", BY)["result"] == "promoted"
    assert sorted(fleet.sites["west"].starts) == sorted(names)


def test_a_step_that_failed_for_an_unforeseen_reason_stops_all_and_is_raised(tmp_path):
    fleet = Fleet(tmp_path)
    fleet.save()

    def trouble(act):
        if act == "start b":
            raise ZeroDivisionError

    fleet.sites["west"].trouble = trouble
    with pytest.raises(ZeroDivisionError):
        promote(fleet.world(), "west", BY)
    assert fleet.witness().journal(1, 1).ended() is None


def test_one_workload_moves_alone_and_the_others_go_on_where_they_are(tmp_path):
    fleet = Fleet(tmp_path)
    fleet.save()
    end = promote(fleet.world(), "west", Given(by="test", only=("b",)))
    assert fleet.writers() == {"a": "east", "b": "west", "c": "east"}
    assert (fleet.sites["east"].fenced, fleet.sites["east"].stopped) == (0, ["b"])
    assert sorted(fleet.sites["east"].started) == ["a", "c"]
    assert fleet.sites["west"].starts == ["b"]
    assert [each["name"] for each in end["workloads"]] == ["b"]
    for place in fleet.places:
        repository = fleet.repository(place)
        assert [repository.log(name).view().term for name in fleet.names] == [1, 2, 1]
    fleet.save("a", "c", step=20)
    fleet.save("b", step=20, term=2)
    again = promote(fleet.world(), "west", Given(by="test", only=("b",)))
    assert again["already"] is True


def test_the_rest_follows_when_everything_is_promoted_while_one_workload_moves_alone(tmp_path):
    fleet = Fleet(tmp_path)
    fleet.save()
    fleet.sites["west"].trouble = Refusing("b")
    with pytest.raises(ActuatorFailed):
        promote(fleet.world(), "west", Given(by="test", only=("b",)))
    fleet.sites["west"].trouble = lambda _: None
    end = promote(fleet.world(), "west", BY)
    assert set(fleet.writers().values()) == {"west"}
    assert fleet.sites["west"].starts[0] == "b"
    assert sorted(each["name"] for each in end["workloads"]) == ["a", "c"]


def test_a_workload_that_nobody_declared_is_named_with_those_that_are(tmp_path):
    fleet = Fleet(tmp_path)
    fleet.save()
    with pytest.raises(EnvironmentUnknown, match="no workload 'z'") as raised:
        plan_only(fleet.world(), "west", Given(by="test", only=("z",)))
    assert "a, b, c" in raised.value.hint


def test_an_operation_of_a_version_without_steps_is_refused_with_what_to_do(tmp_path):
    fleet = Fleet(tmp_path)
    fleet.save()
    document = plan_only(fleet.world(), "west", BY).document()
    now = fleet.witness().now()
    fleet.witness().journal(1, 1).begin(
        {**document, "steps": ["fence", "seal"], "began_at": now, "facts_at": now, "planned_at": now, "failed_at": None}
    )
    with pytest.raises(OperationConflict, match="older version") as raised:
        promote(fleet.world(), "west", BY)
    assert "--abandon 1-1" in raised.value.hint
    given = Given(by="test", abandon="1-1", reason="upgraded in between")
    assert promote(fleet.world(), "west", given)["result"] == "promoted"


@pytest.mark.parametrize("act", ["fence", "seal", "assign", "restore", "capacity", "start", "prove", "reconcile"])
def test_an_operator_who_comes_late_to_a_step_finds_it_done_though_the_operation_has_ended(tmp_path, act):
    """Another one carries all of it out between this one's look and its intent."""
    fleet = Fleet(tmp_path)
    fleet.save()
    world = fleet.world()
    require = Promotion._require_current
    others = []

    def late(self, step):
        if step.act == act and not others:
            others.append(step)
            assert promote(fleet.world(), "west", BY)["result"] == "promoted"
        require(self, step) if step.act != act else None

    Promotion._require_current = late
    try:
        assert promote(world, "west", BY)["result"] == "promoted"
    finally:
        Promotion._require_current = require
    assert len(others) == 1
    assert sorted(fleet.sites["west"].starts) == ["a", "b", "c"]
    assert len(fleet.witness().assignments()) == 2


@pytest.mark.parametrize("act", ["capacity west", "start b"])
def test_an_operator_who_is_overtaken_in_the_middle_of_a_step_finds_it_done(tmp_path, monkeypatch, act):
    """Another one carries all of it out between this one's intent and its look at whether the operation stands."""
    fleet = Fleet(tmp_path)
    fleet.save()
    require, intend, begun, others = BringUp._require_standing, Journal.intend, [], []

    def late(self):
        if act in begun and not others:
            others.append(act)
            assert promote(fleet.world(), "west", BY)["result"] == "promoted"
        require(self)

    def note(self, step, **more):
        intended = intend(self, step, **more)
        begun.append(step)
        return intended

    monkeypatch.setattr(BringUp, "_require_standing", late)
    monkeypatch.setattr(Journal, "intend", note)
    assert promote(replace(fleet.world(), one_by_one=True), "west", BY)["result"] == "promoted"
    assert others == [act]
    assert sorted(fleet.sites["west"].starts) == ["a", "b", "c"]
