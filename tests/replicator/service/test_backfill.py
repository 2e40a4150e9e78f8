"""What lies there already is numbered by step and read newest first; what is older never becomes the newest."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
from safetensors.numpy import save_file

from replicator.model import CommitId
from replicator.repository.repository import random_token
from replicator.service.intake import Intake
from replicator.service.spool import Spool

if TYPE_CHECKING:
    from pathlib import Path


def save(tmp_path: Path, step: int, at: float, name: str | None = None) -> Path:
    folder = tmp_path / "ck" / f"step-{step}"
    folder.mkdir(parents=True, exist_ok=True)
    weights = np.random.default_rng(step + int(at)).standard_normal(100).astype(np.float32)
    path = folder / (name or "model.safetensors")
    save_file({"w": weights}, path)
    os.utime(path, (at, at))
    return folder


@pytest.fixture
def intake(tmp_path):
    def made():
        return Intake("gpt", tmp_path / "ck", Spool(tmp_path / "spool"), random_token, quiet_s=0.0)

    return made


def looked(intake: Intake, times: int) -> list[tuple[int, int]]:
    """(height, step) of what was admitted, in the order in which it was."""
    made = [entry for _ in range(times) for entry in intake.look(1, [])]
    return [(entry.push.height, entry.push.step) for entry in made]


def delivered(intake: Intake) -> None:
    for entry in intake.spool.entries():
        entry.mark("east", "committed")
    intake.spool.forget_delivered(["east"])


def test_the_newest_is_read_first_and_older_ones_as_the_spool_empties(tmp_path, intake):
    for step in (10, 20, 30, 40, 5):
        save(tmp_path, step, 1000 + step)
    first = intake()
    assert looked(first, 6) == [(5, 40), (4, 30)]
    assert first.waiting == 3
    delivered(first)
    assert looked(first, 6) == [(3, 20), (2, 10)]
    delivered(first)
    assert looked(first, 6) == [(1, 5)]
    assert first.waiting == 0


def test_the_order_survives_a_restart_and_a_new_one_goes_before_the_older(tmp_path, intake):
    for step in (10, 20, 30):
        save(tmp_path, step, 1000 + step)
    before = intake()
    assert looked(before, 3) == [(3, 30), (2, 20)]
    delivered(before)
    save(tmp_path, 40, 1040)
    after = intake()
    assert looked(after, 4) == [(4, 40), (1, 10)]


def test_with_the_spool_lost_older_ones_are_passed_over_and_say_so(tmp_path, intake):
    for step in (10, 20, 30):
        save(tmp_path, step, 1000 + step)
    before = intake()
    entries = [entry for _ in range(3) for entry in before.look(1, [])]
    (newest,) = [e for e in entries if e.push.step == 30]
    held = [commit_of(newest)]
    shutil.rmtree(tmp_path / "spool")
    after = intake()
    assert [after.look(1, held) for _ in range(4)] == [[], [], [], []]
    assert sorted(after.passed_over) == ["step-10", "step-20"]
    assert "older than step 30" in after.passed_over["step-10"]


def test_a_run_that_went_back_goes_on_with_the_next_heights(tmp_path, intake):
    save(tmp_path, 100, 1100)
    save(tmp_path, 200, 1200)
    watching = intake()
    assert looked(watching, 3) == [(2, 200), (1, 100)]
    save(tmp_path, 110, 1300)
    assert looked(watching, 3) == [(3, 110)]
    save(tmp_path, 120, 1400)
    delivered(watching)
    assert looked(watching, 3) == [(4, 120)]


def again(tmp_path: Path, step: int, at: float, *, of: int | None = None) -> None:
    """A checkpoint whose bytes follow from its step, or from that of another."""
    folder = tmp_path / "ck" / f"step-{step}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    save_file({"w": np.arange(100, dtype=np.float32) + (step if of is None else of)}, folder / "model.safetensors")
    os.utime(folder / "model.safetensors", (at, at))


def found(intake: Intake) -> dict[int, list[str]]:
    """By step of what is admitted, the reasons of its findings."""
    made = {each.push.step: [f.reason for f in each.push.findings] for _ in range(3) for each in intake.look(1, [])}
    delivered(intake)
    return made


def test_a_run_that_went_back_and_makes_the_same_steps_bit_for_bit_is_not_stale(tmp_path, intake):
    watching = intake()
    for step in (100, 110, 120, 130):
        again(tmp_path, step, 1000 + step)
        assert found(watching) == {step: []}
    for step in (110, 120, 130):
        again(tmp_path, step, 2000 + step)
        assert found(watching) == {step: []}, "a run that repeats itself exactly is the best there is"
    again(tmp_path, 140, 2140, of=130)
    assert found(watching) == {140: ["stale"]}, "the weights of an older step are still told"


def test_what_its_writer_had_saved_before_a_term_began_is_not_its_newest(tmp_path, intake):
    """It was passed over in the term that ended: numbered in the next, it would be newer than what that goes on from."""
    for step in (10, 20, 30):
        save(tmp_path, step, 1000 + step)
    before = intake()
    assert looked(before, 2)[0] == (3, 30)
    held, began = [commit_of(max(before.spool.entries(), key=lambda each: each.push.step))], CommitId(1, 3)
    delivered(before)
    after = intake()
    assert [after.look(2, held, began) for _ in range(3)] == [[], [], []]
    assert "older than step 30" in after.passed_over["step-20"]
    save(tmp_path, 40, 1040)
    made = [each for _ in range(2) for each in after.look(2, held, began)]
    assert [(each.push.height, each.push.step, each.push.parent) for each in made] == [(1, 40, began)]


def test_what_was_restored_gets_no_height(tmp_path, intake):
    save(tmp_path, 10, 1010)
    before = intake()
    (entry,) = [entry for _ in range(2) for entry in before.look(1, [])]
    held = [commit_of(entry)]
    shutil.rmtree(tmp_path / "spool")
    save(tmp_path, 20, 1020)
    after = intake()
    made = [each for _ in range(4) for each in after.look(2, held)]
    assert [(each.push.height, each.push.step, each.push.parent) for each in made] == [(1, 20, CommitId(1, 1))]


def test_a_checkpoint_pruned_before_it_was_read_leaves_a_height_empty(tmp_path, intake):
    for step in (10, 20, 30, 40):
        save(tmp_path, step, 1000 + step)
    watching = intake()
    assert looked(watching, 3) == [(4, 40), (3, 30)]
    shutil.rmtree(tmp_path / "ck" / "step-20")
    delivered(watching)
    assert looked(watching, 3) == [(1, 10)]


def test_one_that_is_saved_under_the_same_names_is_copied_and_counted(tmp_path, intake):
    folder = tmp_path / "ck"
    folder.mkdir()
    save_file({"w": np.ones(10, np.float32)}, folder / "model.safetensors")
    watching = intake()
    (first,) = [entry for _ in range(3) for entry in watching.look(1, [])]
    save_file({"w": np.zeros(20, np.float32)}, folder / "model.safetensors")
    (second,) = [entry for _ in range(3) for entry in watching.look(1, [])]
    assert (first.push.step, second.push.step) == (1, 2)
    assert watching.certainty == "inferred"
    watching.spool.snapshot(first)
    assert (first.files / "model.safetensors").stat().st_ino != (folder / "model.safetensors").stat().st_ino


def test_what_nothing_vouches_for_must_be_quiet(tmp_path):
    (tmp_path / "ck" / "step-7").mkdir(parents=True)
    (tmp_path / "ck" / "step-7" / "weights.npz").write_bytes(b"x")
    clock = [0.0]
    watching = Intake(
        "gpt", tmp_path / "ck", Spool(tmp_path / "s"), random_token, quiet_s=3600.0, clock=lambda: clock[0]
    )
    assert looked(watching, 3) == []
    clock[0] = (tmp_path / "ck" / "step-7" / "weights.npz").stat().st_mtime + 7 * 3600
    assert looked(watching, 1) == [(1, 7)]


def commit_of(entry):
    from replicator.model import What

    push = entry.push
    sizes = [path.stat().st_size for path in entry.files.rglob("*") if path.is_file()]
    return What(
        workload="gpt", name=push.name, term=push.term, height=push.height, step=push.step, attempt=push.attempt,
        root=entry.root, size_bytes=sum(sizes), files=len(sizes), saved_at=push.saved_at,
    )  # fmt: skip
