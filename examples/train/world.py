"""Where a run computes: ranks, device, mesh and the two process groups.

Invariant: everything that could differ between two runs of the same command is pinned before the first
tensor is made. Checkpoints get a gloo group of their own, because they talk from a thread while the training
talks from another, and one group carries one conversation.
"""

import ctypes
import os
import signal
from dataclasses import dataclass
from datetime import timedelta
from typing import cast

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from examples.train.errors import Usage

PEER_TIMEOUT = timedelta(minutes=5)
PARTING_TIMEOUT = timedelta(minutes=1)
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class World:
    """A process's place among the ranks."""

    rank: int
    size: int
    device: torch.device
    mesh: DeviceMesh
    checkpoint_group: dist.ProcessGroup

    def leave(self) -> None:
        """Part from the other ranks, once all of them are here."""
        dist.monitored_barrier(self.checkpoint_group, timeout=PARTING_TIMEOUT)
        dist.destroy_process_group()


def end_with_launcher() -> None:
    """Die when torchrun dies: its ranks have sessions of their own, and would train and write on unseen."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return
    launcher = os.getppid()
    try:
        failed = ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    except AttributeError:
        return
    if not failed and os.getppid() != launcher:
        raise SystemExit("the launcher died while this rank started")


def _device() -> torch.device:
    if not torch.cuda.is_available():
        return torch.device("cpu")
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    if local_rank >= (gpus := torch.cuda.device_count()):
        raise Usage(
            f"rank {local_rank} of this node has no GPU of its own ({gpus} here); "
            "start fewer ranks, or set CUDA_VISIBLE_DEVICES= to train on CPU"
        )
    torch.cuda.set_device(local_rank)
    return torch.device("cuda", local_rank)


def join() -> World:
    """Meet the other ranks as torchrun's variables say; alone without them."""
    # cuBLAS reads it when its first handle is made; without it deterministic mode raises.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(mode=True)
    # Costs a pass over each new tensor and changes no result: nothing here reads uninitialised memory.
    torch.utils.deterministic.fill_uninitialized_memory = False  # pyright: ignore[reportAttributeAccessIssue]
    device = _device()
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    if "RANK" in os.environ:
        dist.init_process_group(backend, timeout=PEER_TIMEOUT)
    else:
        dist.init_process_group(backend, store=dist.HashStore(), rank=0, world_size=1)
    return World(
        rank=dist.get_rank(),
        size=dist.get_world_size(),
        device=device,
        mesh=init_device_mesh(device.type, (dist.get_world_size(),)),
        checkpoint_group=cast("dist.ProcessGroup", dist.new_group(backend="gloo", timeout=PEER_TIMEOUT)),
    )
