"""Bringing a checkpoint back: every byte checked against the commit before the folder appears under its name.

Files are written beside the destination and checked block by block and as a whole; only then is the folder renamed
into place, so that a trainer's loader never sees anything that no digest vouches for (DESIGN, rule 13).
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blake3 import blake3

from replicator.errors import DestinationOccupied, ReplicatorError, StoreError
from replicator.log.records import digest
from replicator.repository.ladder import Ladder
from replicator.repository.names import to_disk
from replicator.repository.placing import contents_of, part_of, same_tree
from replicator.repository.placing import finish as make_links
from replicator.repository.reading import read_block
from replicator.repository.staging import (
    leftovers,
    missing_bytes,
    place,
    require_room,
    staging,
    staging_folder,
    write_files,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from replicator.log.replay import Accepted
    from replicator.repository.manifest import Manifest
    from replicator.repository.repository import Repository

__all__ = ["Restored", "holds", "read_block", "restore", "restore_from"]


@dataclass(frozen=True, slots=True)
class Restored:
    """`already` says that the destination held these very files and nothing was read."""

    path: Path
    size_bytes: int
    files: int
    already: bool


def restore(
    repository: Repository,
    accepted: Accepted,
    destination: Path,
    *,
    progress: Callable[[int], None] | None = None,
) -> Restored:
    """Write the checkpoint's files to `destination`, which must be absent, empty, or these same files already.

    `progress` gets the bytes written since it was last called, from several threads. DataCorrupt,
    DestinationOccupied.
    """
    return restore_from(Ladder([(repository, accepted)]), destination, progress=progress)


def restore_from(
    ladder: Ladder,
    destination: Path,
    *,
    only: Collection[str] | None = None,
    finish: Callable[[Path], None] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Restored:
    """The same from several repositories, and, with `only`, of these files (paths in the manifest) alone.

    Symbolic links and empty folders come with the whole only.

    `finish` may change the staged folder before it appears. What was fetched is kept beside the destination where
    another try can go on: after StoreUnavailable, a full disk, a kill.
    """
    tree = part_of(ladder.manifest, only)
    files = tree.files
    size = sum(file.size_bytes for file in files)
    if finish is None and holds(destination, tree):
        return Restored(destination, size, len(files), already=True)
    if destination.is_symlink() or (destination.exists() and (not destination.is_dir() or any(destination.iterdir()))):
        raise DestinationOccupied(f"{destination} holds something else")
    token = ladder.what.root if only is None else digest(f"{ladder.what.root} {sorted(only)}".encode())
    staged = staging_folder(destination, token[:16])
    try:
        contents = contents_of(tree)
        require_room(destination, missing_bytes(contents, staged))
        with staging(destination, token[:16]) as staged:
            try:
                write_files(ladder, contents, staged, progress)
                make_links(staged, tree)
                if finish is not None:
                    finish(staged)
                place(staged, destination, lambda: holds(destination, tree))
            except (StoreError, OSError, KeyboardInterrupt):
                raise
            except BaseException:
                shutil.rmtree(staged, ignore_errors=True)
                raise
    except OSError as error:
        raise ReplicatorError(
            f"{destination}: {error.strerror or error}",
            hint=f"Free space, or use another --to. What was fetched is kept in {staged}; the same command goes on.",
        ) from error
    for old in leftovers(destination):
        shutil.rmtree(old, ignore_errors=True)
    return Restored(destination, size, len(files), already=False)


def holds(destination: Path, manifest: Manifest) -> bool:
    """Whether `destination` has exactly the manifest's files and links, byte for byte."""
    if not destination.is_dir() or not same_tree(destination, manifest):
        return False
    return all(_digest_of(destination / to_disk(file.path)) == file.digest for file in manifest.files)


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        whole = blake3()
        while chunk := file.read(1 << 22):
            whole.update(chunk)
    return whole.hexdigest()
