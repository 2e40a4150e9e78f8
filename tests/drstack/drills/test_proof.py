"""How a drill's losses are held against the real run's."""

from __future__ import annotations

from drstack.drills.proof import judged
from drstack.drills.script import Logged
from drstack.proving.evidence import Evidence, NotProvable

VERSIONS = {"torch": "1"}
REAL = Evidence({11: 0.5, 12: 0.25, 13: 0.125}, 2, VERSIONS)


def logged(losses, **changed):
    told = {"resumed_step": 10, "exact": True, "versions": VERSIONS, **changed}
    return Logged(losses={step: loss.hex() for step, loss in losses.items()}, **told)


def test_the_same_losses_are_proved_for_the_steps_that_both_made():
    assert judged(REAL, logged({11: 0.5, 12: 0.25, 14: 9.0}), 10).verdict == "proved"


def test_another_loss_differs_and_says_where():
    proof = judged(REAL, logged({11: 0.5, 12: 0.26}), 10)
    assert (proof.verdict, proof.step) == ("differs", 12)


def test_unlike_machines_are_withheld():
    assert judged(REAL, logged({11: 0.5, 12: 0.26}, versions={"torch": "2"}), 10).verdict == "withheld"
    assert judged(REAL, logged({11: 0.5, 12: 0.26}, exact=False), 10).verdict == "withheld"


def test_without_evidence_it_says_why():
    assert judged(NotProvable("not arrived", later=True), logged({11: 0.5}), 10) == "not arrived"
    assert "resumed from step 9" in judged(REAL, logged({11: 0.5}, resumed_step=9), 10)
    assert "none of the steps" in judged(REAL, logged({20: 0.5}), 10)
