"""torch DCP folders: `<anything><step>/.metadata` beside `__<rank>_<i>.distcp`, at the top or in folders below.

Invariant: a folder is complete only if every folder in it that holds `.distcp` files or a `.metadata` has a
`.metadata` that the restricted reader can read, every file that this names is there at the length it needs, and no
`.metadata.tmp` says that the folder is being written again.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from replicator.formats.dcp_metadata import read_metadata
from replicator.formats.errors import FormatError
from replicator.formats.source import open_source
from replicator.layouts.folders import by_step, judged, stepped_folders
from replicator.layouts.listing import METADATA_NAME, list_files

if TYPE_CHECKING:
    from collections.abc import Mapping

    from replicator.layouts.candidate import Candidate
    from replicator.layouts.listing import Listing

STORAGE_SUFFIX = ".distcp"


class DcpLayout:
    def find(self, root: Path) -> list[Candidate]:
        listed = ((path, list_files(path)) for path, _ in stepped_folders(root))
        return by_step([judge_dcp(path, listing) for path, listing in listed if is_dcp(listing)])


def is_dcp(listing: Listing) -> bool:
    """Whether this is, or is on its way to be, a DCP checkpoint."""
    return bool(_parts(listing))


def judge_dcp(folder: Path, listing: Listing) -> Candidate:
    parts = _parts(listing)
    faults = (_fault(folder, part, listing) for part in parts)
    fault = next((fault for fault in faults if fault is not None), None)
    return judged(folder, listing, fault, "every file that `.metadata` names is there")


def _parts(listing: Listing) -> list[PurePosixPath]:
    """The folders that must each be a whole DCP checkpoint: FSDP trainers put model and optimizer in two."""
    names = [PurePosixPath(name) for name in (*listing.files, *listing.temporary)]
    return sorted(
        {name.parent for name in names if name.suffix == STORAGE_SUFFIX or name.name.startswith(METADATA_NAME)}
    )


def _fault(folder: Path, part: PurePosixPath, listing: Listing) -> str | None:
    metadata = str(part / METADATA_NAME)
    if metadata not in listing.files:
        if any(PurePosixPath(name).match(str(part / "__*.metadata")) for name in listing.files):
            return f"`{metadata}` missing: every rank wrote its own, and nothing says how many ranks there were"
        return f"`{metadata}` missing"
    if f"{metadata}.tmp" in listing.temporary:
        return f"`{metadata}.tmp` is there: the checkpoint is being written again"
    try:
        needs = _needs(folder, metadata)
    except (FormatError, OSError) as error:
        return f"`{metadata}` unreadable: {error}"
    faults = (_file_fault(folder, str(part / name), needed, listing) for name, needed in sorted(needs.items()))
    return next((fault for fault in faults if fault is not None), None)


def _file_fault(folder: Path, file: str, needed: int, listing: Listing) -> str | None:
    try:
        size = (folder / file).stat().st_size if file in listing.files else None
    except FileNotFoundError:
        size = None
    if size is None:
        return f"`{file}` missing"
    return f"`{file}` has {size} of {needed} bytes" if size < needed else None


def _needs(folder: Path, metadata: str) -> Mapping[str, int]:
    status = (folder / metadata).stat()
    return _needs_of_version(folder, metadata, (status.st_ino, status.st_size, status.st_mtime_ns))


@lru_cache(maxsize=256)
def _needs_of_version(folder: Path, metadata: str, _version: tuple[int, int, int]) -> Mapping[str, int]:
    """A watcher asks again and again about checkpoints that do not change."""
    with open_source(folder, metadata) as source:
        return read_metadata(source).needs()
