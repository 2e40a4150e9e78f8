"""drstack's own witness, seals, assignments and opens among the simulation's writers, zombies, keepers and cuts."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from drstack.recovery import sealing
from replicator.model import CommitId
from tests.replicator.log.builders import what, where
from tests.simulation.real import RealWorld
from tests.simulation.scenario import run
from tests.simulation.world import WORKLOAD
from tools.cases import at_length, only_seed

if TYPE_CHECKING:
    from tools.cases import Cases


@pytest.mark.slow
@pytest.mark.timeout(7200 if at_length() else 300)
@pytest.mark.faults("simulation", 1_000, 20_000)
def test_drstack_s_own_promotion_keeps_the_promises_under_every_seed(cases: Cases) -> None:
    reached: set[str] = set()
    steps, began = 0, time.process_time()
    for seed in cases.seeds():
        outcome = run(seed, kind=RealWorld)
        reached |= outcome.reached
        steps += outcome.steps
        assert outcome.found == [], outcome.told()
    cases.found(
        f"drstack's own promotion: {steps} steps, {steps / (time.process_time() - began):.0f} a second of processor time"
    )
    if only_seed() is not None:
        return
    wanted = {"three terms", "a loss was consented to", "an assignment was lost to another", "somebody was killed"}
    assert reached >= {*wanted, "an answer was lost", "an acknowledgement in a later term", "the set was changed"}
    assert "a height was given out twice" in reached


def test_a_promotion_that_lists_instead_of_sealing_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def list_only(world: object, _plan: object, workload: dict[str, object], _operation: str) -> dict[str, object]:
        heads: dict[str, int] = {}
        for name in workload["seal"]:  # type: ignore[attr-defined]
            heads |= world.repositories[name].log("gpt").view().heads()  # type: ignore[attr-defined]
        return {"seals": [], "heads": heads, "commit": [1, 1], "step": 1, "saved_at": 0.0, "source": "N"}

    monkeypatch.setattr(sealing, "seal", list_only)
    assert any("was acknowledged and" in each for seed in range(1_500) for each in run(seed, kind=RealWorld).found)


def test_two_checkpoints_given_one_name_in_two_repositories_do_not_both_stand_after_a_promotion() -> None:
    for acknowledge, kept in ((("N",), "N"), (("M",), "M"), ((), "M")):
        world = RealWorld(("N", "M"), acknowledge)
        for name in ("M", "N"):
            contents = what(1, 1, attempt=f"east-{name}", workload=WORKLOAD)
            world.log(None, name).commit(contents, lambda _: where(), term=1)
        world.promote(None, "west", None, 1)
        stand = {name: set(world.log(None, name).view().accepted) for name in ("N", "M")}
        assert stand == {name: {CommitId(1, 1)} if name == kept else set() for name in ("N", "M")}
        void = world.log(None, "N" if kept == "M" else "M").view().void
        assert [(each.commit, each.reason) for each in void] == [
            (CommitId(1, 1), "the open of term 2 names another checkpoint 1.1")
        ]
