"""What was kept at a checkpoint's point, in a folder again: dumps, artefacts, references to snapshots.

Each file is checked as a checkpoint's are; the folder appears whole, or not at all.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from replicator.consistency.point import FOLDER
from replicator.errors import NothingToRestore
from replicator.repository.beside import require_beside
from replicator.repository.restore import Restored, write_files

if TYPE_CHECKING:
    from pathlib import Path

    from replicator.log.replay import Accepted
    from replicator.repository.repository import Repository


def restore_point(repository: Repository, accepted: Accepted, folder: Path) -> Restored:
    """NothingToRestore if no point was made with this checkpoint, saying why; DataCorrupt, DestinationOccupied."""
    point = accepted.what.point
    if point is None or not point.made:
        why = "no other system was to be kept" if point is None else f"no point was made: {point.reason}"
        raise NothingToRestore(f"{accepted.what.id()}: {why}")
    manifest = repository.manifest(accepted.where.manifest)
    require_beside(manifest, accepted)
    kept = [
        file.model_copy(update={"path": str(PurePosixPath(file.path).relative_to(FOLDER))})
        for file in manifest.beside
        if PurePosixPath(file.path).parts[0] == FOLDER
    ]
    return write_files(repository, manifest.model_copy(update={"files": tuple(kept)}), folder)
