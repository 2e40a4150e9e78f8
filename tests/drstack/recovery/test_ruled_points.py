"""A promotion takes what people released, and nothing that they condemned, wherever they said it."""

from __future__ import annotations

import pytest

from drstack.errors import PromotionRefused
from drstack.recovery.conduct import plan_only, promote
from drstack.recovery.plan import Given
from replicator.model import Finding
from replicator.repository.ruling import Ruling, rule
from tests.drstack.recovery.world import Rig

BY = Given(by="test")


@pytest.fixture
def rig(tmp_path):
    return Rig(tmp_path)


def say(rig, step, *, released, at=("east", "west")):
    for name in at:
        repository = rig.repository(name)
        accepted = next(each for each in repository.log("gpt").view().in_order() if each.what.step == step)
        rule(repository, "gpt", accepted, Ruling(released, "tried by hand", "ann", 0.0))


def planned(rig):
    [part] = plan_only(rig.world(), "west", BY).workloads
    return part.step


@pytest.mark.parametrize("at", [("east", "west"), ("west",), ("east",)])
def test_what_is_condemned_anywhere_is_not_taken(rig, at):
    rig.save(10)
    rig.save(20)
    assert planned(rig) == 20
    say(rig, 20, released=False, at=at)
    assert planned(rig) == 10
    assert promote(rig.world(), "west", BY)["workloads"][0]["step"] == 10


def test_what_is_released_is_taken_though_admission_found_something(rig):
    rig.save(10)
    rig.save(20, findings=(Finding(reason="norm", tensor="w", evidence="norm 9 after 1"),))
    assert planned(rig) == 10
    say(rig, 20, released=True)
    assert planned(rig) == 20
    assert promote(rig.world(), "west", BY)["workloads"][0]["step"] == 20


def test_released_in_one_repository_and_condemned_in_the_other_is_condemned(rig):
    rig.save(10)
    rig.save(20, findings=(Finding(reason="norm", tensor="w", evidence="norm 9 after 1"),))
    say(rig, 20, released=True, at=("west",))
    say(rig, 20, released=False, at=("east",))
    assert planned(rig) == 10


def test_where_all_is_condemned_nothing_is_promoted(rig):
    rig.save(10)
    say(rig, 10, released=False)
    with pytest.raises(PromotionRefused):
        plan_only(rig.world(), "west", BY)
