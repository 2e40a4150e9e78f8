"""Where nobody says when the writer failed, a loss is a bound: it is said as one, and a consent to it leaves room."""

from __future__ import annotations

import json
import re
import time

import pytest

from drstack.cli.promote import summary
from drstack.cli.report import _render
from drstack.errors import PromotionRefused
from drstack.recovery.conduct import plan_only, promote
from drstack.recovery.dossier import dossier
from drstack.recovery.history import document, past_operations, promotions
from drstack.recovery.objectives import judged, lost
from drstack.recovery.plan import Given
from drstack.report.as_html import as_html
from drstack.report.as_markdown import as_markdown
from drstack.report.environment import environment_page
from drstack.report.operation import operation_page
from drstack.spec import parse_duration
from drstack.witness.witness import Witness
from replicator.repository.repository import random_token
from tests.drstack.recovery.fleet import Fleet

LATE_S = 264.0


@pytest.fixture
def fleet(tmp_path):
    made = Fleet(tmp_path, names=("a",))
    made.save()
    return made


def later() -> float:
    return time.time() + LATE_S


def world(fleet):
    """A look at the fleet `LATE_S` after its last checkpoint."""
    witness = Witness(fleet.stores["witness"], "e", clock=later, token=random_token)
    return fleet.world(witness=witness, clock=later)


def refused(fleet, given) -> PromotionRefused:
    with pytest.raises(PromotionRefused) as raised:
        plan_only(world(fleet), "west", given)
    return raised.value


def test_a_refusal_does_not_say_before_the_failure_where_nobody_told_it(fleet):
    error = refused(fleet, Given(by="ada"))
    assert re.search(r"saved 26\d\.\d s ago, and when east failed is not known", str(error))
    assert "before the failure" not in str(error)
    error = refused(fleet, Given(by="ada", failed_at=later()))
    assert re.search(r"saved 26\d\.\d s before the failure", str(error))


def test_the_suggested_consent_still_suffices_once_it_was_typed(fleet):
    hint = refused(fleet, Given(by="ada")).hint
    assert hint.index("--failed-at TIME") < hint.index("--accept-data-loss")
    loss_s = parse_duration(re.search(r"--accept-data-loss (\S+)", hint)[1])
    assert loss_s >= LATE_S + 300, "minutes to read, think and type"
    plan_only(world(fleet), "west", Given(by="ada", data_loss_s=loss_s, reason="r"))


def test_a_failure_that_was_told_needs_no_room(fleet):
    hint = refused(fleet, Given(by="ada", failed_at=time.time() + 100)).hint
    assert "--failed-at" not in hint
    assert parse_duration(re.search(r"--accept-data-loss (\S+)", hint)[1]) < 110


def test_the_end_and_every_form_of_the_report_say_that_the_loss_is_a_bound(fleet):
    end = promote(world(fleet), "west", Given(by="ada", data_loss_s=900.0, reason="east burnt"))
    assert (end["rto_is_bound"], end["workloads"][0]["rpo_is_bound"]) == (True, True)
    said = summary(end, "west")
    assert re.search(r"lost at most 26\d\.\d s of work \(objective 1m; not known to be met\)", said)
    assert "since promote began" in said

    past = past_operations(fleet.witness())
    told = {**document("e", past), "break_glass": []}
    [one] = told["operations"][0]["workloads"]
    assert (one["rpo_is_bound"], one["met"], one["verdict"]) == (True, None, "unknown")
    [row] = promotions(fleet.witness())[0]["workloads"]
    assert (row["rpo_is_bound"], row["met"], row["verdict"]) == (True, None, "unknown")
    text = _render(told)
    assert re.search(
        r"a: lost at most 4 min \(RPO 1m, not known to be met\), back after at least \d+ s \(RTO 1m\)", text
    )
    assert "MISSED" not in text
    journal = fleet.witness().journal(1, 1)
    single = json.loads(json.dumps(dossier("e", "1-1", journal.records(), "promote", {})))
    assert single["workloads"][0]["rpo_is_bound"] is True
    for form in (as_markdown, as_html):
        of_all, of_one = form(environment_page(told, made_at=time.time())), form(operation_page(single))
        assert "at most 4 min" in of_all, of_all
        assert "not known to be met" in of_all
        assert "at most 4 min" in of_one
        assert "not known to be met" in of_one
        assert "since promote began" in of_one
        assert "missed" not in of_one.lower()


def test_a_loss_that_was_told_is_stated_as_it_is(fleet):
    end = promote(fleet.world(), "west", Given(by="ada", failed_at=time.time()))
    assert (end["rto_is_bound"], end["workloads"][0]["rpo_is_bound"]) == (False, False)
    said = summary(end, "west")
    assert "at most" not in said
    assert "since promote began" not in said
    assert document("e", past_operations(fleet.witness()))["operations"][0]["workloads"][0]["verdict"] == "met"


@pytest.mark.parametrize(("is_bound", "took", "said"), [
    (True, 12.0, "; back after at least 12.0 s (objective 1m)"),
    (True, 61.0, "; back after at least 61.0 s (objective 1m; MISSED)"),
    (False, 60.0, "; back after 60.0 s (objective 1m)"),
    (False, 61.0, "; back after 61.0 s (objective 1m; MISSED)"),
    (False, None, "(objective 1m)"),
])  # fmt: skip
def test_the_time_stands_beside_its_objective(fleet, is_bound, took, said):
    end = promote(fleet.world(), "west", Given(by="ada", failed_at=time.time()))
    end["rto_is_bound"] = is_bound
    end["workloads"][0]["rto_s"] = took
    line = summary(end, "west").splitlines()[1]
    assert line.endswith(said)
    assert ("back after" in line) == (took is not None)


def test_a_journal_of_an_older_version_is_told_by_what_its_plan_knew(fleet):
    for number, failed_at in enumerate((None, 1.0), 1):
        journal = fleet.witness().journal(1, number)
        workload = {"name": "a", "writer": "east", "rpo_s": 60.0, "rto_s": 60.0}
        journal.begin({"kind": "promote", "began_at": float(number), "failed_at": failed_at, "workloads": [workload]})
        measured = {"name": "a", "step": 1, "rpo_s": 90.0, "rpo_objective_s": 60.0, "rto_objective_s": 60.0}
        journal.end({"result": "promoted", "rto_s": 5.0, "workloads": [measured]})
    first, second = past_operations(fleet.witness())
    assert (first.workloads[0].verdict, second.workloads[0].verdict) == ("unknown", "missed")


def test_a_bound_within_the_objective_is_met_and_a_time_that_was_too_long_at_least_is_missed():
    assert (lost(10, 60, is_bound=True), lost(61, 60, is_bound=True), lost(61, 60, is_bound=False)) == (
        "met", "unknown", "missed",
    )  # fmt: skip
    assert judged(90, 60, 61, 60, is_bound=True) == "missed"
    assert judged(None, 60, 1, 60, is_bound=True) is None
