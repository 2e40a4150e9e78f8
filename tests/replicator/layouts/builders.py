"""Checkpoint folders as frameworks lay them out, file by file, for those that are too heavy to run in a test."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import torch
import torch.distributed.checkpoint as dcp

if TYPE_CHECKING:
    from pathlib import Path


def archive(path: Path) -> Path:
    """A small file of `torch.save`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"w": torch.arange(8.0)}, path)
    return path


def sharded(folder: Path, **items: object) -> Path:
    """A folder of torch DCP."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dcp.save({"model": {"w": torch.arange(8.0)}, **items}, checkpoint_id=folder, no_dist=True)
    return folder


def cut(path: Path) -> None:
    """Leave a byte less of a file."""
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 1)


def megatron_torch(root: Path, iteration: int, ranks: int = 2) -> Path:
    folder = root / f"iter_{iteration:07d}"
    for rank in range(ranks):
        archive(folder / f"mp_rank_{rank:02d}" / "model_optim_rng.pt")
        archive(folder / f"mp_rank_{rank:02d}" / "distrib_optim.pt")
    return folder


def megatron_dist(root: Path, iteration: int) -> Path:
    folder = sharded(root / f"iter_{iteration:07d}")
    archive(folder / "common.pt")
    (folder / "metadata.json").write_text('{"sharded_backend": "torch_dist", "sharded_backend_version": 1}')
    return folder


def track(root: Path, said: object) -> None:
    (root / "latest_checkpointed_iteration.txt").write_text(str(said))


def deepspeed(root: Path, step: int, ranks: int = 2, stage: int = 1) -> Path:
    """The files that DeepSpeed 0.19.8 wrote with bf16 and ZeRO 1 or 3, for more ranks."""
    folder = root / f"global_step{step}"
    if stage == 1:
        archive(folder / "mp_rank_00_model_states.pt")
    for rank in range(ranks):
        archive(folder / f"bf16_zero_pp_rank_{rank}_mp_rank_00_optim_states.pt")
        if stage == 3:
            archive(folder / f"zero_pp_rank_{rank}_mp_rank_00_model_states.pt")
    (root / "zero_to_fp32.py").write_text("")
    return folder


def nemo(root: Path, step: int, *, last: bool = False) -> Path:
    name = f"gpt--val_loss=2.31-step={step}-consumed_samples={step * 8}.0" + ("-last" if last else "")
    weights = sharded(root / name / "weights")
    archive(weights / "common.pt")
    (weights / "metadata.json").write_text("{}")
    (root / name / "context").mkdir()
    (root / name / "context" / "io.json").write_text("{}")
    return root / name
