"""`python -m tests.replicator.repository.reshard save|load FOLDER WORLD…`: so many ranks save, or load and compare.

torch is imported once and the ranks are forked from there, before any of them has a thread.
"""

from __future__ import annotations

import os
import sys
import tempfile
from datetime import timedelta

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import Replicate, Shard, distribute_tensor

ROWS, COLUMNS = 7, 6


def whole(seed: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.arange(seed, seed + ROWS * COLUMNS, dtype=dtype).reshape(ROWS, COLUMNS)


EXPECTED = {"rows": whole(0), "columns": whole(100, torch.bfloat16), "replicated": whole(200), "turned": whole(300).T}
PLACES = {"rows": Shard(0), "columns": Shard(1), "replicated": Replicate()}


def state(mesh, *, blank: bool) -> dict[str, object]:
    made: dict[str, object] = {
        "turned": torch.zeros(ROWS, COLUMNS).T if blank else EXPECTED["turned"],
        "step": 0 if blank else 40,
    }
    for name, place in PLACES.items():
        tensor = EXPECTED[name]
        made[name] = distribute_tensor(torch.zeros_like(tensor) if blank else tensor, mesh, [place])
    return made


def rank(verb: str, number: int, world: int, folder: str, meet: str) -> None:
    dist.init_process_group("gloo", f"file://{meet}", timedelta(seconds=60), world, number)
    mesh = init_device_mesh("cpu", (world,))
    if verb == "save":
        dcp.save(state(mesh, blank=False), checkpoint_id=folder)
    else:
        loaded = state(mesh, blank=True)
        dcp.load(loaded, checkpoint_id=folder)
        for name in PLACES:
            assert loaded[name].full_tensor().equal(EXPECTED[name]), name
        assert loaded["turned"].equal(EXPECTED["turned"])
        assert loaded["step"] == 40
    dist.destroy_process_group()


def run(verb: str, folder: str, world: int) -> bool:
    with tempfile.TemporaryDirectory() as meet:
        children: list[int] = []
        for number in range(world):
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    rank(verb, number, world, folder, f"{meet}/meet")
                    status = 0
                finally:
                    os._exit(status)
            children.append(child)
        ends = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    return not any(ends)


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(not all(run(sys.argv[1], sys.argv[2], int(world)) for world in sys.argv[3:]))
