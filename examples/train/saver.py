"""Writes checkpoints beside the training, at most one at a time.

Invariant: the state is copied before `begin` returns, so a save changes no loss; a failed save ends the run
at the next step; old checkpoints go only after a newer one is complete and durable. Where saves are acknowledged, one is
under way until the near site has it, and the next one waits for that.
"""

import sys
import time
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import cast

import torch.distributed as dist
from torch.distributed.checkpoint.filesystem import FileSystemWriter
from torch.distributed.checkpoint.state_dict_saver import async_save

from examples.train.folder import fault_of, folder_of, remove, surplus, survey, sync
from examples.train.losses import LossLog
from examples.train.metrics import Metrics
from examples.train.options import Options
from examples.train.world import World
from replicator.service.acknowledged import await_word


class Saver:
    """Saves a run's checkpoints as its options say, and prunes old ones."""

    def __init__(self, options: Options, world: World, metrics: Metrics, losses: LossLog) -> None:
        self._root = options.checkpoints or Path()  # nothing is due without a folder
        self._every = options.every
        self._keep = options.keep
        self._acknowledged = options.acknowledged
        self._world = world
        self._metrics = metrics
        self._losses = losses
        self._pending: Future[None] | None = None
        self.last_step: int | None = None

    def due(self, step: int, *, last: bool) -> bool:
        """Whether this step is to be saved; the last one is, so that nothing done is lost."""
        return self._every > 0 and (last or step % self._every == 0)

    def begin(self, step: int, state: Mapping[str, object]) -> None:
        """Copy the state and start to write it; waits first for a save that is still under way."""
        self.wait()
        began = time.perf_counter()
        folder = folder_of(self._root, step)
        self._clear(step, folder)
        self._metrics.event("save_begin", step=step, path=str(folder))
        writer = FileSystemWriter(folder, overwrite=False)
        saving = async_save(dict(state), storage_writer=writer, process_group=self._world.checkpoint_group)
        written = cast("Future[object]", saving)  # a bare future, as the writer stages before it returns
        self._metrics.event("save_staged", step=step, seconds=time.perf_counter() - began)
        ended: Future[None] = Future()
        written.add_done_callback(lambda done: self._end(done, ended, step, began))
        self._pending = ended
        self.last_step = step

    def check(self) -> None:
        """Raise what a finished save failed with."""
        if self._pending is not None and self._pending.done():
            self.wait()

    def wait(self) -> None:
        """Until no save is under way; raises what it failed with."""
        if self._pending is not None:
            self._pending.result()
            self._pending = None

    def _clear(self, step: int, folder: Path) -> None:
        """Files are replaced, never rewritten: a reader may hold hard links to what stands there.

        The losses lie there first: `.metadata`, which says that the folder is complete, comes last.
        """
        if self._world.rank == 0 and folder.exists():
            self._metrics.event("removed", step=step, path=str(folder), fault=fault_of(folder))
            remove(folder)
        if self._world.rank == 0:
            self._losses.write(folder)
        dist.barrier(self._world.checkpoint_group)

    def _end(self, written: Future[object], ended: Future[None], step: int, began: float) -> None:
        try:
            written.result()
            if self._world.rank == 0:
                self._finish(step, began)
        except BaseException as error:  # noqa: BLE001 — DCP's own is no Exception; `wait` raises it
            ended.set_exception(error)
        else:
            ended.set_result(None)

    def _finish(self, step: int, began: float) -> None:
        folder = folder_of(self._root, step)
        sync(folder)
        if self._acknowledged is not None:
            word = await_word(folder, self._acknowledged, say=lambda text: print(text, file=sys.stderr, flush=True))
            self._metrics.event("acknowledged", step=step, seconds=time.perf_counter() - began, by=list(word.by))
        self._metrics.event("save_end", step=step, seconds=time.perf_counter() - began, path=str(folder))
        if self._keep:
            for old in surplus(survey(self._root), self._keep):
                if old.step < step:
                    remove(old.path)
                    self._metrics.event("pruned", step=old.step, path=str(old.path))
