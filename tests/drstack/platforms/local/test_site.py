"""A real supervisord, real slots, and a job without torch."""

import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from drstack.errors import ActuatorFailed, OperationConflict
from drstack.platforms.local import jobs, pool, processes, programs, supervisor, teardown
from drstack.platforms.local.desired import Program, read_desired
from drstack.platforms.local.waiting import Deadline

pytestmark = pytest.mark.slow


def observed(site, holds, within_s=15):
    last = None

    def look():
        nonlocal last
        last = site.observe(deadline_s=5)
        return holds(last)

    assert Deadline(within_s).until(look, 0.1), last
    return last


def test_capacity_follows_the_actuator_within_the_bound(site):
    site.set_capacity(3, deadline_s=20)
    assert site.observe(deadline_s=5).capacity == 3
    assert site.observe(deadline_s=5).capacity_bound == 3
    site.set_capacity(1, deadline_s=20)
    assert site.observe(deadline_s=5).capacity == 1
    with pytest.raises(ActuatorFailed, match="0 to 3"):
        site.set_capacity(4, deadline_s=5)


def test_a_started_job_runs_all_ranks_and_says_where_it_resumed(site):
    site.set_capacity(2, deadline_s=20)
    site.start_job("gpt", token="t1", resume_step=30, deadline_s=20)
    job = observed(site, lambda seen: seen.jobs["gpt"].first_step is not None).jobs["gpt"]
    assert (job.running, job.ranks, job.generation) == (True, 2, 1)
    assert (job.resumed_step, job.first_step) == (30, 31)
    assert job.step >= 31
    assert abs(job.first_step_at - time.time()) < 30


def test_a_token_starts_a_job_once_and_another_token_starts_it_anew(site):
    site.set_capacity(2, deadline_s=20)
    site.start_job("gpt", token="t1", resume_step=None, deadline_s=20)
    site.start_job("gpt", token="t1", resume_step=None, deadline_s=20)
    assert site.observe(deadline_s=5).jobs["gpt"].generation == 1
    site.start_job("gpt", token="t2", resume_step=7, deadline_s=20)
    job = observed(site, lambda seen: seen.jobs["gpt"].resumed_step == 7).jobs["gpt"]
    assert job.generation == 2


def test_a_start_sets_newer_checkpoints_aside(site, folder):
    for step in (10, 20, 30):
        folder.checkpoints(f"checkpoints/gpt/step-{step:08d}").mkdir(parents=True)
    site.set_capacity(2, deadline_s=20)
    site.start_job("gpt", token="t1", resume_step=20, deadline_s=20)
    assert [path.name for path in sorted(site.checkpoints("gpt").iterdir())] == ["step-00000010", "step-00000020"]
    aside = folder.path / "checkpoints/gpt.superseded/t1"
    assert [path.name for path in aside.iterdir()] == ["step-00000030"]


def test_a_job_that_wants_more_slots_than_run_is_refused(site):
    site.set_capacity(1, deadline_s=20)
    with pytest.raises(ActuatorFailed, match="wants 2 slots"):
        site.start_job("gpt", token="t1", resume_step=None, deadline_s=5)


def test_scaling_in_below_a_running_job_is_refused(site):
    site.set_capacity(3, deadline_s=20)
    site.start_job("gpt", token="t1", resume_step=None, deadline_s=20)
    with pytest.raises(ActuatorFailed, match="would stop gpt"):
        site.set_capacity(1, deadline_s=5)
    site.set_capacity(2, deadline_s=20)


def test_stopping_a_job_leaves_no_rank(site):
    site.set_capacity(2, deadline_s=20)
    site.start_job("gpt", token="t1", resume_step=None, deadline_s=20)
    site.stop_job("gpt", deadline_s=20)
    job = site.observe(deadline_s=5).jobs["gpt"]
    assert (job.running, job.ranks) == (False, 0)
    with pytest.raises(ActuatorFailed, match="stopped since"):
        site.start_job("gpt", token="t1", resume_step=None, deadline_s=5)


PARTING = """\
import os, pathlib, signal, sys, time
folder, rank = pathlib.Path(sys.argv[1]), os.environ["RANK"]
signal.signal(signal.SIGTERM, lambda *_: (folder / f"told-{rank}").touch())
(folder / f"up-{rank}").touch()
while len(list(folder.glob("told-*"))) < 2:
    time.sleep(0.02)
(folder / f"parted-{rank}").touch()
"""


def test_ranks_that_wait_for_each_other_part_when_the_site_is_taken_down(site, folder, tmp_path):
    program = Program(None, ("python", "-c", PARTING, str(tmp_path)), (), {}, "checkpoints/gpt")
    jobs.define(folder, jobs.JobDefinition("gpt", 2, program))
    site.set_capacity(2, deadline_s=20)
    site.start_job("gpt", token="t1", resume_step=None, deadline_s=20)
    assert Deadline(15).until(lambda: len(list(tmp_path.glob("up-*"))) == 2)
    teardown.end_processes(folder)
    assert sorted(path.name for path in tmp_path.glob("parted-*")) == ["parted-0", "parted-1"]


def test_a_site_that_begins_to_end_meanwhile_is_taken_down_too(site, folder, tmp_path, monkeypatch):
    program = Program(None, ("python", "-c", PARTING, str(tmp_path)), (), {}, "checkpoints/gpt")
    jobs.define(folder, jobs.JobDefinition("gpt", 2, program))
    site.set_capacity(2, deadline_s=20)
    site.start_job("gpt", token="t1", resume_step=None, deadline_s=20)
    assert Deadline(15).until(lambda: len(list(tmp_path.glob("up-*"))) == 2)
    is_slot = programs.is_slot

    def meanwhile(name):
        supervisor.Supervisor(folder).shutdown()
        return is_slot(name)

    monkeypatch.setattr(programs, "is_slot", meanwhile)
    teardown.end_processes(folder)
    assert not processes.of_site(folder)


def test_a_failed_rank_restarts_all_and_goes_on_from_the_newest_checkpoint(site, tmp_path):
    site.set_capacity(2, deadline_s=20)
    site.start_job("gpt", token="t1", resume_step=30, deadline_s=20)
    observed(site, lambda seen: seen.jobs["gpt"].first_step is not None)
    (tmp_path / "fail").touch()
    seen = observed(site, lambda seen: bool(seen.jobs["gpt"].failure) and seen.jobs["gpt"].running)
    assert "exited 3: the sleeper was told to fail" in seen.jobs["gpt"].failure
    assert (seen.jobs["gpt"].resumed_step, seen.jobs["gpt"].generation) == (30, 1)
    metrics = site._folder.metrics("gpt")
    assert Deadline(15).until(lambda: metrics.read_text().count('"event": "start"') == 2), metrics.read_text()[-300:]
    assert '"resumed_step": null' in [line for line in metrics.read_text().splitlines() if '"start"' in line][1]


def test_what_fails_whenever_it_is_started_is_told_apart_until_it_is_started_anew(site, tmp_path):
    site.set_capacity(2, deadline_s=20)
    (tmp_path / "fail").mkdir()  # which the sleeper cannot take away
    with suppress(ActuatorFailed):  # its ranks fail so soon that they may never be seen side by side
        site.start_job("gpt", token="t1", resume_step=None, deadline_s=5)
    seen = observed(site, lambda seen: seen.jobs["gpt"].hopeless, within_s=60)
    assert (seen.jobs["gpt"].wanted, seen.jobs["gpt"].stopped) == (True, True)
    (tmp_path / "fail").rmdir()
    site.start_job("gpt", token="t2", resume_step=None, deadline_s=20)
    assert observed(site, lambda seen: seen.jobs["gpt"].first_step is not None).jobs["gpt"].failures == 0


def test_a_site_that_is_not_there_is_told_apart_and_never_raises(site, folder):
    moved = folder.path.with_name("elsewhere")
    folder.path.rename(moved)
    try:
        seen = site.observe(deadline_s=2)
        assert not seen.reachable
        assert "is not there" in seen.why
    finally:
        moved.rename(folder.path)


def test_no_process_survives_its_supervisord(site, folder):
    site.set_capacity(2, deadline_s=20)
    site.start_job("gpt", token="t1", resume_step=None, deadline_s=20)
    assert len([seen for seen in processes.of_site(folder) if seen.ours]) >= 5
    os.kill(supervisor.Supervisor(folder).pid(), signal.SIGKILL)
    # The leash outlives it on purpose, and goes with whoever holds it.
    left = lambda: [s for s in processes.of_site(folder) if s.ours and "leash" not in s.command]  # noqa: E731
    assert Deadline(5).until(lambda: not left()), left()
    assert not site.observe(deadline_s=2).reachable


def test_a_site_refuses_whoever_set_out_before_it_was_fenced(site, folder):
    site.set_capacity(2, deadline_s=20, order="3-0")
    site.start_job("gpt", token="3-1", resume_step=None, deadline_s=20, order="3-0")
    assert site.fence(deadline_s=15, order="3-2").grade == "proven"
    late = [
        lambda: site.set_capacity(2, deadline_s=20, order="3-1"),
        lambda: site.start_job("gpt", token="3-1/abort-1", resume_step=None, deadline_s=20, order="3-1"),
        lambda: site.start_job("gpt", token="3-1", resume_step=None, deadline_s=20, order="3-0"),
    ]
    for act in late:
        with pytest.raises(OperationConflict, match="operation 3-2 has fenced"):
            act()
    assert read_desired(folder).fenced is not None
    assert site.fence(deadline_s=15, order="2-9").grade == "proven"  # an earlier one changes nothing
    site.set_capacity(2, deadline_s=20, order="3-2")  # as a lift does, when that one has ended
    site.start_job("gpt", token="3-2/abort-1", resume_step=None, deadline_s=20, order="3-2")
    assert site.fence(deadline_s=15, only=["gpt"], order="4-1").grade == "proven"
    with pytest.raises(OperationConflict, match="operation 4-1 has fenced gpt"):
        site.start_job("gpt", token="x", resume_step=None, deadline_s=20, order="4-0")
    site.set_capacity(3, deadline_s=20, order="4-0")  # what others run there is not its business
    site.start_job("gpt", token="4-2", resume_step=None, deadline_s=20, order="10-0")


def test_a_fence_is_proven_when_nothing_is_left(site, folder):
    site.set_capacity(2, deadline_s=20)
    site.start_job("gpt", token="t1", resume_step=None, deadline_s=20)
    fence = site.fence(deadline_s=15)
    assert fence.grade == "proven", fence
    seen = site.observe(deadline_s=5)
    assert (seen.capacity, seen.jobs["gpt"].ranks) == (0, 0)
    assert read_desired(folder).fenced is not None
    site.set_capacity(2, deadline_s=20)
    assert site.observe(deadline_s=5).jobs["gpt"].ranks == 0


def test_a_fence_of_a_site_whose_supervisord_died_on_this_machine_is_proven_by_a_look_at_it(site, folder):
    os.kill(supervisor.Supervisor(folder).pid(), signal.SIGKILL)
    fence = site.fence(deadline_s=10)
    assert (fence.grade, "does not answer" in fence.proof) == ("proven", True)
    assert not processes.of_site(folder)
    assert read_desired(folder).fenced is not None


def test_a_fence_of_a_site_whose_supervisord_hangs_is_proven_once_it_is_killed(site, folder):
    site.set_capacity(1, deadline_s=20)
    pid = supervisor.Supervisor(folder).pid()
    os.kill(pid, signal.SIGSTOP)
    fence = site.fence(deadline_s=15)
    assert fence.grade == "proven", fence
    assert not processes.alive(pid)
    assert not processes.of_site(folder)


@pytest.mark.parametrize("started", ["another boot pid:[1] 0", "", None])
def test_a_fence_of_a_site_that_was_started_elsewhere_is_assumed(site, folder, started):
    os.kill(supervisor.Supervisor(folder).pid(), signal.SIGKILL)
    if started is None:
        folder.place.unlink()
    else:
        folder.place.write_text(started)
    fence = site.fence(deadline_s=10)
    assert (fence.grade, "does not answer" in fence.proof) == ("assumed", True)


def test_a_fence_without_supervisord_is_not_proven_while_a_process_works_in_the_folder(site, folder):
    os.kill(supervisor.Supervisor(folder).pid(), signal.SIGKILL)
    with subprocess.Popen(["sleep", "60"], cwd=folder.path, start_new_session=True) as other:
        try:
            fence = site.fence(deadline_s=3)
            assert (fence.grade, str(other.pid) in fence.proof) == ("assumed", True)
        finally:
            other.kill()


def test_a_fence_of_a_site_whose_folder_is_gone_is_assumed_and_still_kills(site, folder):
    site.set_capacity(1, deadline_s=20)
    moved = folder.path.with_name("elsewhere")
    folder.path.rename(moved)
    try:
        fence = site.fence(deadline_s=10)
        assert (fence.grade, "is not there" in fence.proof) == ("assumed", True)
        assert not [seen for seen in processes.of_site(folder) if seen.ours]
    finally:
        moved.rename(folder.path)


def test_a_fence_with_a_process_in_the_folder_is_not_proven(site, folder):
    other = subprocess.Popen(["sleep", "60"], cwd=folder.path, start_new_session=True)
    try:
        fence = site.fence(deadline_s=3)
        assert (fence.grade, str(other.pid) in fence.proof) == ("assumed", True)
        assert other.poll() is None
    finally:
        other.kill()
        other.wait(5)


def test_who_settled_for_less_meanwhile_takes_nothing_back(site, folder):
    """As an update does that read what was wanted before a promotion turned it."""
    looks = []

    def wanted():
        if not looks:
            site.set_capacity(3, deadline_s=20)
        looks.append(1)
        return 1 if len(looks) == 1 else pool.wanted_slots(folder)

    pool.settle(folder, wanted, deadline_s=20)
    assert site.observe(deadline_s=5).capacity == 3


def test_capacity_that_is_refused_in_part_is_held_and_told(site, folder):
    refused = folder.log("slot-2")
    refused.mkdir()  # supervisord cannot start it
    with pytest.raises(ActuatorFailed, match="2 of 3 slots run and are held; slot-2 not as wanted") as told:
        site.set_capacity(3, deadline_s=600)
    assert str(refused) in told.value.hint
    assert site.observe(deadline_s=5).capacity == 2
    site.start_job("gpt", token="t1", resume_step=None, deadline_s=20)
    refused.rmdir()
    site.set_capacity(3, deadline_s=20)
    assert site.observe(deadline_s=5).capacity == 3
    assert site.observe(deadline_s=5).jobs["gpt"].generation == 1


def test_capacity_of_a_site_that_is_fenced_meanwhile_is_not_had(site, folder):
    folder.log("slot-2").mkdir()
    with ThreadPoolExecutor(1) as other:
        asked = other.submit(site.set_capacity, 3, deadline_s=30)
        assert Deadline(10).until(lambda: site.observe(deadline_s=5).capacity == 2, 0.05)
        assert site.fence(deadline_s=20).grade == "proven"
        with pytest.raises(ActuatorFailed, match="meanwhile it is fenced"):
            asked.result(40)
    assert site.observe(deadline_s=5).capacity == 0


def test_nothing_is_begun_at_a_site_that_was_fenced(site, folder):
    """As an update would that was told before the fence that this site writes."""
    site.set_capacity(3, deadline_s=20)
    site.fence(deadline_s=20)
    jobs.begin(folder, "gpt", deadline_s=5)
    assert read_desired(folder).fenced
    assert "gpt" not in read_desired(folder).jobs


def test_a_site_tells_its_time(site):
    assert abs(site.observe(deadline_s=5).clock - time.time()) < 60
