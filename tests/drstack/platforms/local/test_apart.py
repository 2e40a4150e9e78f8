"""Real processes in a room apart: what they are given, how they end, and that none is left."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from drstack.errors import ActuatorFailed
from drstack.platforms.local import jobs, processes
from drstack.platforms.local.apart import LocalStandby
from drstack.platforms.local.desired import Desired, Program, change
from drstack.platforms.local.folder import site_folder
from drstack.platforms.local.waiting import Deadline

REPLAYER = Path(__file__).with_name("replayer.py")
PATIENCE_S = 120.0


@pytest.fixture
def site(tmp_path):
    folder = site_folder(tmp_path / "a site 100%")
    folder.make()
    change(folder, lambda _: Desired(1))
    return folder


def run(site, tmp_path, how, *, ranks=2, deadline_s=PATIENCE_S, resume_step=40, give_way=None):
    environ = {"MINE": "kept", "WANDB_API_KEY": "secret"}
    program = Program(None, ("python", str(REPLAYER), how, str(tmp_path)), (), environ, "checkpoints/gpt")
    jobs.define(site, jobs.JobDefinition("gpt", ranks, program))
    standby = LocalStandby(site, "west")
    with standby.held(), standby.room("gpt") as room:
        replay = room.run(
            ranks=ranks, resume_step=resume_step, steps=3, deadline_s=deadline_s, give_way=give_way or standby.wanted
        )
    assert [seen for seen in processes.of_site(site) if seen.ours] == []
    assert list(site.proving.iterdir()) == []
    return replay


def environ(tmp_path, rank):
    return json.loads((tmp_path / f"environ-{rank}.json").read_text())


def test_all_ranks_run_on_one_idle_slot_at_the_lowest_priority_with_nothing_to_ship_with(site, tmp_path, monkeypatch):
    for name in ("AWS_SECRET_ACCESS_KEY", "DRSTACK_ROOT", "PULUMI_CONFIG_PASSPHRASE", "GOOGLE_APPLICATION_CREDENTIALS"):
        monkeypatch.setenv(name, "secret")
    replay = run(site, tmp_path, "sound")
    assert (replay.ended, replay.resumed_step, replay.exact) == ("done", 40, True), replay
    assert replay.losses == {41: 1 / 41, 42: 1 / 42, 43: 1 / 43}
    assert replay.versions == {"torch": "x"}
    for rank in (0, 1):
        given = environ(tmp_path, rank)
        assert "secret" not in given.values()
        assert (given["MINE"], given["WORLD_SIZE"], given["nice"]) == ("kept", "2", 19)
        assert given["DRSTACK_CHECKPOINTS"].startswith(f"{site.proving}/")
        assert given["DRSTACK_METRICS"].startswith(f"{site.proving}/")
        assert given[processes.MARKER] == str(site.path)


def test_a_job_that_would_go_on_is_ended_when_its_steps_are_made(site, tmp_path):
    assert run(site, tmp_path, "linger").ended == "done"


@pytest.mark.parametrize(
    ("how", "ended", "said"),
    [
        ("crash", "crashed", "exited 1: boom"),
        ("die", "killed", "by signal 9"),
        ("leave", "crashed", "ended well before it had made its steps"),
        ("rubbish", "crashed", "`loss_hex` is 'zz'"),
    ],
)
def test_how_ranks_end_is_told_apart(site, tmp_path, how, ended, said):
    replay = run(site, tmp_path, how)
    assert (replay.ended, said in replay.why) == (ended, True), replay


@pytest.mark.slow
def test_a_hang_ends_with_its_deadline(site, tmp_path):
    replay = run(site, tmp_path, "hang", deadline_s=1.0)
    assert (replay.ended, "it has made no step after 1 s" in replay.why) == ("timed out", True), replay


def test_it_gives_way_as_soon_as_the_site_is_told_to_run_anything_else(site, tmp_path):
    def more_slots_once_it_runs() -> None:
        Deadline(PATIENCE_S).until((tmp_path / "environ-0.json").exists)
        change(site, lambda now: replace(now, slots=5))

    teller = threading.Thread(target=more_slots_once_it_runs)
    teller.start()
    replay = run(site, tmp_path, "hang")
    teller.join()
    assert (replay.ended, "told to run something else" in replay.why) == ("gave way", True), replay


@pytest.mark.parametrize(
    ("desired", "why"),
    [
        (Desired(0), "no idle slot"),
        (Desired(1, fenced="a promotion"), "is fenced: a promotion"),
    ],
)
def test_nothing_is_tried_where_nothing_is_idle(site, desired, why):
    change(site, lambda _: desired)
    standby = LocalStandby(site, "west")
    with standby.held():
        assert why in standby.wanted()


def test_no_more_ranks_are_started_than_the_site_can_have(site, tmp_path):
    program = Program(None, ("python", str(REPLAYER), "sound", str(tmp_path)), (), {}, "checkpoints/gpt")
    jobs.define(site, jobs.JobDefinition("gpt", 2, program))
    standby = LocalStandby(site, "west")
    with standby.held(), standby.room("gpt") as room:
        replay = room.run(ranks=100_000, resume_step=1, steps=1, deadline_s=PATIENCE_S, give_way=standby.wanted)
    assert (replay.ended, replay.why) == ("not started", "the run had 100000 ranks, more than this site can have (2)")


def test_a_second_prover_is_refused_and_one_that_was_killed_leaves_no_room(site):
    (site.proving / "dead" / "checkpoints").mkdir(parents=True)
    first, second = LocalStandby(site, "west"), LocalStandby(site, "west")
    with first.held():
        assert not site.proving.exists()
        with pytest.raises(ActuatorFailed, match="another proof is running"), second.held():
            pass
    with second.held():
        assert second.wanted() is None


def test_a_site_without_the_job_has_no_room_for_it(site):
    standby = LocalStandby(site, "west")
    with standby.held(), pytest.raises(ActuatorFailed, match="gpt has no job here"), standby.room("gpt"):
        pass


def test_ranks_die_with_a_prover_that_is_killed(site, tmp_path):
    import subprocess
    import sys

    program = Program(None, ("python", str(REPLAYER), "hang", str(tmp_path)), (), {}, "checkpoints/gpt")
    jobs.define(site, jobs.JobDefinition("gpt", 1, program))
    code = (
        "import sys; from drstack.platforms.local.apart import LocalStandby; "
        "from drstack.platforms.local.folder import site_folder; s = LocalStandby(site_folder(sys.argv[1]), 'west')\n"
        "with s.held(), s.room('gpt') as room: room.run(ranks=1, resume_step=1, steps=1, deadline_s=600, give_way=s.wanted)"
    )
    prover = subprocess.Popen([sys.executable, "-c", code, str(site.path)], cwd=Path(__file__).parents[4])
    assert Deadline(PATIENCE_S).until(lambda: any(seen.ours for seen in processes.of_site(site)))
    os.kill(prover.pid, 9)
    prover.wait()
    assert Deadline(PATIENCE_S).until(lambda: not any(seen.ours for seen in processes.of_site(site)))
