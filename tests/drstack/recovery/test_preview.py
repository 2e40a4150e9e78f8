"""A plan is shown while a consent lacks: to people, with what lacks; nothing can be carried out by it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from drstack.errors import ConsentRequired, NotReady, PromotionRefused
from drstack.recovery.plan import Given
from drstack.recovery.preview import preview
from tests.drstack.cli.typed import Typed
from tests.drstack.recovery.fleet import Fleet

BY = Given(by="test")
LONG_AGO_S = 5e8
PLAN = ("promote", "e", "--to", "west", "--plan")


@pytest.fixture
def fleet(tmp_path):
    made = Fleet(tmp_path, names=("a", "b"))
    made.save()
    return made


def late(fleet):
    """A failure so long after the last save that the objective is passed."""
    return replace(BY, failed_at=fleet.world().clock() + LONG_AGO_S)


def test_a_plan_that_loses_more_than_the_objective_is_shown_with_what_it_lacks(fleet):
    plan, lacking = preview(fleet.world(), "west", late(fleet))
    assert isinstance(lacking, PromotionRefused)
    assert "--accept-data-loss" in (lacking.hint or "")
    assert (plan.target, plan.consents, plan.reason) == ("west", (), "")
    assert {each.name for each in plan.workloads} == {"a", "b"}
    assert all(each.loss_s > each.loss_bound_s for each in plan.workloads if each.loss_bound_s is not None)
    agreed, nothing = preview(fleet.world(), "west", replace(late(fleet), data_loss_s=2 * LONG_AGO_S, reason="known"))
    assert (nothing, [kind for kind, _ in agreed.consents]) == (None, ["data-loss"])
    assert [each.id for each in agreed.steps] == [each.id for each in plan.steps]


def test_a_consent_without_its_reason_is_what_lacks(fleet):
    plan, lacking = preview(fleet.world(), "west", replace(BY, skip_fence=("east",)))
    assert isinstance(lacking, ConsentRequired)
    assert (plan.fence, plan.consents) == (("east",), ())


def test_what_no_consent_can_mend_is_refused_as_before(fleet):
    fleet.sites["west"].reachable = False
    with pytest.raises(NotReady):
        preview(fleet.world(), "west", late(fleet))


def test_people_see_the_plan_and_the_refusal_and_a_program_the_refusal_alone(fleet, monkeypatch):
    typed = Typed(monkeypatch, lambda _: fleet.world())
    lost = ("--skip-fence", "east")
    shown = typed(*PLAN, *lost, "--as", "tree")
    assert isinstance(shown.exception, ConsentRequired)
    assert "Promote e to west" in shown.stdout
    assert "seal a" in shown.stdout
    assert not fleet.witness().journals(1)
    told = typed(*PLAN, *lost)
    assert isinstance(told.exception, ConsentRequired)
    assert told.stdout == ""
    assert json.loads(typed(*PLAN).stdout)["consents"] == []
