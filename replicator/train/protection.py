"""What both callbacks do: ship what the trainer saved, hear of preemption, and end with "resume me".

Rank 0 ships; all ranks agree on a preemption, and none ends before rank 0 has shipped. Errors of shipping are logged
and kept, never raised into the training; a repository that does not exist, or that another site writes, is raised
before the first step. Only where the caller asks for it (`near`) does a save wait, and end the run if it is not confirmed.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from replicator.errors import NotAcknowledged, ReplicatorError
from replicator.train import ranks
from replicator.train.acknowledging import near_of
from replicator.train.gathering import gather
from replicator.train.point import Points
from replicator.train.preemption import Preemption, ResumeMe
from replicator.train.running import gathering, run_now
from replicator.train.shipper import SPOOL_NAME, NotShipped, Shipper
from replicator.train.targets import log, urls_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from torch.distributed import ProcessGroup

    from replicator.consistency.point import TakenPoint
    from replicator.consistency.system import System

LONGEST_WAIT_S = 600.0
_TURN_S = 0.5
_DONE, _FAILED = 1, 2


class _Waits:
    """A wait for an acknowledgement, in a thread of its own."""

    def __init__(self, shipper: Shipper, path: Path, step: int, near: Sequence[str], patience_s: float | None) -> None:
        self.error: BaseException | None = None
        self._wait = lambda: shipper.acknowledge(path, step, near, patience_s=patience_s)
        self._thread = threading.Thread(target=self._run, name="drstack-acknowledged", daemon=True)
        self._thread.start()

    def state(self, within_s: float) -> int:
        """0 while it waits; asks for `within_s` at most."""
        self._thread.join(within_s)
        if self._thread.is_alive():
            return 0
        return _DONE if self.error is None else _FAILED

    def _run(self) -> None:
        try:
            self._wait()
        except Exception as error:  # noqa: BLE001 - raised in the training, by whoever asks for the state
            self.error = error


class Protection:
    """One run's. `begin` and `end` frame it, and may come again for the next one.

    `near`: repositories that must have a save, with receipts, before it returns; `patience_s`: for how long they may be
    silent before the run ends with NotAcknowledged. None: it stalls.
    """

    def __init__(
        self,
        repo: str | Sequence[str],
        *,
        workload: str | None,
        spool: Path | None,
        writer: str,
        preemption: Preemption | bool,
        wait_s: float,
        near: str | Sequence[str] = (),
        patience_s: float | None = None,
        point: Sequence[System] = (),
        dtypes: Sequence[str] = (),
    ) -> None:
        self._systems = tuple(point)
        self._points: Points | None = None
        self.dtypes = tuple(dtypes)
        self._urls = urls_of(repo)
        self._near = near_of(near, self._urls)
        self._patience_s = patience_s
        self._workload = workload
        self._spool = spool
        self._writer = writer
        self._wait_s = wait_s
        own = Preemption() if preemption is True else None
        self._preemption = own if isinstance(preemption, bool) else preemption  # one that heard nothing is false
        self._shipper: Shipper | None = None
        self._group: ProcessGroup | None = None
        self._began = self._stopping = False

    def begin(self, folder: Path, *, ships: bool) -> None:
        """`folder`: where the trainer saves. `ships`: whether this process is the one that does."""
        if self._began:
            return
        self._group = ranks.gloo_group()
        self._begin_shipping(folder, ships=ships)
        if self._preemption is not None:
            self._preemption.__enter__()
        self._began = True

    def _begin_shipping(self, folder: Path, *, ships: bool) -> None:
        def start() -> str:
            spool = self._spool or folder / SPOOL_NAME
            self._shipper = Shipper(
                self._urls, workload=self._workload or folder.absolute().name, spool=spool, writer=self._writer,
                versions=gathering([folder]),
            )  # fmt: skip
            return ""

        if ships != (ranks.rank() == 0):
            raise ReplicatorError("the trainer's first process is not rank 0: nobody would ship")
        ranks.rank0_decides(start, self._group)
        if self._systems:
            self._points = Points(self._systems, self._spool or folder / SPOOL_NAME, self._group)

    def submit(
        self, path: Path, step: int, fault_of: Callable[[], str | None] = lambda: None, own: Sequence[str] = ()
    ) -> None:
        """All ranks call it when each has saved its part; `fault_of` says what is missing when all have.

        `own`: names of this rank's own small files in it, which rank 0 cannot see where the nodes share no folder.
        """
        ranks.barrier(self._group)
        gather(path, own, self._group)
        fault = fault_of() if self._shipper is not None else None
        self._submit(path, step, fault, self._points.take(step) if self._points is not None else None)
        if self._near:
            self._wait_together(path, step)

    def take(self, path: Path, step: int, fault: str | None = None, point: TakenPoint | None = None) -> None:
        """Ship a checkpoint that rank 0 alone has saved, or say why not; nothing on other ranks."""
        self._submit(path, step, fault, point)
        if self._near and self._shipper is not None:
            self._shipper.acknowledge(path, step, self._near, patience_s=self._patience_s)

    def _wait_together(self, path: Path, step: int) -> None:
        """Rank 0 waits in a thread; the others ask it again and again, so that no collective runs out of time."""
        waiting = None if self._shipper is None else _Waits(self._shipper, path, step, self._near, self._patience_s)
        told = 0
        while not told:
            told = ranks.greatest(0 if waiting is None else self._state(waiting, step), self._group)
        if waiting is not None and waiting.error is not None:
            raise waiting.error
        if told == _FAILED:
            raise NotAcknowledged(f"step {step}: rank 0 got no acknowledgement")

    def _state(self, waiting: _Waits, step: int) -> int:
        told = waiting.state(_TURN_S)
        if not told and self._late():
            log.error("NOT ACKNOWLEDGED: step %d; this machine is being taken away", step)
            return _DONE
        return told

    def _submit(self, path: Path, step: int, fault: str | None, point: TakenPoint | None = None) -> None:
        if self._shipper is not None:
            self._shipper.submit(path, step, fault, run=run_now(dtypes=self.dtypes), point=point)
        elif ranks.rank() == 0:
            log.error("step %d is not shipped: it was saved outside of the training", step)

    def ending(self) -> bool:
        """Whether to save and stop at this step; every rank asks at every step."""
        self._stopping = self._preemption is not None and self._preemption.agreed()
        return self._stopping

    def advised(self) -> bool:
        """Whether to save at this step and go on: some rank's machine may be taken away."""
        advice = None if self._preemption is None else self._preemption.advice()
        return self._preemption is not None and bool(ranks.greatest(int(advice is not None), self._group))

    def wait(self, timeout_s: float | None = None) -> tuple[NotShipped, ...]:
        return () if self._shipper is None else self._shipper.wait(timeout_s)

    def end(self) -> tuple[NotShipped, ...]:
        """Wait for what is on its way, say what is not there, and raise ResumeMe if this run was preempted."""
        if not self._began:
            return ()
        began = time.monotonic()
        missing = () if self._shipper is None else self._shipper.wait(self._wait_s, enough=self._late)
        for each in missing:
            log.error("NOT SHIPPED: %s", each)
        if self._shipper is not None and not missing:
            log.info("all checkpoints are in %s (waited %.1f s)", ", ".join(self._urls), time.monotonic() - began)
        self.abandon()
        if self._stopping:
            self._stopping = False
            ranks.barrier(self._group)
            raise ResumeMe
        return missing

    def _late(self) -> bool:
        """Whether the machine is about to go, also where that became known while waiting."""
        heard = self._preemption or None
        return heard is not None and heard.remaining_s() <= 0

    def abandon(self) -> None:
        """Let go without waiting; what is not shipped stays in the spool for the next start."""
        if self._preemption is not None:
            self._preemption.close()
        if self._shipper is not None:
            self._shipper.close()
        self._shipper, self._began = None, False
