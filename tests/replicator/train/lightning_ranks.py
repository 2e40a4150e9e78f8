"""What one of two ranks of a Lightning run does, for the launcher."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import Any

import lightning
import torch
import torch.distributed as dist
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.strategies import DDPStrategy, ModelParallelStrategy
from torch.distributed.checkpoint.filesystem import FileSystemWriter
from torch.distributed.fsdp import fully_shard

from replicator.train.lightning import ReplicatorCallback
from replicator.train.preemption import Preemption
from replicator.train.resume import resume
from tests.replicator.train.rig import steps, until


class Model(lightning.LightningModule):
    """Sharded by FSDP2 where the strategy gives a mesh to shard on."""

    def __init__(self, sigterm_at: int | None = None) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(8, 4)
        self.losses: list[float] = []
        self._sigterm_at = sigterm_at

    def configure_model(self) -> None:
        mesh = getattr(self, "_device_mesh", None)
        if mesh is not None:
            fully_shard(self.layer, mesh=mesh["data_parallel"])

    def training_step(self, batch: torch.Tensor, index: int) -> torch.Tensor:
        """On rows by step and rank: Lightning begins a loader that keeps no state of its own anew."""
        del batch
        if index == self._sigterm_at:
            os.kill(os.getpid(), signal.SIGTERM)
        row = torch.randn(1, 8, generator=torch.Generator().manual_seed(self.global_step * 2 + self.global_rank))
        loss = self.layer(row).pow(2).mean()
        self.losses.append(loss.item())
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=0.1)


def train(
    out: str, url: str, steps: int, *, sharded: bool, sigterm_at: int | None = None, every: int = 3
) -> tuple[Model, ReplicatorCallback]:
    torch.manual_seed(5)
    callback = ReplicatorCallback(repo=url, preemption=Preemption(cloud=None, grace_s=120))
    saving = ModelCheckpoint(out, every_n_train_steps=every, save_top_k=-1)
    strategy = ModelParallelStrategy(data_parallel_size=2, tensor_parallel_size=1) if sharded else DDPStrategy()
    trainer = lightning.Trainer(
        max_steps=steps, accelerator="cpu", devices=2, strategy=strategy, logger=False, enable_progress_bar=False,
        enable_model_summary=False, callbacks=[callback, saving],
    )  # fmt: skip
    model = Model(sigterm_at)
    data = torch.utils.data.DataLoader(torch.zeros(100, 1), batch_size=1)
    if not dist.is_initialized():
        dist.init_process_group("gloo")  # for `resume`: Lightning does so in `fit` only
    trainer.fit(model, data, ckpt_path=resume(out, url))
    return model, callback


def told(folder: str, what: object) -> None:
    Path(folder, f"rank-{os.environ['RANK']}").write_text(str(what))


def whole(given: dict[str, Any]) -> None:
    """Six steps, saved at 3 and 6."""
    model, callback = train(given["out"], given["url"], 6, sharded=given["sharded"])
    assert callback.not_shipped == ()
    told(given["folder"], model.losses)


def continued(given: dict[str, Any]) -> None:
    """Three steps, then everything on disk is lost, then from the repository to step 6."""
    before, _ = train(given["out"], given["url"], 3, sharded=given["sharded"])
    dist.barrier()
    if os.environ["RANK"] == "0":
        shutil.rmtree(given["out"])
    dist.barrier()
    after, _ = train(given["out"], given["url"], 6, sharded=given["sharded"])
    told(given["folder"], before.losses + after.losses)


def preempted(given: dict[str, Any]) -> None:
    """SIGTERM at the second rank only."""
    at = 4 if os.environ["RANK"] == "1" else None
    try:
        train(given["out"], given["url"], 40, sharded=given["sharded"], sigterm_at=at, every=100)
    except SystemExit as ended:
        told(given["folder"], ended.code)
        raise


def killed(given: dict[str, Any]) -> None:
    """The second rank dies while it writes its part of step 6."""
    if os.environ["RANK"] == "1":
        FileSystemWriter.write_data = dies_writing("step=6", given)
    train(given["out"], given["url"], 6, sharded=True)


def dies_writing(where: str, given: dict[str, Any]) -> Any:
    """FileSystemWriter's own, but to a path with `where` in it, once step 3 is in the repository."""
    write = FileSystemWriter.write_data

    def write_data(writer: FileSystemWriter, *args: Any) -> Any:
        if where in str(writer.path):
            until(lambda: steps(given["url"], "out") == [3], "step 3 is shipped")
            told(given["folder"], "killed")
            os.kill(os.getpid(), signal.SIGKILL)
        return write(writer, *args)

    return write_data
