"""What a drill plays, drawn or asked for, on facts of a small simulated fleet."""

from __future__ import annotations

from dataclasses import replace

import pytest

from drstack.drills.parts import left_out, practised
from drstack.drills.scene import chosen, surprise, without
from drstack.errors import EnvironmentUnknown, NotReady, PromotionRefused
from drstack.recovery.conduct import look
from drstack.recovery.plan import Given, plan_promotion
from tests.drstack.recovery.fleet import Fleet

GIVEN = Given(by="tester")


@pytest.fixture
def fleet(tmp_path):
    made = Fleet(tmp_path, places=("east", "west", "north"))
    made.save()
    return made


def test_by_default_the_work_of_the_writer_comes_back_at_the_first_standby(fleet):
    played = chosen(look(fleet.world()), site=None)
    assert (played.lost, played.target, played.workloads) == ("east", "west", ("a", "b", "c"))


def test_a_site_and_a_workload_may_be_named(fleet):
    played = chosen(look(fleet.world()), site="north", workloads=("b",))
    assert (played.lost, played.target, played.workloads) == ("east", "north", ("b",))


def test_what_is_not_there_is_refused_with_what_is(fleet):
    facts = look(fleet.world())
    with pytest.raises(EnvironmentUnknown, match="no site 'moon'"):
        chosen(facts, site="moon")
    with pytest.raises(EnvironmentUnknown, match="no workload 'z'"):
        chosen(facts, site=None, workloads=("z",))
    with pytest.raises(NotReady, match="east writes everything itself"):
        chosen(facts, site="east")


def test_nothing_that_only_the_lost_site_knew_is_planned_with(fleet):
    fleet.save(step=20, to=("east",))
    world = fleet.world()
    facts = look(world)
    whole = plan_promotion("e", facts, "west", world.needs, GIVEN)
    lost = plan_promotion("e", without(facts, "east"), "west", world.needs, GIVEN)
    assert {each.step for each in whole.workloads} == {20}
    assert {each.step for each in lost.workloads} == {10}
    assert all("east" not in each.seal and each.source != "east" for each in lost.workloads)
    assert facts.sites["east"].reachable


def test_a_standby_that_holds_nothing_is_found_out(fleet, tmp_path):
    empty = Fleet(tmp_path / "other")
    empty.save(to=("east",))
    world = empty.world()
    with pytest.raises(PromotionRefused):
        plan_promotion("e", without(look(world), "east"), "west", world.needs, GIVEN)


def test_the_same_seed_draws_the_same_surprise_and_others_draw_others(fleet):
    facts = look(fleet.world())
    drawn = [surprise(facts, seed=str(n), window_s=600) for n in range(40)]
    assert drawn == [surprise(facts, seed=str(n), window_s=600) for n in range(40)]
    assert {each.target for each in drawn} == {"west", "north"}
    assert {each.workloads for each in drawn} == {("a", "b", "c"), ("a",), ("b",), ("c",)}
    assert all(0 <= each.after_s < 600 for each in drawn)
    assert len({each.after_s for each in drawn}) == 40
    assert {surprise(facts, seed=str(n), window_s=1, site="north").target for n in range(9)} == {"north"}


@pytest.mark.parametrize(
    ("component", "acts"),
    [
        (None, {"fence", "seal", "assign", "capacity", "pin", "restore", "start", "prove"}),
        ("restore", {"fence", "seal", "assign", "pin", "restore"}),
        ("capacity", {"fence", "seal", "assign", "capacity"}),
        ("start", {"fence", "seal", "assign", "capacity", "pin", "restore", "start", "prove"}),
    ],
)
def test_a_part_is_practised_with_all_that_it_needs_and_nothing_else(fleet, component, acts):
    world = fleet.world()
    every = plan_promotion("e", without(look(world), "east"), "west", world.needs, GIVEN).steps
    done = practised(every, component)
    assert {step.act for step in done} == acts
    known = {step.id for step in done}
    assert all(set(step.after) <= known for step in done)
    assert set(left_out(every, done)) == {step.id for step in every} - known
    assert "users" in left_out(every, done)["requests"]


def test_steps_of_users_own_are_left_out_and_said(fleet):
    world = fleet.world()
    every = plan_promotion("e", without(look(world), "east"), "west", world.needs, GIVEN).steps
    own = replace(every[0], id="page the team", act="run", own={"name": "page the team"})
    done = practised((*every, own), None)
    assert own.id not in {step.id for step in done}
    assert "real systems" in left_out((*every, own), done)[own.id]
