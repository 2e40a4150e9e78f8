"""Who stopped a site on purpose is told for as long as it stands, and no longer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from drstack.recovery import control, fencing
from drstack.recovery.conduct import decide, describe, look, plan_only, promote
from drstack.recovery.fenced import Deliberate, deliberate, still
from drstack.recovery.lifting import lift
from drstack.recovery.plan import Given, digest_of
from drstack.recovery.ports import JobObservation
from drstack.report.plan import markdown, tree
from tests.drstack.recovery.fleet import Fleet

BY = Given(by="ana", reason="bad GPU, do not start")


@pytest.fixture
def fleet(tmp_path):
    made = Fleet(tmp_path, names=("a", "b"))
    made.save()
    return made


def standing(fleet) -> list[tuple[str, tuple[str, ...]]]:
    facts = look(fleet.world())
    return [(each.operation, each.workloads) for each in deliberate(fleet.witness(), facts)]


def test_a_fence_is_told_with_who_when_and_why_until_it_is_lifted(fleet):
    fencing.fence(fleet.world(), "east", BY)
    facts = look(fleet.world())
    [told] = deliberate(fleet.witness(), facts)
    assert (told.site, told.by, told.reason, told.workloads, told.alone) == (
        "east",
        "ana",
        BY.reason,
        ("a", "b"),
        False,
    )
    assert abs(told.at - facts.at) < 3600
    assert "east was fenced on purpose by ana at 20" in told.told()
    lift(fleet.world(), "east", by="bob", reason="false alarm")
    assert standing(fleet) == []


def test_it_is_overtaken_by_a_promotion_to_another_site_and_to_the_same(fleet):
    fencing.fence(fleet.world(), "east", BY)
    promote(fleet.world(), "west", Given(by="bob"))
    assert standing(fleet) == []


def test_a_later_fence_of_the_same_is_lifted_with_what_stood_before_it(fleet):
    fencing.fence(fleet.world(), "east", replace(BY, only=("a",)))
    fencing.fence(fleet.world(), "east", BY)
    assert standing(fleet) == [("1-1", ("a",)), ("1-2", ("a", "b"))]
    lift(fleet.world(), "east", by="bob", reason="false alarm")
    assert standing(fleet) == []


def test_lifting_a_fence_of_one_leaves_the_other_fenced(fleet):
    fencing.fence(fleet.world(), "east", BY)
    fencing.fence(fleet.world(), "east", replace(BY, only=("b",)))
    lift(fleet.world(), "east", by="bob", reason="b is well")
    assert standing(fleet) == [("1-1", ("a",))]


def test_one_that_did_not_end_well_is_no_fence(fleet):
    def die(_name: str) -> None:
        raise KeyboardInterrupt

    fleet.sites["east"].trouble = die
    with pytest.raises(KeyboardInterrupt):
        fencing.fence(fleet.world(), "east", BY)
    assert standing(fleet) == []
    control.abort(fleet.world(), by="bob", reason="not needed")
    assert standing(fleet) == []


def test_what_is_seen_to_run_again_is_fenced_no_more(fleet):
    facts = look(fleet.world())
    assert still((Deliberate("1-1", "east", "ana", 1.0, "r", ("a", "b")),), facts) == ()
    sites = {**facts.sites, "east": replace(facts.sites["east"], jobs={})}
    gone = replace(facts, sites=sites)
    assert len(still((Deliberate("1-1", "east", "ana", 1.0, "r", ("a", "b")),), gone)) == 1


@pytest.mark.parametrize(
    ("changed", "stands"),
    [({}, False), ({"replicator_running": False}, True), ({"reachable": False, "why": "no power"}, True)],
)
def test_a_standby_is_fenced_until_it_is_seen_to_stand_by_again(fleet, changed, stands):
    facts = look(fleet.world())
    sites = {**facts.sites, "west": replace(facts.sites["west"], **changed)}
    fence = Deliberate("1-1", "west", "ana", 1.0, "r", ())
    assert still((fence,), replace(facts, sites=sites)) == ((fence,) if stands else ())


def test_a_plan_says_of_its_target_that_it_was_fenced_on_purpose_and_agrees_to_nothing_else(fleet):
    fencing.fence(fleet.world(), "east", replace(BY, only=("a",)))
    fleet.sites["east"].started.clear()
    elsewhere = plan_only(fleet.world(), "west", Given(by="bob"))
    assert elsewhere.fenced == ()
    fence = Deliberate("1-1", "west", "ana", 1.0, "bad GPU", ())
    plan = replace(elsewhere, fenced=(fence.told(),))
    assert plan.hash() == elsewhere.hash() == digest_of(plan.document())[:16]
    said = "west was fenced on purpose by ana at 1970-01-01 00:00:01 UTC: bad GPU (operation 1-1); this starts it all the same"
    assert said in tree(plan.document())
    assert f"- {said}" in markdown(plan.document())


def test_a_promotion_to_a_site_that_was_fenced_says_so_before_it_starts_it(fleet):
    """A job that is seen not to be wanted is what a fenced site shows."""
    fencing.fence(fleet.world(), "east", BY)
    world = fleet.world()
    facts = look(world)
    jobs = {name: JobObservation(running=False, ranks=0, wanted=False) for name in ("a", "b")}
    sites = {**facts.sites, "east": replace(facts.sites["east"], jobs=jobs)}
    plan = decide(world, replace(facts, sites=sites), "east", Given(by="bob"))
    assert len(plan.fenced) == 1
    assert "by ana" in describe(plan)
