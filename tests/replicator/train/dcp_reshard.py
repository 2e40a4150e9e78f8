"""Loads as each of WORLD ranks in turn: `python -m tests.replicator.train.dcp_reshard URL WORLD ROWS COLUMNS`.

Prints, for each rank, how many bytes of packs it read.
"""

from __future__ import annotations

import json
import sys

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import Shard, distribute_tensor
from torch.testing._internal.distributed.fake_pg import FakeStore

from replicator.stores.local import LocalStore
from replicator.train.dcp import RepositoryReader

read: list[int] = []
get_range = LocalStore.get_range


def counted(store: LocalStore, key: str, offset: int, length: int) -> bytes:
    body = get_range(store, key, offset, length)
    read.append(len(body) if key.startswith("packs/") else 0)
    return body


def random(rows: int, columns: int) -> torch.Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(rows))


def main() -> None:
    url, world, rows, columns = sys.argv[1], *map(int, sys.argv[2:])
    LocalStore.get_range = counted
    whole, other = random(rows, columns), random(columns, rows)
    for rank in range(world):
        dist.init_process_group("fake", store=FakeStore(), rank=rank, world_size=world)
        mesh = init_device_mesh("cpu", (world,))
        blank = distribute_tensor(torch.zeros(rows, columns), mesh, [Shard(0)])
        across = distribute_tensor(torch.zeros(columns, rows), mesh, [Shard(0)])
        state = {"w": blank, "turned": across, "small": torch.zeros(3)}
        read.clear()
        dcp.load(state, storage_reader=RepositoryReader(url, workload="gpt"), no_dist=True)
        assert torch.equal(blank.to_local(), whole.chunk(world)[rank])
        assert torch.equal(across.to_local(), other.chunk(world)[rank])
        assert torch.equal(state["small"], torch.ones(3))
        print(json.dumps(sum(read)), flush=True)
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
