"""What makes a drill pass, miss or fail, and what its report says."""

from __future__ import annotations

from drstack.drills.judge import Finding, document, findings_of, judge_steps, objective, result_of
from drstack.drills.script import Played, StepPlayed
from drstack.recovery.estimate import Estimate
from drstack.recovery.plan import Need
from drstack.report.drill import markdown

NEED = Need(rpo_s=60.0, rto_s=120.0, demanded=("stored",), ranks=1)
ESTIMATE = Estimate(steps={"restore gpt": 10.0, "start gpt": 2.0}, total_s=12.0, critical=(), unknown=(), operations=4)
BEGUN = {
    "id": "1", "environment": "e", "kind": "full", "component": None, "lost": "east", "site": "west", "workloads": ["gpt"],
    "seed": None, "window_s": 0.0, "by": "ops", "host": "h", "began_at": 0.0, "decided": None, "decided_s": None,
}  # fmt: skip


def measured(rpo_s=5.0, rto_s=20.0):
    return [objective("gpt", NEED, step=7, rpo_s=rpo_s, rto_s=rto_s, losses=None)]


def test_a_drill_passes_when_every_objective_is_met_and_nothing_was_found():
    assert result_of(measured(), findings_of(measured(), Played(confined=True), []), stopped=None) == "passed"


def test_an_objective_that_is_missed_is_found_and_is_no_failure():
    for missed in (measured(rpo_s=61.0), measured(rto_s=121.0)):
        (found,) = findings_of(missed, Played(confined=True), [])
        assert not found.grave
        assert result_of(missed, [found], stopped=None) == "missed"


def test_what_is_not_practised_is_not_missed_and_what_is_not_reached_is():
    restored = objective("gpt", NEED, step=7, rpo_s=5.0, rto_s=None, losses=None, started=False)
    assert restored.rto_met is None
    assert result_of([restored], [], stopped=None) == "passed"
    (never,) = measured(rto_s=None)
    assert never.rto_met is False
    assert result_of([never], [], stopped=None) == "missed"


def test_a_step_that_fails_fails_the_drill_with_its_remedy():
    (found,) = findings_of(measured(), Played(confined=True, error="no slots", hint="Raise them."), [])
    assert (found.what, found.remedy) == ("no slots", "Raise them.")
    assert result_of(measured(), [found], stopped=None) == "failed"


def test_being_cut_short_counts_before_all_else():
    assert result_of([], [Finding("x", "y")], stopped="gave way") == "gave way"


def test_a_step_is_slow_only_when_it_is_much_slower_than_its_estimate():
    steps = [
        StepPlayed(id="restore gpt", took_s=16.0),
        StepPlayed(id="start gpt", took_s=2.9),
        StepPlayed(id="pin gpt", took_s=99.0),
    ]
    restore, start, pin = judge_steps(steps, ESTIMATE)
    assert restore.slow
    assert not start.slow  # half again as long, and less than a second more
    assert not pin.slow  # never timed before
    assert pin.estimate_s is None
    told = findings_of([], Played(confined=True), [restore, start, pin])
    assert ["restore gpt took 16.0 s" in each.what for each in told] == [True]
    assert result_of([], told, stopped=None) == "passed"


def report(**changed):
    played = Played(confined=True, prepared_s=3.0, phases=({"name": "seal", "seconds": 0.5},))
    steps = judge_steps([StepPlayed(id="restore gpt", took_s=None, failure="a|b")], ESTIMATE)
    return document(
        BEGUN | changed, result="missed", why="", ended_at=60.0, objectives=measured(rpo_s=61.0), steps=steps,
        findings=[Finding("too slow", "Go faster.")], played=played, left_out={"reconcile": "not ours"}, plan={"hash": "abc"},
        estimate=ESTIMATE, undone=["process 7"],
    )  # fmt: skip


def test_the_report_says_what_was_measured_beside_what_was_asked_for_and_estimated():
    shown = markdown(report())
    assert shown.startswith("# Drill 1 of e: missed\n")
    assert "| gpt | 7 | 61.0 s, **missed** | 1m | 20.0 s, met | 2m |" in shown
    assert "| restore gpt | 10.0 s | - | a\\|b |" in shown
    for told in (
        "- too slow\n  - Go faster.",
        "`abc`",
        "Not practised: reconcile: not ours.",
        "Left behind: process 7.",
    ):
        assert told in shown
    assert "seed" not in shown


def test_the_report_of_a_surprise_says_its_seed_and_what_the_operator_decided():
    shown = markdown(report(kind="surprise", seed="x7", window_s=600.0, decided="west", decided_s=12.0))
    assert "seed `x7` within 600 s" in shown
    assert "decided after 12.0 s, for west" in shown
