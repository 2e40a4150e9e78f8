"""A tabletop drill: the real plan, step by step, with answers and their times; nothing is touched but its record."""

from __future__ import annotations

import pytest

from drstack.drills.tabletop import hold
from drstack.recovery.quorum import Quorum
from tests.drstack.recovery.fleet import Fleet


@pytest.fixture
def fleet(tmp_path):
    made = Fleet(tmp_path, names=("a", "b"))
    made.save()
    return made


def test_every_step_of_the_real_plan_is_asked_about_and_answers_are_kept(fleet):
    asked = []

    def ask(question):
        asked.append(question)
        return f"answer {len(asked)}"

    before = {name: {key: store.get(key) for key in store.list("log")} for name, store in fleet.stores.items()}
    done = hold(fleet.world(), by="ops", reason=None, site=None, workloads=(), ask=ask)

    steps = [each.step for each in asked]
    assert steps[0] == "alarm"
    assert steps[-1] == "home"
    assert {"seal a", "assign", "restore b", "capacity west", "start a", "answers", "reconcile"} <= set(steps)
    assert steps.index("seal a") < steps.index("assign") < steps.index("restore a") < steps.index("start a")
    told = " ".join(next(each for each in asked if each.step == "seal a").told)
    assert "undone by" in told
    assert "needs" in told
    assert done["result"] == "passed"
    assert [each["answer"] for each in done["answers"]] == [f"answer {n + 1}" for n in range(len(asked))]
    assert all(each["took_s"] >= 0 for each in done["answers"])
    (record,) = fleet.witness().drills().all()
    assert (record.kind, record.result) == ("tabletop", "passed")
    assert "answer 3" in record.ended["report"]
    assert {name: {key: store.get(key) for key in store.list("log")} for name, store in fleet.stores.items()} == before
    assert fleet.writers() == {"a": "east", "b": "east"}
    assert not fleet.sites["east"].acts
    assert not fleet.sites["west"].acts


def test_a_tabletop_that_is_left_early_does_not_count_as_held(fleet):
    answers = iter(["one", "two"])
    done = hold(fleet.world(), by="ops", reason=None, site=None, workloads=("a",), ask=lambda _: next(answers, None))
    assert done["result"] == "killed"
    assert len(done["answers"]) == 2
    assert done["workloads"] == ["a"]


def test_who_has_to_approve_is_asked_about(fleet):
    asked = []
    quorum = Quorum(of=("ann", "bob", "cy"), at_least=2, expires_s=900.0, break_glass=("ann",))
    world = fleet.world(quorums={"promote": quorum})
    hold(world, by="ops", reason=None, site=None, workloads=(), ask=lambda question: asked.append(question) or "well")
    (found,) = [each for each in asked if each.step == "approval"]
    assert found.told == ("It begins once 2 of ann, bob, cy have approved the plan; without them: ann.",)
