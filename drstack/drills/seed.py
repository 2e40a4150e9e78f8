"""Copying a real recovery point into a drill's own repository, read-only here and under the drill's keys there.

Invariant: the copy has the root digest of what was committed, file by file; else the drill does not begin.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drstack.errors import NotReady, StepFailed
from replicator.repository.names import to_disk
from replicator.repository.pinning import as_it_is_now
from replicator.repository.restore import restore
from replicator.repository.ship import Push, ship
from replicator.repository.snapshot import take_snapshot
from replicator.repository.verify import verify

if TYPE_CHECKING:
    from pathlib import Path

    from replicator.log.replay import Accepted
    from replicator.model import CommitId
    from replicator.repository.repository import Repository

_COPIES = 3
"""Of the checkpoint's size: the copy that is shipped, the drill's repository, and what the promotion restores."""


@dataclass(frozen=True, slots=True)
class Seeded:
    """What was copied. `saved_at`: when the real one was saved, unix seconds."""

    workload: str
    commit: CommitId
    """In the real environment; in the drill's it is 1.1."""
    step: int
    saved_at: float
    size_bytes: int


def find(repository: Repository, workload: str, commit: CommitId) -> Accepted:
    """The recovery point in the real repository. NotReady if it stands there no more."""
    found = repository.log(workload).view().accepted.get(commit)
    if found is None:
        raise NotReady(
            f"{workload}: recovery point {commit} stands no more in {repository.name}", hint="Run the drill again."
        )
    return found


def require_room(folder: Path, size_bytes: int) -> None:
    """NotReady where the disk has no room for the drill's copies."""
    free = shutil.disk_usage(folder).free
    if free < _COPIES * size_bytes:
        raise NotReady(
            f"{folder} has {free:,} bytes free; a drill with {size_bytes:,} bytes of checkpoints needs {_COPIES} times as many",
            hint="Make room, or practise one workload: --workload NAME.",
        )


def copy(real: Repository, accepted: Accepted, drill: Repository, scratch: Path, *, verifier: str) -> Seeded:
    """Have the checkpoint in the drill's repository as commit 1.1, with its receipts. DataCorrupt, StepFailed."""
    what = accepted.what
    staged = scratch / "seed" / what.workload / what.name
    staged.parent.mkdir(parents=True, exist_ok=True)
    found = as_it_is_now(real, what.workload, accepted)
    restore(real, found, staged)
    manifest = real.manifest(found.where.manifest)
    listed = [to_disk(each.path) for each in (*manifest.files, *manifest.links)]
    snapshot = take_snapshot(staged, listed, [to_disk(each.path) for each in manifest.folders])
    if snapshot.digest != what.root:
        raise StepFailed(f"{what.workload}: the copy of step {what.step} is not what was committed ({what.root})")
    push = Push(
        what.workload, what.name, 1, 1, what.step, drill.token(), bytes.fromhex(drill.token()), what.saved_at,
        versions=what.versions,
    )  # fmt: skip
    shipped = ship(push, snapshot, drill)
    if shipped is None:
        raise StepFailed(f"{what.workload}: the drill's repository took no whole checkpoint")
    for verdict in verify(drill, what.workload, shipped, verifier):
        if not verdict.ok:
            raise StepFailed(f"{what.workload}: the drill's copy is not whole: {verdict.reason}")
    shutil.rmtree(scratch / "seed" / what.workload)
    return Seeded(what.workload, what.id(), what.step, what.saved_at, what.size_bytes)
