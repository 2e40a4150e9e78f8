"""The demo's checks can fail, each by its name, and its moment of disaster is told from its files."""

from __future__ import annotations

import json

import pytest

from drstack.demo.checks import failures
from drstack.demo.reference import compare, without
from drstack.demo.stage import Stage
from drstack.demo.trace import complete_checkpoints, last_step, losses
from drstack.errors import DemoFailed

HOME = {
    "result": "switched over", "writer": "east", "steps_left": 6, "stopped_step": 57, "resumed_step": 57, "rpo_s": 0.0,
    "last_step": 80,
}  # fmt: skip
GOOD = {
    "promoted": True, "writer": "west", "lost_site": "east", "term": 2, "killed_at_step": 41, "resumed_step": 30,
    "last_step": 60, "rpo_s": 3.2, "rto_s": 9.8, "phases": [{"name": "seal", "seconds": 0.8}, {"name": "start", "seconds": 9.0}],
    "reference_match": True, "reference_steps_compared": 30, "reference_first_difference": None,
    "zombie_commits_offered": 2, "zombie_commits_accepted": 0, "torn_checkpoints_offered": 1,
    "torn_checkpoints_seen": 0, "objectives_met": True, "strategy": "active-passive",
    "home": HOME,
    "requests": {"sent": 300, "failed": 20, "longest_gap_s": 2.5}, "answered_by": {"east": 100, "west": 180},
}  # fmt: skip


def test_a_good_demo_has_no_failure():
    assert failures(GOOD) == []
    assert failures({**GOOD, "requests": None, "answered_by": None}) == []


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"promoted": False}, "promote"),
        ({"requests": {"sent": 0, "failed": 0, "longest_gap_s": 0.0}}, "requests"),
        ({"answered_by": {"east": 280}}, "requests"),
        ({"strategy": "active-active"}, "requests"),
        ({"writer": "east"}, "promote"),
        ({"term": 1}, "term"),
        ({"resumed_step": 42}, "restore"),
        ({"last_step": 30}, "prove"),
        ({"torn_checkpoints_offered": 0}, "torn"),
        ({"torn_checkpoints_seen": 1}, "torn"),
        ({"zombie_commits_offered": 0}, "seal"),
        ({"zombie_commits_accepted": 1}, "seal"),
        ({"reference_match": False, "reference_first_difference": 33}, "reference"),
        ({"reference_steps_compared": 0}, "reference"),
        ({"objectives_met": False}, "objectives"),
        ({"rto_s": 20.0}, "phases"),
        ({"home": {**HOME, "result": "aborted"}}, "home"),
        ({"home": {**HOME, "writer": "west"}}, "home"),
        ({"home": {**HOME, "steps_left": 0}}, "home"),
        ({"home": {**HOME, "rpo_s": 0.4}}, "home"),
        ({"home": {**HOME, "resumed_step": 50}}, "home"),
        ({"home": {**HOME, "last_step": 57}}, "home"),
    ],
)
def test_each_check_fails_by_its_name(change, name):
    found = failures({**GOOD, **change})
    assert any(line.startswith(f"{name}: ") for line in found), found


def test_losses_are_compared_bit_for_bit_and_a_missing_step_is_a_difference():
    run = {31: "0x1.0p0", 32: "0x1.8p0", 33: "0x1.cp0"}
    assert compare(run, run, after=30).match
    assert compare(run, {**run, 32: "0x1.80001p0"}, after=30).first_difference == 32
    assert compare(run, {31: run[31], 32: run[32]}, after=30).first_difference == 33
    assert compare(run, run, after=33).match is False


def test_the_reference_sets_its_own_pace_and_saves_nothing():
    assert without(["--every", "10", "--batch", "4", "--seed", "1"]) == ["--batch", "4"]


def test_a_torn_last_line_of_the_metrics_is_passed_over(tmp_path):
    metrics = tmp_path / "m.jsonl"
    lines = [json.dumps({"event": "step", "step": n, "loss_hex": hex(n)}) for n in (1, 2)]
    metrics.write_text("\n".join(lines) + '\n{"event": "st')
    assert last_step(metrics) == 2
    assert losses(metrics) == {1: "0x1", 2: "0x2"}
    assert last_step(tmp_path / "none") is None


def test_only_checkpoints_with_their_metadata_are_complete(tmp_path):
    for name, whole in (("step-1", True), ("step-2", False)):
        (tmp_path / name).mkdir()
        if whole:
            (tmp_path / name / ".metadata").write_text("x")
    assert complete_checkpoints(tmp_path) == ["step-1"]


def test_two_demos_in_one_directory_are_told_apart(tmp_path):
    first = Stage(tmp_path, tmp_path, 0)
    first._lock()
    with pytest.raises(DemoFailed, match="another demo"):
        Stage(tmp_path, tmp_path, 0)._lock()
    first.release()
    again = Stage(tmp_path, tmp_path, 0)
    again._lock()
    again.release()
