"""What makes a restored folder the one that was saved, beside the bytes of its files: links, empty folders, holes.

Invariant: nothing is written through a link. Links are made last, and one that turns out to lead out of the folder
ends the restore.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from replicator.errors import DataCorrupt
from replicator.repository.names import to_disk

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from replicator.repository.manifest import File, Manifest

HOLE_BYTES = 64 * 1024
"""So many zeros on end become a hole."""
_ZEROS = bytes(HOLE_BYTES)


def contents_of(manifest: Manifest) -> list[File]:
    """The files to write: those that are no other name of one before them."""
    return [file for file in manifest.files if file.hard_link is None]


def part_of(manifest: Manifest, only: Collection[str] | None) -> Manifest:
    """The manifest of these files alone, without links and empty folders; all of it for None."""
    if only is None:
        return manifest
    files = [
        file if file.hard_link in only else file.model_copy(update={"hard_link": None})
        for file in manifest.files
        if file.path in only
    ]
    return manifest.model_copy(update={"files": tuple(files), "links": (), "folders": ()})


def write_sparse(descriptor: int, data: bytes) -> None:
    """Write at the file's place, leaving holes for zeros. Whoever ends the file gives it its length."""
    view = memoryview(data)
    written = 0
    for start in range(0, len(view), HOLE_BYTES):
        piece = view[start : start + HOLE_BYTES]
        if is_hole(piece):
            _write(descriptor, view[written:start])
            os.lseek(descriptor, len(piece), os.SEEK_CUR)
            written = start + len(piece)
    _write(descriptor, view[written:])


def is_hole(piece: memoryview) -> bool:
    """Whether nothing but zeros is in it. At most HOLE_BYTES."""
    return not piece[0] and bytes(piece) == _ZEROS[: len(piece)]


def _write(descriptor: int, view: memoryview) -> None:
    while view:
        view = view[os.write(descriptor, view) :]


def finish(folder: Path, manifest: Manifest) -> None:
    """After all contents are written: other names of files, empty folders, then symbolic links. DataCorrupt."""
    for file in manifest.files:
        if file.hard_link is not None:
            path = folder / to_disk(file.path)
            path.parent.mkdir(parents=True, exist_ok=True)
            os.link(folder / to_disk(file.hard_link), path)
    for each in manifest.folders:
        path = folder / to_disk(each.path)
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(each.mode)
        os.utime(path, ns=(each.mtime_ns, each.mtime_ns))
    for link in manifest.links:
        path = folder / to_disk(link.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(to_disk(link.target))
    inside = os.path.realpath(folder)
    for link in manifest.links:
        if not os.path.realpath(folder / to_disk(link.path)).startswith(inside + os.sep):
            raise DataCorrupt(f"the link {link.path!r} leads out of the checkpoint")


def same_tree(folder: Path, manifest: Manifest) -> bool:
    """Whether `folder` has exactly the manifest's names, each of its kind, and the links lead where they should."""
    files: set[str] = set()
    links: dict[str, str] = {}
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            links[name] = str(path.readlink())
        elif path.is_file():
            files.add(name)
    return (
        files == {to_disk(file.path) for file in manifest.files}
        and links == {to_disk(link.path): to_disk(link.target) for link in manifest.links}
        and all((folder / to_disk(each.path)).is_dir() for each in manifest.folders)
    )
