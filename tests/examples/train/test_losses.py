"""What a checkpoint carries of its run's losses."""

import json

import pytest
import torch

from examples.train.losses import MOST, NAME, SPANS, LossLog, versions
from examples.train.options import parse


def steps(folder):
    rows = [json.loads(line) for line in (folder / NAME).read_text().splitlines()]
    assert rows[0]["event"] == "start"
    assert {row["event"] for row in rows[1:]} <= {"step"}
    return [row["step"] for row in rows[1:]]


def test_a_checkpoint_carries_the_first_losses_after_the_start_and_after_the_last_saves(tmp_path):
    log = LossLog(attempt="a", resumed_step=None, exact=None, world=1, versions={"torch": "x"})
    saved = 5 * MOST
    for step in range(1, 4 * saved + 1):
        log.note(step, 1.0 / step)
        if step % saved == 0:
            log.write(tmp_path / str(step))
    assert steps(tmp_path / str(saved)) == list(range(1, MOST + 1))
    kept = steps(tmp_path / str(4 * saved))
    assert kept == [n for span in range(4 - SPANS, 4) for n in range(span * saved + 1, span * saved + MOST + 1)]
    first = json.loads((tmp_path / str(saved) / NAME).read_text().splitlines()[2])
    assert float.fromhex(first["loss_hex"]) == 0.5


def test_a_log_is_never_written_over(tmp_path):
    log = LossLog(attempt="a")
    log.write(tmp_path / "step")
    with pytest.raises(FileExistsError):
        log.write(tmp_path / "step")


def test_what_losses_depend_on_is_said():
    assert {"torch", "python", "machine", "threads", "device"} <= set(versions(torch.device("cpu")))
    assert versions(torch.device("cpu"))["torch"] == torch.__version__


def test_a_prover_has_steps_replayed_without_a_save_and_without_a_floor():
    argv = ["--checkpoints", "c", "--every", "10", "--steps", "12", "--step-floor-s", "1"]
    options = parse(argv, {"DRSTACK_RESUME_STEP": "40", "DRSTACK_REPLAY_STEPS": "5"}, 0.0)
    assert (options.require_step, options.every, options.steps, options.step_floor_s) == (40, 0, 45, 0.0)
    assert parse(argv, {"DRSTACK_REPLAY_STEPS": "1"}, 0.0).steps == 1
    with pytest.raises(SystemExit):
        parse(argv, {"DRSTACK_REPLAY_STEPS": "none"}, 0.0)
