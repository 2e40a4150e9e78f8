"""Steps of users' own, by real commands: in order, looked up, retried, never repeated blindly, confirmed by people."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from drstack.errors import (
    EnvironmentUnknown,
    NotConfirmed,
    OperationConflict,
    OperationPaused,
    OutcomeUnknown,
    StepFailed,
)
from drstack.recovery import control
from drstack.recovery.conduct import plan_only, promote
from drstack.recovery.plan import Given
from drstack.recovery.word import confirm
from tests.drstack.recovery.fleet import Fleet
from tests.drstack.recovery.own import BY, alive, begin_operator, declared, fleet_on_disk, lines, until, world_of
from tests.drstack.recovery.world import Quiet


@pytest.fixture
def fleet(tmp_path):
    made = Fleet(tmp_path, names=("a", "b"))
    made.save()
    made.sites["east"].reached = dict.fromkeys(made.names, 10)
    return made


@pytest.fixture
def on_disk(tmp_path):
    made = fleet_on_disk(tmp_path)
    made.save()
    return made


def say(fleet, step, *, again=False):
    return confirm(fleet.witness(), step, by="anna", reason="I looked", at=1.0, again=again)


def journal_of(fleet):
    return fleet.witness().journal(1, 1)


def test_a_step_runs_between_those_that_it_names_with_a_token_and_a_clean_environment(fleet, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not for them")
    steps = {"scale": {"shell": "env > told; echo at {target} for {workloads}", "after": "assign", "before": "start a"}}
    world = world_of(fleet, steps)
    plan = plan_only(world, "west", BY)
    assert plan.hash() != plan_only(fleet.world(), "west", BY).hash(), "the definition is under the plan's hash"
    end = promote(world, "west", BY)
    assert end["result"] == "promoted"
    took = {each["id"]: each for each in end["steps"]}
    assert took["assign"]["began_at"] <= took["step scale"]["began_at"]
    settled = journal_of(fleet).outcome("step scale")
    assert settled["detail"] == "at west for a,b"
    assert settled["ended_at"] <= took["start a"]["began_at"]
    told = dict(line.split("=", 1) for line in lines(fleet.folder / "told"))
    assert told["DRSTACK_TOKEN"].startswith("e/1-1/scale/")
    assert (told["DRSTACK_TARGET"], told["DRSTACK_FROM"]) == ("west", "east")
    assert "AWS_SECRET_ACCESS_KEY" not in told
    [intent] = [r for r in journal_of(fleet).records() if r.kind == "intent" and r.body["step"] == "step scale"]
    assert intent.body["token"] == told["DRSTACK_TOKEN"]


def test_secrets_reach_the_program_and_nothing_that_is_kept(fleet, monkeypatch):
    monkeypatch.setenv("DB_PASSWORD", 'h"unter 22')
    (fleet.folder / "token").write_text("s3cr3t-t0k3n\n")
    steps = {
        "good": {
            "shell": 'echo "$ONE" "$TWO" > got; echo "it is $ONE and $TWO"; cat /proc/$$/cmdline',
            "env": {"ONE": "${env:DB_PASSWORD}", "TWO": "${file:token}"},
        },
        "bad": {"shell": 'echo "refused for $ONE" >&2; exit 4', "env": {"ONE": "${env:DB_PASSWORD}"}},
    }
    with pytest.raises(StepFailed, match=r"exit 4: refused for \*\*\*") as raised:
        promote(world_of(fleet, steps), "west", BY)
    assert lines(fleet.folder / "got") == ['h"unter 22 s3cr3t-t0k3n']
    kept = str([(record.kind, dict(record.body)) for record in journal_of(fleet).records()])
    assert "it is *** and ***" in kept
    for secret in ("unter 22", "s3cr3t"):
        assert secret not in kept + str(raised.value)
    assert "${env:DB_PASSWORD}" in kept, "the reference is what the plan holds"


def test_a_secret_that_is_not_there_fails_the_step_and_names_the_reference(fleet):
    steps = {"scale": {"shell": "true", "env": {"X": "${env:NO_SUCH_THING}"}}}
    with pytest.raises(StepFailed, match=r"\$\{env:NO_SUCH_THING\} is not set here"):
        promote(world_of(fleet, steps), "west", BY)


def test_a_step_that_fails_is_tried_as_often_as_told_and_keeps_only_what_waits_for_it_from_starting(fleet):
    steps = {"scale": {"shell": "echo x >> tried; exit 3", "before": "start a", "retry": 2}}
    with pytest.raises(StepFailed, match=r"step scale: exit 3 \(3 tries\)") as raised:
        promote(world_of(fleet, steps, sleep=lambda _: None), "west", BY)
    assert "drstack skip e step scale" in raised.value.hint
    assert lines(fleet.folder / "tried") == ["x"] * 3
    assert fleet.sites["west"].starts == ["b"]
    control.skip(fleet.witness(), "step scale", by="anna", reason="done by hand", at=1.0)
    assert promote(world_of(fleet, steps), "west", BY)["result"] == "promoted"
    assert sorted(fleet.sites["west"].starts) == ["a", "b"]
    assert len(lines(fleet.folder / "tried")) == 3


def test_what_its_check_says_is_done_is_not_done_again_and_what_was_done_is_looked_at(fleet):
    steps = {
        "there": {"shell": "echo x >> tried", "check": ["test", "-e", "."]},
        "made": {"shell": "touch made", "check": ["test", "-e", "made"]},
        "liar": {"shell": "true", "check": "exit 1", "timeout": "1s"},
    }
    with pytest.raises(StepFailed, match="step liar: done; its check says that it is not done"):
        promote(world_of(fleet, steps), "west", BY)
    assert lines(fleet.folder / "tried") == []
    outcomes = journal_of(fleet).outcomes()
    assert outcomes["step there"]["detail"].startswith("was done already")
    assert outcomes["step made"]["detail"] == "done"


def test_a_step_whose_check_cannot_say_is_not_done_at_all(fleet):
    steps = {"scale": {"shell": "echo x >> tried", "check": "exit 7"}}
    with pytest.raises(StepFailed, match="its check could not say whether it is done: exit 7"):
        promote(world_of(fleet, steps), "west", BY)
    assert lines(fleet.folder / "tried") == []


def test_one_that_had_to_be_ended_waits_for_a_persons_word_and_is_not_repeated_without(fleet):
    steps = {"buy": {"shell": "echo x >> tried; sleep 600", "timeout": "1s", "retry": 3}}
    for _ in range(2):
        with pytest.raises(OutcomeUnknown, match="Nobody knows whether it happened") as raised:
            promote(world_of(fleet, steps), "west", BY)
    assert raised.value.exit_code == 81
    assert lines(fleet.folder / "tried") == ["x"]
    document = control.describe(journal_of(fleet))
    assert list(document["to_confirm"]) == document["unknown"] == ["step buy"]
    say(fleet, "step buy")
    assert promote(world_of(fleet, steps), "west", BY)["result"] == "promoted"
    outcome = journal_of(fleet).outcome("step buy")
    assert (outcome["by"], outcome["confirmed"]) == ("anna", "I looked")
    assert lines(fleet.folder / "tried") == ["x"]


def test_a_person_may_say_that_it_did_not_happen_and_then_it_is_done_again(fleet):
    steps = {"buy": {"shell": "echo x >> tried; test -e found || sleep 600", "timeout": "2s"}}
    with pytest.raises(OutcomeUnknown):
        promote(world_of(fleet, steps), "west", BY)
    (fleet.folder / "found").touch()
    say(fleet, "step buy", again=True)
    assert promote(world_of(fleet, steps), "west", BY)["result"] == "promoted"
    assert lines(fleet.folder / "tried") == ["x", "x"]


def test_one_that_had_to_be_ended_is_looked_up_where_it_has_a_check(fleet):
    steps = {
        "did": {"shell": "touch did; sleep 600", "timeout": "1s", "check": ["test", "-e", "did"]},
        "not": {"shell": "echo x >> tried; test -e again && touch not || { touch again; sleep 600; }", "timeout": "2s",
                "retry": 1, "check": ["test", "-e", "not"]},
        "same": {"shell": "echo x >> same; test $(wc -l < same) = 2 || sleep 600", "timeout": "2s", "retry": 1,
                 "idempotent": True},
    }  # fmt: skip
    assert promote(world_of(fleet, steps), "west", BY)["result"] == "promoted"
    assert lines(fleet.folder / "tried") == ["x", "x"]
    assert lines(fleet.folder / "same") == ["x", "x"]


def killed_within(fleet, steps, mark):
    """A real operator, killed by SIGKILL once the step's program has written its process id."""
    operator = begin_operator(fleet, steps)
    until(lambda: len(lines(fleet.folder / mark)) == 1)
    os.killpg(operator.pid, signal.SIGKILL)
    operator.communicate(timeout=30)
    pid = int(lines(fleet.folder / mark)[0])
    until(lambda: not alive(pid))


def test_an_operator_killed_within_a_step_leaves_no_program_behind_and_its_outcome_unknown(on_disk):
    steps = {"buy": {"shell": "echo $$ >> began; sleep 600", "timeout": "10m"}}
    killed_within(on_disk, steps, "began")
    with pytest.raises(OutcomeUnknown, match="whoever began it ended in the middle of it"):
        promote(world_of(on_disk, steps), "west", BY)
    assert len(lines(on_disk.folder / "began")) == 1, "it was not repeated"
    assert sorted(on_disk.sites["west"].started) == ["a", "b"], "the rest goes on"
    say(on_disk, "step buy")
    assert promote(world_of(on_disk, steps), "west", BY)["result"] == "promoted"
    assert len(lines(on_disk.folder / "began")) == 1


def test_an_operator_killed_within_a_step_is_followed_by_one_who_asks_its_check(on_disk):
    script = "echo $$ >> began; test $(wc -l < began) = 2 && touch done || sleep 600"
    steps = {"scale": {"shell": script, "timeout": "10m", "check": ["test", "-e", "done"]}}
    killed_within(on_disk, steps, "began")
    assert promote(world_of(on_disk, steps), "west", BY)["result"] == "promoted"
    assert len(lines(on_disk.folder / "began")) == 2


def test_of_two_operators_at_once_one_does_a_step_and_the_other_waits_for_it(on_disk):
    steps = {"buy": {"shell": "echo x >> began; while ! test -e go; do sleep 0.05; done", "timeout": "5m"}}
    operators = [begin_operator(on_disk, steps) for _ in range(2)]
    until(lambda: lines(on_disk.folder / "began"))
    journal = journal_of(on_disk)
    until(lambda: sum(r.kind == "intent" and r.body["step"] == "fence east" for r in journal.records()) >= 1)
    assert lines(on_disk.folder / "began") == ["x"]
    (on_disk.folder / "go").touch()
    for operator in operators:
        told, trouble = operator.communicate(timeout=120)
        assert told.strip() == "promoted", trouble
    assert lines(on_disk.folder / "began") == ["x"]


def test_an_operator_elsewhere_is_waited_for_as_long_as_the_step_may_take(fleet):
    """Nobody here can tell whether a process on another machine lives."""

    class Elsewhere:
        def __init__(self, actions):
            self.actions = actions

        def __getattr__(self, name):
            return getattr(self.actions, name)

        def executor(self):
            return {"place": "another machine", "pid": 1, "began": "1"}

        def act(self, definition, context):
            raise KeyboardInterrupt

    class Clock:
        now = 1e9

        def __call__(self):
            return self.now

        def sleep(self, seconds):
            self.now += seconds

    steps = {"buy": {"shell": "echo x >> tried", "timeout": "30s"}}
    world = world_of(fleet, steps)
    with pytest.raises(KeyboardInterrupt):
        promote(world_of(fleet, steps, actions=Elsewhere(world.actions)), "west", BY)
    clock = Clock()
    with pytest.raises(OutcomeUnknown):
        promote(world_of(fleet, steps, clock=clock, sleep=clock.sleep), "west", BY)
    assert 3 * 30 < clock.now - 1e9 < 300
    assert lines(fleet.folder / "tried") == []


def test_a_step_for_a_person_waits_until_it_is_confirmed_and_keeps_who_said_so(fleet):
    steps = {"call": {"wait": "Call the data centre", "before": "start a"}}
    ends = []
    operator = threading.Thread(target=lambda: ends.append(promote(world_of(fleet, steps), "west", BY)))
    operator.start()
    until(lambda: fleet.sites["west"].starts == ["b"])
    document = control.describe(journal_of(fleet))
    assert document["to_confirm"] == {"step call": "Call the data centre"}
    assert document["unknown"] == [], "nobody has to find anything out"
    say(fleet, "step call")
    operator.join(60)
    assert ends[0]["result"] == "promoted"
    assert journal_of(fleet).outcome("step call")["by"] == "anna"
    assert fleet.sites["west"].starts == ["b", "a"]


def test_a_step_that_nobody_confirms_ends_in_its_time_and_is_waited_for_again(fleet):
    steps = {"call": {"wait": "Call the data centre", "timeout": "1s"}}
    with pytest.raises(NotConfirmed, match="Call the data centre") as raised:
        promote(world_of(fleet, steps), "west", BY)
    assert raised.value.exit_code == 82
    assert "drstack confirm e step call" in raised.value.hint
    say(fleet, "step call")
    assert promote(world_of(fleet, steps), "west", BY)["result"] == "promoted"


def test_whoever_waits_for_a_person_heeds_a_pause_and_an_abort(fleet):
    steps = {"call": {"wait": "Call the data centre"}, "scale": {"shell": "true", "undo": "drop the nodes"}}

    class Then(Quiet):
        def end(self, step, seconds, detail):
            if step == "step call":
                until(lambda: journal_of(fleet).outcome("step scale"))
                control.pause(fleet.witness(), by="other", reason="wait")

    with pytest.raises(OperationPaused):
        promote(world_of(fleet, steps, progress=Then()), "west", BY)
    told = control.abort(fleet.world(), by="other", reason="enough")
    assert "step scale was done; to undo it: drop the nodes" in told["next"]


def test_a_word_on_what_nobody_doubts_is_refused(fleet):
    steps = {"scale": {"shell": "exit 1"}, "late": {"shell": "true", "after": "scale"}}
    with pytest.raises(StepFailed):
        promote(world_of(fleet, steps), "west", BY)
    with pytest.raises(OperationConflict, match="no step 'assign' of your own"):
        say(fleet, "assign")
    with pytest.raises(OperationConflict, match="was not begun"):
        say(fleet, "step late")
    with pytest.raises(OperationConflict, match="is not in doubt"):
        say(fleet, "step scale", again=True)
    say(fleet, "step scale")
    with pytest.raises(OperationConflict, match="is done already"):
        say(fleet, "step scale")


def test_workloads_alone_and_new_terms_leave_out_what_was_not_told_for_them(fleet):
    steps = {
        "all": {"shell": "echo all >> ran"},
        "alone": {"shell": "echo alone >> ran", "on": ["workload"], "workloads": ["b"]},
        "keys": {"shell": "echo keys >> ran", "on": ["keys"]},
    }
    promote(world_of(fleet, steps), "west", Given(by="test", only=("a",)))
    assert lines(fleet.folder / "ran") == []
    promote(world_of(fleet, steps), "west", Given(by="test", only=("b",)))
    assert lines(fleet.folder / "ran") == ["alone"]
    promote(world_of(fleet, steps), "west", Given(by="test", reopen="keys", reason="rotated"))
    assert lines(fleet.folder / "ran") == ["alone", "keys"]


def test_a_switchover_has_steps_too_and_they_may_come_before_the_seals(fleet):
    steps = {
        "drain": {"shell": "echo drain >> ran", "after": "quiesce", "before": "ship", "on": ["switchover"]},
        "home": {"shell": "echo home >> ran", "after": "prove", "to": ["east"]},
    }
    promote(world_of(fleet, steps), "west", BY, kind="switchover")
    assert lines(fleet.folder / "ran") == ["drain"]
    outcomes = journal_of(fleet).outcomes()
    assert outcomes["step drain"]["ended_at"] <= min(outcomes[f"seal {name}"]["began_at"] for name in fleet.names)


def test_a_consent_for_what_promotes_no_database_is_refused(fleet):
    with pytest.raises(EnvironmentUnknown, match="no step 'scale' that promotes a database"):
        plan_only(world_of(fleet, {"scale": {"shell": "true"}}), "west", Given(by="t", reason="r", unfenced=("scale",)))


def test_the_definition_in_the_plan_counts_for_whoever_resumes_with_another_file(fleet):
    steps = {"scale": {"shell": "echo old >> ran; test -e go"}}
    with pytest.raises(StepFailed):
        promote(world_of(fleet, steps), "west", BY)
    (fleet.folder / "go").touch()
    control.resume(world_of(fleet, {"scale": {"shell": "echo new >> ran"}}), by="other")
    assert lines(fleet.folder / "ran") == ["old", "old"]
    assert declared(scale={"shell": "true"})[0].tries == 1
