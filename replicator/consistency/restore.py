"""What was kept at a checkpoint's point, in a folder again: dumps, artefacts, references to snapshots.

Each file is checked as a checkpoint's are; the folder appears whole, or not at all.
"""

from __future__ import annotations

import os
import shutil
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from replicator.consistency.point import FOLDER
from replicator.errors import DestinationOccupied, NothingToRestore
from replicator.repository.beside import read_pieces, require_beside
from replicator.repository.names import to_disk
from replicator.repository.restore import Restored, holds
from replicator.repository.staging import place, require_room, staging

if TYPE_CHECKING:
    from pathlib import Path

    from replicator.log.replay import Accepted
    from replicator.repository.manifest import File, Manifest
    from replicator.repository.repository import Repository


def restore_point(repository: Repository, accepted: Accepted, folder: Path) -> Restored:
    """NothingToRestore if no point was made with this checkpoint, saying why; DataCorrupt, DestinationOccupied."""
    point = accepted.what.point
    if point is None or not point.made:
        why = "no other system was to be kept" if point is None else f"no point was made: {point.reason}"
        raise NothingToRestore(f"{accepted.what.id()}: {why}")
    manifest = repository.manifest(accepted.where.manifest)
    require_beside(manifest, accepted)
    kept = tuple(
        file.model_copy(update={"path": str(PurePosixPath(file.path).relative_to(FOLDER))})
        for file in manifest.beside
        if PurePosixPath(file.path).parts[0] == FOLDER
    )
    tree = manifest.model_copy(update={"files": kept, "links": (), "folders": ()})
    size = sum(file.size_bytes for file in kept)
    if holds(folder, tree):
        return Restored(folder, size, len(kept), already=True)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DestinationOccupied(f"{folder} holds something else")
    require_room(folder, size)
    with staging(folder, f"point-{accepted.what.root[:16]}") as staged:
        try:
            for file in kept:
                _write(repository, manifest, file, staged / to_disk(file.path))
            place(staged, folder, lambda: holds(folder, tree))
        except BaseException:
            shutil.rmtree(staged, ignore_errors=True)
            raise
    return Restored(folder, size, len(kept), already=False)


def _write(repository: Repository, manifest: Manifest, file: File, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as out:
        for plain in read_pieces(repository, manifest, file):
            out.write(plain)
        out.flush()
        os.fsync(out.fileno())
        os.fchmod(out.fileno(), file.mode)
    os.utime(path, ns=(file.mtime_ns, file.mtime_ns))
