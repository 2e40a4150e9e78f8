"""One of two ranks: `python -m tests.replicator.train.dcp_ranks RANK FOLDER URL WHAT`. Saves and loads with DCP."""

from __future__ import annotations

import os
import signal
import sys

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint.default_planner import DefaultSavePlanner
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import Shard, distribute_tensor

from replicator.train.dcp import RepositoryReader, RepositoryWriter


def state(step: int, mesh) -> dict[str, object]:
    whole = torch.arange(200_000, dtype=torch.float32).reshape(1000, 200) + step
    return {"model": {"w": distribute_tensor(whole, mesh, [Shard(0)])}, "step": torch.tensor(step), "run": {"lr": step}}


class Dies(DefaultSavePlanner):
    """SIGKILL in the middle of writing."""

    def resolve_data(self, write_item):
        os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    rank, folder, url = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    mesh = init_device_mesh("cpu", (2,))
    spool = f"{folder}/spool"
    alone = {"model": {"w": distribute_tensor(torch.zeros(1000, 200), mesh, [Shard(0)])}, "step": torch.tensor(-1)}
    dcp.load(alone, storage_reader=RepositoryReader(url, workload="gpt", checkpoint="step:1", spool=spool))
    expected = (torch.arange(200_000, dtype=torch.float32).reshape(1000, 200) + 1).chunk(2)[rank]
    assert torch.equal(alone["model"]["w"].to_local(), expected)
    assert int(alone["step"]) == 1
    dcp.save(state(2, mesh), storage_writer=RepositoryWriter(url, workload="gpt", step=2, spool=spool))
    future = dcp.async_save(
        state(3, mesh), checkpoint_id="step-3", storage_writer=RepositoryWriter(url, workload="gpt", spool=spool)
    )
    future.result()
    print("saved", flush=True)
    planner = Dies() if rank == 1 else DefaultSavePlanner()
    dcp.save(state(4, mesh), storage_writer=RepositoryWriter(url, workload="gpt", step=4, spool=spool), planner=planner)


if __name__ == "__main__":
    main()
