"""Frameworks that no test can run, on folders built from their documentation and code; DeepSpeed's from a real save.

Megatron-LM, NeMo and torchtitan need GPUs or a large install; DeepSpeed is no wheel. torch itself wrote each file.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from replicator.layouts import Certainty, Settle, find, inspect, resume_command
from tests.replicator.layouts import builders

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def said(root: Path) -> list[tuple[int | None, bool, str]]:
    return [(each.step, each.complete, each.layout) for each in find(root)]


@pytest.mark.parametrize("build", [builders.megatron_torch, builders.megatron_dist])
def test_a_megatron_iteration_is_complete_once_the_tracker_names_it(
    tmp_path: Path, build: Callable[[Path, int], Path]
) -> None:
    build(tmp_path, 10)
    assert said(tmp_path) == [(10, False, "megatron")]
    builders.track(tmp_path, 10)
    (first,) = find(tmp_path)
    assert (first.complete, first.certainty, first.settle) == (True, Certainty.DECLARED, Settle.TWO_LOOKS)
    folder = build(tmp_path, 20)
    assert said(tmp_path) == [(10, True, "megatron"), (20, False, "megatron")]
    assert "names 10: this one is not finished" in find(tmp_path)[1].why
    builders.track(tmp_path, 20)
    assert said(tmp_path)[1] == (20, True, "megatron")
    layout, command = resume_command(folder, folder.name, 20)
    tracker = tmp_path / "latest_checkpointed_iteration.txt"
    assert layout == "megatron"
    assert command == f"echo 20 > {tracker} && torchrun … pretrain_gpt.py … --load {tmp_path}"


def test_a_megatron_iteration_that_is_saved_again_must_be_quiet(tmp_path: Path) -> None:
    folder = builders.megatron_torch(tmp_path, 10)
    builders.track(tmp_path, 10)
    later = (tmp_path / "latest_checkpointed_iteration.txt").stat().st_mtime + 60
    os.utime(folder / "mp_rank_00" / "model_optim_rng.pt", (later, later))
    (only,) = find(tmp_path)
    assert (only.complete, only.certainty, only.settle) == (True, Certainty.INFERRED, Settle.QUIET)


def test_what_is_missing_of_a_megatron_iteration_is_named(tmp_path: Path) -> None:
    torch_format = builders.megatron_torch(tmp_path / "a", 10, ranks=3)
    builders.track(tmp_path / "a", 10)
    builders.cut(torch_format / "mp_rank_02" / "distrib_optim.pt")
    assert "no whole archive" in find(tmp_path / "a")[0].why
    shutil.rmtree(torch_format / "mp_rank_01")
    assert find(tmp_path / "a")[0].why == "`mp_rank_01` missing"
    dist = builders.megatron_dist(tmp_path / "b", 10)
    builders.track(tmp_path / "b", 10)
    (dist / "common.pt").unlink()
    assert find(tmp_path / "b")[0].why == "`common.pt` missing"
    builders.track(tmp_path / "a", "soon")
    assert "is no iteration" in find(tmp_path / "a")[0].why


def test_a_megatron_release_is_step_0(tmp_path: Path) -> None:
    builders.megatron_dist(tmp_path, 1).rename(tmp_path / "release")
    builders.track(tmp_path, "release")
    assert said(tmp_path) == [(0, True, "megatron")]
    assert "echo release > " in resume_command(tmp_path / "release", "release", 0)[1]


def test_a_megatron_iteration_restored_under_another_name_is_moved_first(tmp_path: Path) -> None:
    builders.megatron_torch(tmp_path, 10).rename(tmp_path / "back")
    assert inspect(tmp_path / "back").complete
    assert (
        f"mv {tmp_path / 'back'} {tmp_path}/iter_0000010 && echo 10"
        in resume_command(tmp_path / "back", "iter_0000010", 10)[1]
    )


@pytest.mark.parametrize("stage", [1, 3])
def test_a_deepspeed_tag_is_complete_once_latest_names_it_or_a_later_one(tmp_path: Path, stage: int) -> None:
    builders.deepspeed(tmp_path, 10, stage=stage)
    assert said(tmp_path) == [(10, False, "deepspeed")]
    (tmp_path / "latest").write_text("global_step10")
    assert said(tmp_path) == [(10, True, "deepspeed")]
    folder = builders.deepspeed(tmp_path, 20, stage=stage)
    assert said(tmp_path) == [(10, True, "deepspeed"), (20, False, "deepspeed")]
    (tmp_path / "latest").write_text("global_step20\n")
    assert said(tmp_path) == [(10, True, "deepspeed"), (20, True, "deepspeed")]
    (folder / "bf16_zero_pp_rank_0_mp_rank_00_optim_states.pt").unlink()
    assert find(tmp_path)[1].why == "`bf16_zero_pp_rank_0_mp_rank_00_optim_states.pt` missing"
    assert (
        resume_command(folder, folder.name, 20)[1] == f"engine.load_checkpoint({str(tmp_path)!r}, tag='global_step20')"
    )


@pytest.mark.parametrize(
    ("stage", "name"), [(1, "mp_rank_00_model_states.pt"), (3, "zero_pp_rank_1_mp_rank_00_model_states.pt")]
)
def test_a_deepspeed_tag_without_a_file_of_the_model_is_incomplete(tmp_path: Path, stage: int, name: str) -> None:
    folder = builders.deepspeed(tmp_path, 10, stage=stage)
    (tmp_path / "latest").write_text("global_step10")
    assert said(tmp_path) == [(10, True, "deepspeed")]
    (folder / name).unlink()
    (only,) = find(tmp_path)
    assert not only.complete
    assert "_model_states.pt` missing" in only.why


def test_a_nemo_checkpoint_is_incomplete_while_its_marker_is_there(tmp_path: Path) -> None:
    folder = builders.nemo(tmp_path, 9)
    marker = tmp_path / f"{folder.name}-unfinished"
    marker.touch()
    assert said(tmp_path) == [(9, False, "nemo")]
    marker.unlink()
    assert said(tmp_path) == [(9, True, "nemo")]
    assert resume_command(folder, folder.name, 9)[1] == f"nemo.lightning.AutoResume(resume_from_path={str(folder)!r})"
    (folder / "weights" / ".metadata").unlink()
    assert find(tmp_path)[0].why == "`weights/.metadata` missing"


def test_a_last_of_nemo_counts_only_where_it_is_alone(tmp_path: Path) -> None:
    builders.nemo(tmp_path, 9)
    builders.nemo(tmp_path, 9, last=True)
    newest = builders.nemo(tmp_path, 12, last=True)
    assert [each.path.name for each in find(tmp_path)] == [
        "gpt--val_loss=2.31-step=9-consumed_samples=72.0",
        newest.name,
    ]


def test_a_nemo_1_file_is_known_by_its_name_and_its_marker(tmp_path: Path) -> None:
    path = builders.archive(tmp_path / "gpt--val_loss=2.31-step=9-consumed_samples=72.0.ckpt")
    assert said(tmp_path) == [(9, True, "nemo")]
    (tmp_path / f"{path.stem}-unfinished").touch()
    assert said(tmp_path) == [(9, False, "nemo")]


def test_torchtitan_is_told_by_its_train_state_and_its_names(tmp_path: Path) -> None:
    folder = builders.sharded(tmp_path / "checkpoint" / "step-40", train_state={"step": 40})
    builders.sharded(tmp_path / "checkpoint" / "step-00000050", train_state={"step": 50})
    builders.sharded(tmp_path / "checkpoint" / "step-60")
    assert said(tmp_path / "checkpoint") == [(40, True, "torchtitan"), (50, True, "dcp"), (60, True, "dcp")]
    layout, command = resume_command(folder, folder.name, 40)
    assert layout == "torchtitan"
    assert f"--dump_folder {tmp_path} --checkpoint.enable --checkpoint.folder checkpoint " in command
    assert "--checkpoint.load_step 40 " in command


def test_hugging_face_waits_for_the_trainers_last_file(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint-40"
    builders.archive(folder / "pytorch_model.bin")
    builders.archive(folder / "optimizer.pt")
    (folder / "config.json").write_text("{}")
    assert (find(tmp_path)[0].layout, find(tmp_path)[0].why) == (
        "huggingface", "`trainer_state.json` missing: the Trainer writes it last",
    )  # fmt: skip
    state = folder / "trainer_state.json"
    for text, why in (('{"global_', "unreadable"), ('{"global_step": 30}', "is of step 30"), ("[]", "unreadable")):
        state.write_text(text)
        assert why in find(tmp_path)[0].why
    state.write_text('{"global_step": 40}')
    assert said(tmp_path) == [(40, True, "huggingface")]
    index = folder / "pytorch_model.bin.index.json"
    index.write_text('{"weight_map": {"x": "pytorch_model-00002-of-00002.bin"}}')
    assert find(tmp_path)[0].why == "`pytorch_model-00002-of-00002.bin` missing"
    index.unlink()
    builders.cut(folder / "optimizer.pt")
    assert "`optimizer.pt` is no whole archive" in find(tmp_path)[0].why


def test_hugging_face_on_fsdp_is_not_complete_between_model_and_optimizer(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint-40"
    builders.sharded(folder / "pytorch_model_fsdp_0")
    assert said(tmp_path) == [(40, False, "huggingface")]
    builders.sharded(folder / "optimizer_0")
    (folder / "trainer_state.json").write_text('{"global_step": 40}')
    assert said(tmp_path) == [(40, True, "huggingface")]


def test_hugging_face_on_deepspeed_waits_for_the_tag_too(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint-40"
    builders.deepspeed(folder, 40)
    (folder / "trainer_state.json").write_text('{"global_step": 40}')
    assert find(tmp_path)[0].why == "`latest` missing: DeepSpeed writes it last"
    (folder / "latest").write_text("global_step40")
    assert said(tmp_path) == [(40, True, "huggingface")]


def test_a_sharded_lightning_folder_waits_for_its_last_file(tmp_path: Path) -> None:
    folder = builders.sharded(tmp_path / "epoch=0-step=40.ckpt")
    assert find(tmp_path)[0].why == "`meta.pt` missing: the strategy writes it last"
    builders.archive(folder / "meta.pt")
    assert said(tmp_path) == [(40, True, "lightning")]


def test_files_of_torch_save_are_whole_when_their_directory_is_there(tmp_path: Path) -> None:
    path = builders.archive(tmp_path / "model_40.pt")
    assert said(tmp_path) == [(40, True, "torch.save")]
    builders.cut(path)
    assert said(tmp_path) == [(40, False, "torch.save")]
    builders.archive(tmp_path / "step_50" / "model.pt")
    assert find(tmp_path)[1].settle is Settle.QUIET


def test_files_without_a_step_are_one_checkpoint_that_is_rewritten(tmp_path: Path) -> None:
    for name in ("model.pt", "optimizer.pt"):
        builders.archive(tmp_path / name)
    (tmp_path / "log.txt").write_text("x")
    (only,) = find(tmp_path)
    assert (only.path, only.step, only.files, only.rewritten) == (tmp_path, None, ("model.pt", "optimizer.pt"), True)
    builders.archive(tmp_path / "model_7.pt")
    assert [each.step for each in find(tmp_path)] == [7]


def test_what_only_looks_like_a_checkpoint_is_none(tmp_path: Path) -> None:
    for name in (
        "events.out.tfevents.17.host.9.0",
        "log-4.txt",
        "train-7.csv",
        ".step-9.pt",
        "step-8.pt.tmp",
        "tmp-step-6",
    ):
        (tmp_path / name).write_bytes(b"x")
    builders.archive(tmp_path / "tmp-checkpoint-5" / "model.pt")
    builders.archive(tmp_path / "exp-1" / "checkpoint-9" / "model.pt")
    (tmp_path / "latest").symlink_to("exp-1")
    (tmp_path / "step-3").mkdir()
    (tmp_path / "step-4").mkdir()
    (tmp_path / "step-4" / "begun.json").write_text("{}")
    assert find(tmp_path) == []
