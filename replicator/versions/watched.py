"""The versions of a checkpoint as whoever watches its folder can know them, and what its own files say of the run."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from replicator.versions.document import Run
from replicator.versions.gather import Gathered, Gathering, Source
from replicator.versions.sharding import sharding_of

if TYPE_CHECKING:
    from pathlib import Path

    from replicator.repository.snapshot import Snapshot

_AGE_S = 30.0
_WAIT_S = 20.0
_FLOATS = ("float", "bfloat")


class WatchedVersions:
    """Asks anew when what is known is older than half a minute: the tree may change while a run goes on.

    `folder`: where the checkpoints lie. `code`: a folder of the training program's repository, else the one around it.
    `here`: the trainer runs on this machine with this interpreter, which are asked then too.
    """

    def __init__(self, folder: Path, *, code: Path | None = None, here: bool = False) -> None:
        absolute = folder.absolute()
        root, outputs = (code or absolute.parent).absolute(), (absolute,)
        self._source = (
            Source.of_this_process("launcher", root, outputs=outputs) if here else Source("watch", root, outputs)
        )
        self._gathering: Gathering | None = None
        self._asked_at = 0.0

    def ask(self) -> Gathering:
        """Begin, before the checkpoint is read, so that answers are there when it was."""
        now = time.monotonic()
        if self._gathering is None or now - self._asked_at > _AGE_S:
            self._gathering, self._asked_at = Gathering(self._source), now
        return self._gathering

    def of(self, snapshot: Snapshot, layout: str) -> Gathered:
        asked = self._gathering or self.ask()
        asked.wait(_WAIT_S)
        return asked.now(run_of(snapshot, Run(layout=layout or None)))


def run_of(snapshot: Snapshot, told: Run | None) -> Run:
    """What the trainer told of its run, and what the files say where it told nothing."""
    told = told or Run()
    stored = {tensor.dtype for tensor in snapshot.tensors if tensor.dtype.startswith(_FLOATS)}
    world = told.world or sharding_of([file.path for file in snapshot.entries]).world
    return told.model_copy(update={"world": world, "dtypes": tuple(sorted(stored | set(told.dtypes)))})
