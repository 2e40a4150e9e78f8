"""Real runs, killed and resumed: their losses are the same bits as those of a run that nothing disturbed."""

import os
import signal
import time
from pathlib import Path

import pytest

from examples.train.folder import fault_of, folder_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
TWO_RANKS = ("--nproc-per-node=2",)
# 50 MB a checkpoint, so that writing it takes long enough to be caught at.
WIDE = ("--width", "512", "--heads", "2", "--batch", "1")


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def test_a_run_killed_between_saves_resumes_bit_for_bit(site, undisturbed):
    killed = site.start("--steps", "12", "--every", "4", "--step-floor-s", "0.5", launcher=TWO_RANKS)
    site.wait_for_step(6)
    site.wait_for(lambda: fault_of(folder_of(site.checkpoints, 4)) is None)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert site.run("--steps", "12", "--every", "4", launcher=TWO_RANKS) == 0
    first, second = site.events("start")
    assert (first["resumed_step"], second["resumed_step"], second["exact"]) == (None, 4, True)
    assert site.losses() == undisturbed


def test_ranks_die_with_their_launcher(site):
    launcher = site.start("--every", "0", "--step-floor-s", "0.1", launcher=TWO_RANKS)
    site.wait_for_step(1)
    rank_0 = site.events("start")[0]["pid"]
    launcher.send_signal(signal.SIGKILL)
    launcher.wait()
    until = time.monotonic() + 10
    while (lives := alive(rank_0)) and time.monotonic() < until:
        time.sleep(0.01)
    if lives:
        os.kill(rank_0, signal.SIGKILL)
    assert not lives


def test_a_run_killed_during_a_save_resumes_the_save_before(site, other_site):
    assert other_site.run(*WIDE, "--steps", "6", "--every", "0") == 0
    killed = site.start(*WIDE, "--steps", "6", "--every", "2")
    torn = folder_of(site.checkpoints, 4)
    site.wait_for((torn / "__0_0.distcp").exists)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert fault_of(torn) == "no .metadata"
    assert site.run(*WIDE, "--steps", "6", "--every", "2") == 0
    assert site.events("start")[1]["resumed_step"] == 2
    assert [(event["step"], event["reason"]) for event in site.events("skipped")] == [(4, "no .metadata")]
    assert [event["step"] for event in site.events("removed")] == [4]
    assert fault_of(torn) is None
    assert site.losses() == other_site.losses()


def test_saving_changes_no_loss(site, undisturbed):
    assert site.run("--steps", "12", "--every", "1", "--keep", "2", launcher=TWO_RANKS) == 0
    assert site.losses() == undisturbed
    assert sorted(entry.name for entry in site.checkpoints.iterdir()) == ["step-00000011", "step-00000012"]


def test_two_nodes_of_one_rank_train_as_one_node_of_two(site, undisturbed, free_port):
    meet = ("--rdzv-backend=c10d", f"--rdzv-endpoint=127.0.0.1:{free_port}", "--rdzv-id=site")
    for steps in ("7", "12"):
        nodes = [
            site.start(
                "--steps",
                steps,
                "--every",
                "5",
                launcher=("--nnodes=2", "--nproc-per-node=1", f"--node-rank={node}", *meet),
            )
            for node in range(2)
        ]
        assert [node.wait(240) for node in nodes] == [0, 0]
    assert site.events("start")[1]["resumed_step"] == 7
    assert site.losses() == undisturbed


def test_an_incomplete_checkpoint_is_skipped_and_a_required_one_refused(site):
    assert site.run("--steps", "6", "--every", "2") == 0
    cut(folder_of(site.checkpoints, 6) / "__0_0.distcp")
    (folder_of(site.checkpoints, 4) / ".metadata").unlink()
    assert site.run("--steps", "2", "--every", "2", "--require-step", "6") == 66
    assert site.run("--steps", "2", "--every", "2", environ={"DRSTACK_RESUME_STEP": "3"}) == 66
    refused = site.events("refused")
    assert [event["exit"] for event in refused] == [66, 66]
    assert "step 6 is required and incomplete: __0_0.distcp has" in refused[0]["reason"]
    assert "step 3 is required and not in the folder" in refused[1]["reason"]
    assert site.run("--steps", "6", "--every", "0") == 0
    assert [event["step"] for event in site.events("skipped")] == [6, 4]
    assert [event["resumed_step"] for event in site.events("start")] == [None, 2]
    assert len(site.losses()) == 6


def test_a_required_step_is_resumed_though_newer_ones_are_there(site):
    assert site.run("--steps", "6", "--every", "2") == 0
    newest = (folder_of(site.checkpoints, 6) / ".metadata").read_bytes()
    assert site.run("--steps", "6", "--every", "0", "--require-step", "2") == 0
    assert site.events("start")[1]["resumed_step"] == 2
    assert [event["step"] for event in site.events("step")] == [1, 2, 3, 4, 5, 6, 3, 4, 5, 6]
    assert len(site.losses()) == 6
    assert (folder_of(site.checkpoints, 6) / ".metadata").read_bytes() == newest


def test_another_runs_checkpoint_is_refused(site):
    assert site.run("--steps", "1", "--every", "1", "--run", "alpha") == 0
    assert site.run("--steps", "2", "--every", "1", "--run", "beta") == 66
    assert "'alpha', this run 'beta'" in site.events("refused")[0]["reason"]


def test_a_renamed_checkpoint_is_refused(site):
    assert site.run("--steps", "2", "--every", "2") == 0
    folder_of(site.checkpoints, 2).rename(folder_of(site.checkpoints, 9))
    assert site.run("--steps", "12", "--every", "2") == 66
    assert "has step 2, this run 9" in site.events("refused")[0]["reason"]


def test_fewer_ranks_go_on_and_say_that_it_is_not_bit_for_bit(site):
    assert site.run("--steps", "2", "--every", "2", launcher=TWO_RANKS) == 0
    assert site.run("--steps", "4", "--every", "2") == 0
    resumed = site.events("start")[1]
    assert (resumed["resumed_step"], resumed["exact"], resumed["world"]) == (2, False, 1)
    assert site.events("step")[-1]["loss"] < 6


def test_sigterm_saves_the_step_it_stops_at_and_asks_to_be_resumed(site):
    stopped = site.start("--every", "1000", "--step-floor-s", "0.1")
    site.wait_for_step(3)
    stopped.send_signal(signal.SIGTERM)
    assert stopped.wait(240) == 75
    done = site.events("done")[0]
    assert (done["exit"], done["reason"]) == (75, "stopped")
    assert done["saved"] == done["step"] == site.events("step")[-1]["step"]
    assert fault_of(folder_of(site.checkpoints, done["step"])) is None


def test_sigterm_to_torchrun_stops_all_ranks_at_one_step(site):
    stopped = site.start("--every", "1000", "--step-floor-s", "0.2", launcher=TWO_RANKS)
    site.wait_for_step(3)
    stopped.send_signal(signal.SIGTERM)
    assert stopped.wait(240) == 1
    done = site.events("done")[0]
    assert done["exit"] == 75
    assert fault_of(folder_of(site.checkpoints, done["saved"])) is None


def test_two_runs_do_not_write_one_folder(site):
    site.start("--every", "1000", "--step-floor-s", "0.1")
    site.wait_for_step(1)
    assert site.run("--every", "1", "--steps", "5") == 73
    assert site.run("--every", "0", "--steps", "1") == 0
