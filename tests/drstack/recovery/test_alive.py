"""A promotion that would take work from where it is seen to run says so first, and goes on as before."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from typer.testing import _NamedTextIOWrapper

from drstack.cli.progress import Tree
from drstack.errors import ActuatorFailed, DrstackError
from drstack.recovery.alive import seen_to_run
from drstack.recovery.conduct import look, plan_only, promote
from drstack.recovery.plan import Given, digest_of
from drstack.recovery.preview import question
from drstack.report.plan import markdown, tree
from tests.drstack.cli.typed import Typed
from tests.drstack.recovery.fleet import Fleet

BY = Given(by="test")
RUNS = (
    "a runs at east now, at step 10 (made 0 s ago): `drstack switchover e --to west` loses nothing; a promotion loses"
)


@pytest.fixture
def fleet(tmp_path):
    made = Fleet(tmp_path, names=("a", "b"))
    made.save()
    made.sites["east"].started.pop("b")
    return made


def test_a_plan_says_first_what_runs_and_what_would_lose_nothing(fleet):
    plan = plan_only(fleet.world(), "west", BY)
    [said] = plan.runs
    assert said.startswith(RUNS)
    assert tree(plan.document()).splitlines()[1].strip() == said
    told = markdown(plan.document()).splitlines()
    assert next(line for line in told if line.startswith("- ")) == f"- {said}"


def test_it_is_no_part_of_what_is_agreed_to(fleet):
    plan = plan_only(fleet.world(), "west", BY)
    silent = replace(plan, runs=())
    assert (plan.hash(), digest_of(plan.document())) == (silent.hash(), digest_of(silent.document()))


def test_nothing_is_said_of_what_is_out_of_sight_stopped_or_made_no_step(fleet):
    east = fleet.sites["east"]
    east.reachable = False
    assert plan_only(fleet.world(), "west", BY).runs == ()
    east.reachable = True
    east.stop_job("a", deadline_s=1.0)
    assert plan_only(fleet.world(), "west", BY).runs == ()


def test_what_stays_where_it_is_or_moves_by_a_switchover_is_not_told(fleet):
    assert plan_only(fleet.world(), "west", replace(BY, only=("b",))).runs == ()
    [said] = plan_only(fleet.world(), "west", replace(BY, only=("a",))).runs
    assert "`drstack switchover e --to west --workload a`" in said
    fleet.sites["east"].started["b"] = ("begin", None)
    assert plan_only(fleet.world(), "west", BY, kind="switchover").runs == ()


def test_without_the_witness_a_switchover_is_for_later(fleet):
    [said] = plan_only(fleet.world(), "west", replace(BY, without_witness=True, reason="x")).runs
    assert "once the witness is back `drstack switchover" in said


def test_the_age_of_a_step_is_told_by_the_clock_that_counts(fleet):
    facts = look(fleet.world())
    behind = replace(facts.time, offset_s=3600.0, apart={"east": 3600.0})
    east = facts.sites["east"]
    later = replace(east.jobs["a"], step_at=facts.at + 3600.0 - 30.0)
    seen = replace(
        facts, at=facts.at + 3600.0, time=behind, sites={**facts.sites, "east": replace(east, jobs={"a": later})}
    )
    [said] = seen_to_run("e", seen, "west", BY)
    assert "(made 30 s ago)" in said


def test_the_question_shows_it_and_says_nothing_of_an_operation_to_take_up(fleet):
    asked = question(fleet.world(), "west", BY).splitlines()
    assert asked[0].startswith(RUNS)
    assert asked[1:] == ["Make west the writer of e?"]

    def refuse(act):
        raise ActuatorFailed(act)

    fleet.sites["west"].trouble = refuse
    with pytest.raises(DrstackError):
        promote(fleet.world(), "west", BY)
    fleet.sites["east"].started["a"] = ("by hand", None)
    assert question(fleet.world(), "west", BY) == "Make west the writer of e?"


def test_at_a_terminal_it_is_in_the_question_and_a_no_touches_nothing(fleet, monkeypatch):
    typed = Typed(monkeypatch, lambda _: fleet.world())
    monkeypatch.setattr(_NamedTextIOWrapper, "isatty", lambda _: True, raising=False)
    done = typed("promote", "e", "--to", "west", "--no-reconcile")
    assert isinstance(done.exception, SystemExit)
    assert RUNS in done.stderr
    assert "Make west the writer of e?" in done.stderr
    assert not fleet.witness().journals(1)


def test_without_a_terminal_it_goes_on_and_says_so_on_stderr(fleet, monkeypatch):
    typed = Typed(monkeypatch, lambda _: fleet.world(progress=Tree("")))
    done = typed("promote", "e", "--to", "west", "--no-reconcile", "--json")
    assert json.loads(done.stdout)["result"] == "promoted"
    assert RUNS in done.stderr
