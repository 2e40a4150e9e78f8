"""A consistent point in a training: the ranks meet after a save, rank 0 keeps the other systems, all go on.

The board is a store of torch's own (TCPStore), served by rank 0; its address goes round over the gloo group once.
"""

from __future__ import annotations

import datetime as dt
import os
import socket
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from replicator.consistency.barrier import StepBarrier
from replicator.consistency.point import TakenPoint, not_made, take_point
from replicator.errors import ReplicatorError
from replicator.train import ranks
from replicator.train.targets import log

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch.distributed import ProcessGroup

    from replicator.consistency.barrier import Board
    from replicator.consistency.system import System

_MEET_S = 30.0
_TOGETHER_S = 120.0


class TorchBoard:
    """Notes in a store of torch's: `compare_set` from nothing is a create-only put."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def post(self, key: str, note: str) -> str:
        return self._store.compare_set(key, "", note).decode()

    def read(self, key: str, timeout_s: float) -> str | None:
        try:
            self._store.wait([key], dt.timedelta(seconds=max(timeout_s, 0.01)))
        except RuntimeError:  # DistStoreError: not there in time, or the server is gone
            return None
        return self._store.get(key).decode()


class Points:
    """One run's points. Every rank makes one, and calls `take` at every save that has one.

    `into`: a folder on the file system of the spool, so that what is kept moves there by a rename.
    """

    def __init__(
        self, systems: Sequence[System], into: Path, group: ProcessGroup | None, *, meet_s: float = _MEET_S
    ) -> None:
        self._systems = tuple(systems)
        self._into = into
        work_s = sum(3 * system.timeout_s for system in self._systems)
        self._work_s = work_s + _MEET_S
        self._barrier = StepBarrier(_board(group), ranks.rank(), _world(group), meet_s)

    def take(self, step: int) -> TakenPoint | None:
        """What was kept, on rank 0; None on others. An error here is recorded, never raised into the training."""
        taken: list[TakenPoint] = []

        def work() -> None:
            self._into.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix=".point-", dir=self._into))
            taken.append(take_point(self._systems, folder / "systems"))

        try:
            refused = self._barrier.hold(step, work, self._work_s)
        except Exception as error:  # noqa: BLE001 - a training never ends for this; it is recorded in the commit
            refused = f"{type(error).__name__}: {error}"
        if refused is not None:
            log.error("step %d: no consistent point: %s", step, refused)
        if ranks.rank() != 0:
            return None
        if taken and refused is None:
            return taken[0]
        for each in taken:
            each.discard()
        return not_made(refused or "nothing was kept", taken[0].point.paused_s if taken else 0.0)


def _world(group: ProcessGroup | None) -> int:
    if group is None:
        return 1
    from torch import distributed  # noqa: PLC0415

    return distributed.get_world_size(group)


def _board(group: ProcessGroup | None) -> Board:
    """Served by rank 0 on a free port of its node."""
    from torch import distributed  # noqa: PLC0415

    c10d: Any = distributed  # exports its stores without saying so
    timeout = dt.timedelta(seconds=_TOGETHER_S)
    if group is None:
        return TorchBoard(c10d.HashStore())
    served: list[Any] = []

    def serve() -> str:
        served.append(c10d.TCPStore("localhost", 0, is_master=True, wait_for_workers=False, timeout=timeout))
        return f"{_host()}:{served[0].port}"

    host, _, port = ranks.rank0_decides(serve, group).rpartition(":")
    if served:
        return TorchBoard(served[0])
    try:
        return TorchBoard(c10d.TCPStore(host, int(port), is_master=False, wait_for_workers=False, timeout=timeout))
    except RuntimeError as error:
        raise ReplicatorError(
            f"ranks that are to stand still together cannot meet at {host}:{port}: {error}",
            hint="Set MASTER_ADDR to an address of rank 0's node that all ranks reach.",
        ) from error


def _host() -> str:
    """Where other ranks reach this node: what the launcher says, else its own name."""
    return os.environ.get("MASTER_ADDR") or socket.gethostname()
