"""A consistent point in a training: the ranks meet after a save, rank 0 keeps the other systems, all go on.

The board is a store of torch's own (TCPStore), served by rank 0; its address goes round over the gloo group once.
"""

from __future__ import annotations

import datetime as dt
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from replicator.consistency.barrier import StepBarrier
from replicator.consistency.point import TakenPoint, not_made, take_point
from replicator.errors import ReplicatorError
from replicator.train import ranks
from replicator.train.targets import log

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch.distributed import ProcessGroup, TCPStore

    from replicator.consistency.barrier import Board
    from replicator.consistency.system import System

_MEET_S = 30.0
_TOGETHER_S = 120.0


class TorchBoard:
    """Notes in a TCPStore: `compare_set` from nothing is a create-only put."""

    def __init__(self, store: TCPStore) -> None:
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

    timeout = dt.timedelta(seconds=_TOGETHER_S)
    if group is None:
        return TorchBoard(distributed.HashStore())  # pyright: ignore[reportArgumentType]
    host = os.environ.get("MASTER_ADDR", "127.0.0.1")
    if ranks.rank() == 0:
        store = distributed.TCPStore(host, 0, is_master=True, wait_for_workers=False, timeout=timeout)
        ranks.rank0_decides(lambda: str(store.port), group)
        return TorchBoard(store)
    port = ranks.rank0_decides(lambda: "", group)
    if not port.isdigit():
        raise ReplicatorError(f"rank 0 named no port for the ranks to meet at: {port!r}")
    return TorchBoard(distributed.TCPStore(host, int(port), is_master=False, wait_for_workers=False, timeout=timeout))
