"""A promotion prefers what is proved, within the objective, and takes nothing whose proof failed without consent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drstack.errors import ConsentRequired, PromotionRefused
from drstack.recovery.conduct import look, plan_only, promote
from drstack.recovery.facts import CommitFact, RepositoryFact, WorkloadFact
from drstack.recovery.history import promotions
from drstack.recovery.plan import Given
from drstack.recovery.points import Wish, choose
from drstack.recovery.status import status
from replicator.model import CommitId
from replicator.repository.receipts import Word
from tests.drstack.recovery.world import NEED, Quiet, Rig

BY = Given(by="test")


@pytest.fixture
def rig(tmp_path):
    return Rig(tmp_path)


def test_the_newest_that_is_proved_is_taken_if_it_is_within_the_objective_and_the_plan_shows_both(rig):
    rig.save(10, age_s=50)
    rig.save(20, age_s=40)
    rig.save(30, age_s=2)
    rig.prove(10)
    rig.prove(20)
    plan = plan_only(rig.world(), "west", BY)
    [part] = plan.workloads
    assert (part.step, part.other.step, part.other.proved) == (20, 30, False)
    assert 39 < part.loss_s < 60
    assert 1 < part.other.loss_s < 39
    assert "proved, within the objective; step 30 would lose" in part.why
    assert plan.document()["workloads"][0]["other"]["step"] == 30
    end = promote(rig.world(), "west", BY)
    assert end["workloads"][0]["step"] == 20


def test_nothing_beyond_the_objective_is_lost_for_the_sake_of_a_proof(rig):
    rig.save(10, age_s=NEED.rpo_s + 5)
    rig.save(20, age_s=2)
    rig.prove(10)
    [part] = plan_only(rig.world(), "west", BY).workloads
    assert (part.step, part.other.step, part.other.proved) == (20, 10, True)
    assert "step 10 is proved and would lose" in part.why
    assert "more than the objective of 1m" in part.why
    assert promote(rig.world(), "west", BY)["workloads"][0]["step"] == 20


def test_the_newest_can_be_asked_for(rig):
    rig.save(10, age_s=20)
    rig.save(20)
    rig.prove(10)
    wish = Given(by="test", newest=True)
    assert plan_only(rig.world(), "west", wish).hash() != plan_only(rig.world(), "west", BY).hash()
    assert promote(rig.world(), "west", wish)["workloads"][0]["step"] == 20


def test_a_checkpoint_whose_proof_failed_is_passed_over_and_that_is_said(rig):
    rig.save(10, age_s=20)
    rig.save(20)
    rig.prove(20, ok=False, reason="step 21 differs")
    [part] = plan_only(rig.world(), "west", BY).workloads
    assert part.step == 10
    assert "step 20 is newer and was tried and FAILED (step 21 differs)" in part.why
    assert promote(rig.world(), "west", BY)["workloads"][0]["step"] == 10


def test_where_that_would_lose_more_than_the_objective_both_ways_on_are_named(rig):
    rig.save(10, age_s=NEED.rpo_s + 5)
    rig.save(20)
    rig.prove(20, ok=False)
    with pytest.raises(PromotionRefused, match="step 20 is newer and was tried and FAILED") as refused:
        promote(rig.world(), "west", BY)
    assert "--accept-data-loss" in refused.value.hint
    assert "--accept-failed-proof" in refused.value.hint
    assert rig.repository("west").log("gpt").view().sealed == 0


def test_where_all_have_failed_the_newest_is_taken_with_consent_and_a_reason_only(rig):
    rig.save(10)
    rig.save(20)
    rig.prove(10, ok=False)
    rig.prove(20, ok=False)
    with pytest.raises(ConsentRequired, match="every recovery point was tried and failed"):
        promote(rig.world(), "west", BY)
    with pytest.raises(ConsentRequired, match="reason"):
        promote(rig.world(), "west", Given(by="test", failed_proof=True))
    end = promote(rig.world(), "west", Given(by="test", failed_proof=True, reason="the standby's disk lies"))
    assert end["workloads"][0]["step"] == 20
    assert [(c.kind, c.value, c.reason) for c in rig.witness().current().consents] == [
        ("override", "failed-proof", "the standby's disk lies")
    ]


def test_what_one_site_found_holds_for_the_same_checkpoint_everywhere(rig):
    rig.save(10, age_s=20)
    rig.save(20)
    rig.prove(20, ok=False, at="east")
    assert plan_only(rig.world(), "west", BY).workloads[0].step == 10


def test_a_proof_that_fails_after_the_plan_is_heeded_once_the_logs_are_sealed(rig):
    rig.save(10, age_s=20)
    rig.save(20)

    class Late(Quiet):
        def begin(self, step: str) -> None:
            if step == "fence east":
                rig.prove(20, ok=False)

    from dataclasses import replace

    end = promote(replace(rig.world(), progress=Late()), "west", BY)
    assert end["workloads"][0]["step"] == 10


def test_a_restore_that_falls_back_passes_over_what_failed(rig):
    for step in (10, 20, 30):
        rig.save(step, age_s=40 - step)
    rig.prove(20, ok=False)
    for name in ("east", "west"):
        view = rig.repository(name).log("gpt").view()
        newest = view.in_order()[-1]
        rig.stores[name].delete(f"packs/{newest.where.packs[0].digest[:2]}/{newest.where.packs[0].digest}")
    assert promote(rig.world(), "west", BY)["workloads"][0]["step"] == 10


def test_many_unproved_ones_do_not_hide_the_proved_one_below_them(rig):
    for step in range(10, 90, 10):
        rig.save(step, age_s=(90 - step) / 2)
    rig.prove(20)
    [part] = plan_only(rig.world(), "west", BY).workloads
    assert (part.step, part.other.step) == (20, 80)


def told(rig):
    world = rig.world()
    return status("e", look(world), world.needs, None)["workloads"]["gpt"]


def test_the_status_says_since_when_it_is_proved_or_why_not(rig):
    assert "all of gpt would be lost" in told(rig)["sentence"]
    rig.save(10, age_s=20)
    assert "; not proved; no standby tries to." in told(rig)["sentence"]
    rig.prove(10)
    found = told(rig)
    assert "; proved 0 s ago (step 10)." in found["sentence"]
    assert (found["proof"]["proved"]["step"], found["proof"]["proved"]["by"], found["proof"]["failed"]) == (
        10,
        "west",
        None,
    )
    rig.save(20)
    assert told(rig)["recovery_point"]["step"] == 10
    rig.prove(20, ok=False, reason="step 21 differs")
    assert "; proved 0 s ago (step 10); step 20 was tried 0 s ago and FAILED: step 21 differs." in told(rig)["sentence"]
    rig.prove(10, ok=False, reason="x")
    assert "all of gpt would be lost" in told(rig)["sentence"]
    assert "FAILED: step 21 differs" in told(rig)["sentence"]


def test_what_promotions_took_is_told_with_the_objectives(rig):
    assert promotions(rig.witness()) == []
    rig.save(10, age_s=20)
    end = promote(rig.world(), "west", BY)
    [row] = promotions(rig.witness())
    assert (row["assignment"], row["rto_s"]) == (2, end["rto_s"])
    assert [(each["name"], each["step"], each["met"]) for each in row["workloads"]] == [("gpt", 10, True)]
    assert 19 < row["workloads"][0]["rpo_s"] < NEED.rpo_s


WORDS = st.sampled_from([None, True, False])
POINTS = st.lists(st.tuples(st.floats(0, 200), WORDS, st.booleans(), st.sampled_from(["east", "west"])), max_size=8)


@given(POINTS, st.booleans(), st.booleans())
def test_whatever_is_known_no_proof_costs_more_than_the_objective(points, newest, consent):
    held = {"east": [], "west": []}
    for height, (age, ok, suspect, where) in enumerate(sorted(points, key=lambda each: -each[0]), 1):
        word = None if ok is None else Word(ok, "why", 0.0, "west")
        fact = CommitFact(CommitId(1, height), height, 1000.0 - age, 1, suspect, NEED.demanded, f"r{height}", "n", word)
        held[where].insert(0, fact)
    facts = {name: RepositoryFact(name, "", None, newest=tuple(each)) for name, each in held.items()}
    workload = WorkloadFact("gpt", "east", 1, (), facts)
    chosen = choose(workload, Wish(NEED.demanded, NEED.rpo_s, 1000.0, "west", newest, consent))
    sound = [c for each in held.values() for c in each if not c.suspect and (consent or not c.refuted)]
    if chosen is None:
        assert not sound
        return
    first = max(sound, key=lambda c: c.id)
    assert chosen.point in sound
    assert chosen.why
    if chosen.point != first:
        assert chosen.point.proved
        assert 1000.0 - chosen.point.saved_at <= NEED.rpo_s
        assert not newest
    elif not first.proved and not newest:
        assert not any(c.proved and 1000.0 - c.saved_at <= NEED.rpo_s for c in sound)
