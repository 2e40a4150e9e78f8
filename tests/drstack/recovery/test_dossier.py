"""Operations of a fleet, told from their journals: every kind, every try, everybody who did something."""

from __future__ import annotations

import json

import pytest

from drstack.errors import ActuatorFailed, DrstackError, EnvironmentUnknown
from drstack.recovery.conduct import promote
from drstack.recovery.control import abort, pause, resume, skip
from drstack.recovery.dossier import dossier
from drstack.recovery.estimate import estimate, past_durations
from drstack.recovery.history import document, found, newest, past_operations
from drstack.recovery.plan import Given
from drstack.recovery.steps import steps_of
from tests.drstack.recovery.fleet import Fleet

ADA, GRACE = Given(by="ada", reason="east is gone"), Given(by="grace")


@pytest.fixture
def fleet(tmp_path):
    fleet = Fleet(tmp_path, after={"b": ("a",)})
    fleet.save()
    return fleet


def told(fleet, operation="last"):
    witness = fleet.witness()
    journal, past = found(witness, newest(witness) if operation == "last" else operation)
    guessed = estimate(steps_of(journal.plan()), *past_durations(witness, before=past.began_at))
    return dossier("e", journal.identity, journal.records(), past.kind, guessed.steps)


def there_and_home(fleet):
    """A promotion in which a start fails once and somebody else goes on, then the way home."""
    left = ["start b"]

    def trouble(act):
        if act in left:
            left.remove(act)
            raise ActuatorFailed("no GPU was free")

    fleet.sites["west"].trouble = trouble
    with pytest.raises(DrstackError, match="no GPU"):
        promote(fleet.world(by="ada"), "west", ADA)
    resume(fleet.world(by="grace"), by="grace")
    fleet.save(term=2, step=40)
    fleet.sites["west"].reached = dict.fromkeys(fleet.names, 40)
    return promote(fleet.world(by="ada"), "east", GRACE, kind="switchover")


def test_an_end_record_says_what_time_went_into(fleet):
    end = promote(fleet.world(), "west", ADA)
    assert end["utilisation"]["side_by_side"] > 0
    assert 0 <= end["utilisation"]["waiting_share"] <= 1
    assert end["critical"][0]["step"] == "fence east"
    assert end["critical"][-1]["step"].startswith("start ")
    assert "a fence" in end["waited"]


def test_every_kind_is_told_and_a_move_to_a_site_that_was_lost_is_a_failback(fleet):
    there_and_home(fleet)
    every = past_operations(fleet.witness())
    assert [(each.kind, each.target, each.result, each.by) for each in every] == [
        ("promote", "west", "promoted", "ada"), ("failback", "east", "switched over", "grace"),
    ]  # fmt: skip
    fleet.save(term=3, step=60)
    fleet.sites["east"].reached = dict.fromkeys(fleet.names, 60)
    promote(fleet.world(), "west", GRACE, kind="switchover")
    promote(fleet.world(), "west", Given(by="ada", reason="new keys", reopen="keys"))
    every = past_operations(fleet.witness())
    assert [each.kind for each in every] == ["promote", "failback", "switchover", "keys"]
    trends = document("e", every)["trends"]
    assert trends["operations"] == {"promoted": 1, "switched over": 2}
    assert (trends["recoveries"], trends["unfinished_or_failed_share"]) == (3, 0.0)
    assert {kind: each["recoveries"] for kind, each in trends["kinds"].items()} == {
        "failback": 3, "promote": 3, "switchover": 3,
    }  # fmt: skip
    assert trends["failures"] == {"start b": 1}
    assert trends["waited"]["another try"] > 0
    assert trends["kinds"]["failback"]["rpo_s"]["worst"] == 0
    assert json.loads(json.dumps(document("e", every)))["operations"][1]["workloads"][0]["met"] is True


def test_one_operation_names_every_try_and_whoever_made_it(fleet):
    there_and_home(fleet)
    first = told(fleet, "1-1")
    steps = {each["id"]: each for each in first["steps"]}
    assert [(each["how"], each["by"]) for each in steps["start b"]["attempts"]] == [
        ("failed", "ada"),
        ("done", "grace"),
    ]
    assert steps["seal a"]["by"] == "ada"
    assert first["failures"] == [
        {"at": first["failures"][0]["at"], "step": "start b", "why": "no GPU was free", "then": "done later"}
    ]
    assert (first["kind"], first["result"], first["by"], first["reason"]) == (
        "promote",
        "promoted",
        "ada",
        "east is gone",
    )
    assert [(each["site"], each["grade"]) for each in first["fences"]] == [("east", "proven")]
    assert {each["workload"] for each in first["evidence"]["restored"]} == set(fleet.names)
    assert {(each["workload"], each["repository"]) for each in first["evidence"]["seals"]} == {
        (name, site) for name in fleet.names for site in ("east", "west")
    }
    assert all(each["estimate_s"] is None for each in first["steps"])
    assert json.loads(json.dumps(first)) == first


def test_an_estimate_is_what_was_known_before_the_operation_began(fleet):
    there_and_home(fleet)
    second = {each["id"]: each for each in told(fleet)["steps"]}
    assert second["restore a"]["estimate_s"] is not None
    assert second["quiesce a"]["estimate_s"] is None


def test_pauses_steps_left_out_and_records_that_nobody_knows_are_told(fleet):
    def trouble(act):
        if act == "start a":
            pause(fleet.witness(), by="grace", reason="wait for me")

    fleet.sites["west"].trouble = trouble
    with pytest.raises(DrstackError, match="paused"):
        promote(fleet.world(), "west", ADA)
    witness = fleet.witness()
    journal, _ = found(witness, "1-1")
    journal.write("approval", {"by": "eve", "reason": "go <on>", "of": "plan", "key": "k1"})
    journal.write("regraded", {"site": "east", "grade": "proven", "done": "looked again", "proof": "power is off"})
    fleet.sites["west"].trouble = lambda _: None
    skip(witness, "prove b", by="grace", reason="no time", at=witness.now())
    resume(fleet.world(by="grace"), by="grace")
    one = told(fleet)
    assert [each["kind"] for each in one["records"]] == ["pause", "approval", "regraded", "resume", "end"]
    assert (one["records"][1]["by"], one["records"][1]["reason"]) == ("eve", "go <on>")
    assert "key: k1" in one["records"][1]["told"]
    assert [(each["grade"], each["proof"]) for each in one["fences"]] == [
        ("proven", "confirmed"),
        ("proven", "power is off"),
    ]
    assert one["consents"][-1] == {"consent": "left out: prove b", "value": "", "by": "grace", "reason": "no time"}
    assert one["utilisation"]["paused_s"] > 0


def test_one_that_did_not_end_is_told_as_far_as_it_came(fleet):
    fleet.sites["west"].trouble = lambda act: (
        (_ for _ in ()).throw(ActuatorFailed("dark")) if "capacity" in act else None
    )
    with pytest.raises(DrstackError, match="dark"):
        promote(fleet.world(), "west", ADA)
    one = told(fleet)
    assert (one["result"], one["ended_at"], one["rto_s"]) == ("unfinished", None, None)
    states = {each["id"]: each["state"] for each in one["steps"]}
    assert (states["assign"], states["capacity west"], states["start a"]) == ("done", "failed", "waiting")
    assert [each["then"] for each in one["failures"]] == ["not done"]
    assert one["workloads"][0]["rpo_s"] is None
    abort(fleet.world(), by="grace", reason="enough")
    assert (told(fleet)["result"], told(fleet)["why"]) == ("aborted", "enough")


def test_an_operation_that_never_was_is_refused_with_those_that_were(fleet):
    with pytest.raises(EnvironmentUnknown, match="no operation yet"):
        newest(fleet.witness())
    promote(fleet.world(), "west", ADA)
    with pytest.raises(EnvironmentUnknown, match="'9-9'") as error:
        found(fleet.witness(), "9-9")
    assert "1-1" in error.value.hint
