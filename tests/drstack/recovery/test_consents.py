"""Consent, graded: each is given by itself, with a reason, and stands in the plan, its hash, the journal and the report."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from drstack.errors import ConsentRequired, EnvironmentUnknown, PromotionRefused
from drstack.recovery.conduct import plan_only, promote
from drstack.recovery.history import document, past_operations
from drstack.recovery.plan import Given
from drstack.witness.witness import Witness
from replicator.repository.repository import random_token
from tests.drstack.cli.typed import Typed
from tests.drstack.recovery.fleet import Fleet

BY = Given(by="test")


@pytest.fixture
def fleet(tmp_path):
    made = Fleet(tmp_path, names=("a", "b"))
    made.save()
    return made


def test_a_fence_that_is_left_out_is_not_tried_and_is_graded_assumed_with_who_left_it_out(fleet):
    given = replace(BY, skip_fence=("east",), reason="its power is off, seen by eye")
    plan = plan_only(fleet.world(), "west", given)
    assert plan.consents == (("skip-fence", "east"),)
    assert next(step for step in plan.steps if step.id == "fence east").does.startswith("nothing")
    end = promote(fleet.world(), "west", given)
    assert end["fences"] == [
        {
            "site": "east",
            "grade": "assumed",
            "done": "nothing",
            "proof": "test left it out: its power is off, seen by eye",
        }
    ]
    assert fleet.sites["east"].acts == []
    assert set(fleet.sites["east"].started) == {"a", "b"}, "nobody tried to stop it"
    [consent] = fleet.witness().current().consents
    assert (consent.kind, consent.value, consent.reason, consent.by) == (
        "skip-fence", "east", "its power is off, seen by eye", "test",
    )  # fmt: skip
    journal = fleet.witness().journal(1, 1).plan()
    assert (journal["consents"], journal["reason"]) == ([["skip-fence", "east"]], "its power is off, seen by eye")
    [past] = document("e", past_operations(fleet.witness()))["operations"]
    assert (past["consents"], past["reason"]) == ((("skip-fence", "east"),), "its power is off, seen by eye")


def test_a_consent_and_its_reason_are_in_the_hash(fleet):
    plain = plan_only(fleet.world(), "west", BY)
    skipped = plan_only(fleet.world(), "west", replace(BY, skip_fence=("east",), reason="one"))
    other = plan_only(fleet.world(), "west", replace(BY, skip_fence=("east",), reason="two"))
    proof = plan_only(fleet.world(), "west", replace(BY, failed_proof=True, reason="one"))
    assert len({each.hash() for each in (plain, skipped, other, proof)}) == 4


@pytest.mark.parametrize(
    "given",
    [
        Given(by="t", skip_fence=("east",)),
        Given(by="t", failed_proof=True),
        Given(by="t", data_loss_s=float("inf")),
        Given(by="t", break_glass="alice"),
    ],
    ids=["skip-fence", "failed-proof", "unknown-loss", "break-glass"],
)
def test_no_consent_counts_without_a_reason(fleet, given):
    with pytest.raises(ConsentRequired, match="needs a reason") as raised:
        promote(fleet.world(), "west", given)
    assert raised.value.hint == "Add: --reason '…'"
    assert fleet.witness().journals(1) == []


def test_only_a_site_that_loses_work_can_be_left_alone(fleet):
    with pytest.raises(EnvironmentUnknown, match="west is not fenced") as raised:
        promote(fleet.world(), "west", replace(BY, skip_fence=("west",), reason="r"))
    assert raised.value.hint == "It fences east."


def test_a_reason_alone_consents_to_nothing(fleet):
    late = replace(BY, reason="hurry", failed_at=time.time() + 600)
    with pytest.raises(PromotionRefused, match="the objective is 1m"):
        promote(fleet.world(), "west", late)
    assert plan_only(fleet.world(), "west", replace(BY, reason="hurry")).consents == ()


def test_yes_asks_nothing_and_gives_no_consent(fleet, monkeypatch):
    def tomorrow() -> float:
        return time.time() + 86400

    witness = Witness(fleet.stores["witness"], "e", clock=tomorrow, token=random_token)
    typed = Typed(monkeypatch, lambda _: fleet.world(witness=witness, clock=tomorrow))
    late = ["promote", "e", "--to", "west", "--yes", "--no-reconcile"]
    refused = typed(*late)
    assert isinstance(refused.exception, PromotionRefused)
    assert "--accept-data-loss" in f"{refused.exception} {refused.exception.hint}"
    assert fleet.witness().current().number == 1
    given = typed(*late, "--accept-data-loss", "48h", "--reason", "it is gone")
    assert given.exit_code == 0, given.output
    assert fleet.writers() == {"a": "west", "b": "west"}
