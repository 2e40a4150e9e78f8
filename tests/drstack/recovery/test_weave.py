"""Where users' own steps may stand: before every seal or after the assignment, in no circle, whatever is left out."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drstack.errors import StepMisplaced
from drstack.recovery.acting import OwnStep
from drstack.recovery.steps import in_order, promotion_steps, switchover_steps
from drstack.recovery.weave import misplaced, weave

DOCS = [{"name": n, "reopen": False, "term": 1, "seal": ["east", "west"], "writer": "east"} for n in ("a", "b")]
AFTER = {"a": (), "b": ("a",)}
PROMOTION = promotion_steps("west", DOCS, ["east"], AFTER, alone=False)
SWITCHOVER = switchover_steps("west", DOCS, AFTER, alone=False)
ANCHORS = [step.id for step in (*PROMOTION, *SWITCHOVER)] + ["fence", "seal", "assign", "start", "prove", "quiesce"]


def own(name, kind="shell", **places):
    return OwnStep(name, kind, {}, **places)


def woven(steps, *own_steps, occasion="promote"):
    return {step.id: step for step in weave(steps, own_steps, occasion, "west", ("a", "b"))}


def before(steps, name):
    found = set(steps[name].after)
    for each in steps[name].after:
        found |= before(steps, each)
    return found


def test_a_step_that_names_nothing_comes_after_the_assignment():
    steps = woven(PROMOTION, own("x"))
    assert steps["step x"].after == ("assign",)
    assert all("step x" not in step.after for step in steps.values())


def test_a_step_that_something_before_the_assignment_waits_for_comes_before_every_seal():
    for anchor in ("seal a", "seal", "assign", "fence east"):
        steps = woven(PROMOTION, own("x", before=(anchor,)))
        assert {"step x"} <= before(steps, "seal a") & before(steps, "seal b")
        assert not any(name.startswith("seal") for name in before(steps, "step x"))


@pytest.mark.parametrize(
    "places",
    [{"after": ("seal a",), "before": ("assign",)}, {"after": ("seal a",), "before": ("seal b",)},
     {"after": ("seal",), "before": ("assign",)}],
)  # fmt: skip
def test_nothing_stands_between_a_seal_and_the_assignment(places):
    with pytest.raises(StepMisplaced, match="nobody may write the work"):
        woven(PROMOTION, own("x", **places))


def test_not_even_by_way_of_another_step():
    with pytest.raises(StepMisplaced, match="nobody may write the work"):
        woven(PROMOTION, own("x", after=("seal a",)), own("y", after=("x",), before=("assign",)))


def test_circles_are_named():
    with pytest.raises(StepMisplaced, match=r"a circle: .*step x.*step y|a circle: .*step y.*step x"):
        woven(PROMOTION, own("x", after=("y",)), own("y", after=("x",)))
    with pytest.raises(StepMisplaced, match="a circle"):
        woven(PROMOTION, own("x", after=("prove a",), before=("start a",)))


def test_a_database_is_not_promoted_before_the_assignment_is_won():
    with pytest.raises(StepMisplaced, match="until then another may win"):
        woven(PROMOTION, own("x", "postgresql", before=("seal",)))


def test_a_group_stands_for_all_of_its_steps():
    steps = woven(PROMOTION, own("x", after=("prove",)))
    assert set(steps["step x"].after) == {"assign", "prove a", "prove b"}


def test_a_step_that_is_left_out_is_stood_for_by_what_it_would_have_waited_for():
    steps = woven(PROMOTION, own("x", after=("prove b",), on=("switchover",)), own("y", after=("x",)))
    assert "step x" not in steps
    assert "prove b" in steps["step y"].after
    assert woven(PROMOTION, own("z", after=("prove c",)))["step z"].after == ("assign",)


@given(
    st.lists(st.tuples(st.lists(st.sampled_from([*ANCHORS, "s0", "s1", "s2"]), max_size=2),
                       st.lists(st.sampled_from([*ANCHORS, "s0", "s1", "s2"]), max_size=2)), min_size=1, max_size=3),
    st.booleans(),
)  # fmt: skip
def test_whatever_is_put_where_the_order_of_rule_4_holds_or_it_is_refused(places, switch):
    steps = [own(f"s{n}", after=tuple(a), before=tuple(b)) for n, (a, b) in enumerate(places)]
    base = SWITCHOVER if switch else PROMOTION
    try:
        found = woven(base, *steps, occasion="switchover" if switch else "promote")
    except StepMisplaced:
        return
    assert len(in_order(found.values())) == len(base) + len(steps)
    for step in base:
        assert set(step.after) <= set(found[step.id].after)
    for each, seal in itertools.product(steps, ("seal a", "seal b")):
        name = f"step {each.name}"
        assert "assign" in before(found, name) or name in before(found, seal)
        assert "assign" in before(found, name) or seal not in before(found, name)


def test_a_check_tries_every_operation_to_every_site():
    steps = [
        own("late", after=("prove a",), before=("start a",), on=("switchover",), to=("west",)),
        own("lost", after=("quiesce a",), before=("ship a",)),
        own("fine", after=("prove",), before=("reconcile",), on=("promote", "switchover", "workload", "keys", "abort")),
    ]
    wrong = {error.name: error for error in misplaced(steps, ("east", "west"), AFTER)}
    assert set(wrong) == {"late", "lost"}
    assert "a circle" in wrong["late"].got
    assert wrong["lost"].remedy == "write on: [switchover]"
