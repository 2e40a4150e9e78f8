"""What the ranks of a run must decide together. Alone, everything here is what the one process says.

torch is asked only where it is loaded already: a process that has not, has no process group either.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from replicator.errors import ReplicatorError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch.distributed import ProcessGroup

_ENDED = "drstack: rank 0 failed"


def grouped() -> bool:
    """Whether this process has joined others."""
    torch = sys.modules.get("torch")
    return torch is not None and torch.distributed.is_available() and torch.distributed.is_initialized()


def rank() -> int:
    if not grouped():
        return int(os.environ.get("RANK", "0"))
    from torch import distributed  # noqa: PLC0415

    return distributed.get_rank()


def launched_ranks() -> int:
    """How many processes the launcher says that it started: torchrun, Lightning, or an srun step."""
    for name in ("WORLD_SIZE", "SLURM_STEP_NUM_TASKS"):
        if os.environ.get(name, "").isdigit():
            return int(os.environ[name])
    return 1


def first_on_node() -> bool:
    return int(os.environ.get("LOCAL_RANK", os.environ.get("SLURM_LOCALID", "0"))) == 0


def gloo_group() -> ProcessGroup | None:
    """A group of all ranks for talk about small numbers, beside the training's own; every rank must call it."""
    if not grouped():
        return None
    from torch import distributed  # noqa: PLC0415

    return distributed.new_group(backend="gloo") if distributed.get_world_size() > 1 else None  # pyright: ignore[reportReturnType]


def barrier(group: ProcessGroup | None) -> None:
    if group is not None:
        from torch import distributed  # noqa: PLC0415

        distributed.barrier(group)


def greatest(value: int, group: ProcessGroup | None) -> int:
    """The greatest of the ranks' values, on every rank."""
    if group is None:
        return value
    import torch  # noqa: PLC0415

    told = torch.tensor([value], dtype=torch.int64)
    torch.distributed.all_reduce(told, op=torch.distributed.ReduceOp.MAX, group=group)
    return int(told.item())


def rank0_lacks(lacks: Callable[[str], bool], names: Sequence[str], group: ProcessGroup | None) -> frozenset[str]:
    """Of all ranks' names, those that rank 0 lacks; on every rank."""
    if group is None:
        return frozenset()
    from torch import distributed  # noqa: PLC0415

    offered: list[Sequence[str]] = [()] * distributed.get_world_size(group)
    distributed.all_gather_object(offered, tuple(names), group=group)
    lacked = [tuple(name for each in offered for name in each if lacks(name))]
    distributed.broadcast_object_list(lacked, src=0, group=group)
    return frozenset(lacked[0])


def collected(mine: dict[str, bytes], group: ProcessGroup | None) -> list[dict[str, bytes]]:
    """On rank 0, what every rank gives; on the others, nothing."""
    if group is None:
        return []
    from torch import distributed  # noqa: PLC0415

    given: list[dict[str, bytes]] = [mine] * distributed.get_world_size(group)
    first = distributed.get_rank() == 0
    distributed.gather_object(mine, given if first else None, dst=0, group=group)
    return given if first else []


def rank0_decides(decide: Callable[[], str], group: ProcessGroup | None) -> str:
    """What rank 0 decides, on every rank; its error is every rank's, so that none waits for it."""
    if group is None:
        return decide()
    from torch import distributed  # noqa: PLC0415

    told: list[str | None] = [None, None]
    failed: BaseException | None = None
    if distributed.get_rank() == 0:
        try:
            told[0] = decide()
        except Exception as error:  # noqa: BLE001 - raised again below, when the others know
            failed, told[1] = error, str(error)
    distributed.broadcast_object_list(told, src=0, group=group)
    if failed is not None:
        raise failed
    if told[0] is None:
        raise ReplicatorError(f"{_ENDED}: {told[1]}")
    return told[0]
