"""Run under torchrun: two ranks save DTensors, one sharded by rows, one by columns, one replicated."""

from __future__ import annotations

import sys
from datetime import timedelta

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import Replicate, Shard, distribute_tensor

ROWS, COLUMNS = 7, 6


def whole(seed: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.arange(seed, seed + ROWS * COLUMNS, dtype=dtype).reshape(ROWS, COLUMNS)


def main() -> None:
    dist.init_process_group("gloo", timeout=timedelta(seconds=60))
    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    state = {
        "rows": distribute_tensor(whole(0), mesh, [Shard(0)]),
        "columns": distribute_tensor(whole(100, torch.bfloat16), mesh, [Shard(1)]),
        "replicated": distribute_tensor(whole(200), mesh, [Replicate()]),
        "plain": whole(300),
        f"rng_{dist.get_rank()}": torch.get_rng_state(),
        "step": 40,
    }
    dcp.save(state, checkpoint_id=sys.argv[1])
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
