"""torch DCP folders: `<anything><step>/.metadata` beside `__<rank>_<i>.distcp`, at the top or in folders below.

Invariant: a folder is complete only if every folder in it that holds `.distcp` files or a `.metadata` has a
`.metadata` that the restricted reader can read, every file that this names is there at the length it needs, and no
`.metadata.tmp` says that the folder is being written again.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from replicator.formats.dcp_metadata import read_metadata
from replicator.formats.errors import FormatError
from replicator.formats.source import open_source
from replicator.layouts.candidate import Certainty, Settle
from replicator.layouts.listing import METADATA_NAME
from replicator.layouts.steps import step_in
from replicator.layouts.wholeness import first

if TYPE_CHECKING:
    from collections.abc import Mapping

    from replicator.layouts.candidate import Candidate
    from replicator.layouts.listing import Listing
    from replicator.layouts.place import Place

STORAGE_SUFFIX = ".distcp"


class DcpLayout:
    name = "dcp"

    def judge(self, place: Place) -> Candidate | None:
        if place.is_file or not parts_of(place.listing) or place.is_run():
            return None
        return place.judged(
            self.name, step_in(place.name), dcp_fault(place.path, place.listing),
            "every file that `.metadata` names is there", certainty=Certainty.DECLARED, settle=Settle.AT_ONCE,
        )  # fmt: skip

    def resume(self, path: Path, step: int) -> str:
        del step
        return f"torch.distributed.checkpoint.load(state_dict, checkpoint_id={str(path)!r})"


def parts_of(listing: Listing) -> list[PurePosixPath]:
    """The folders that must each be a whole DCP checkpoint: FSDP trainers put model and optimizer in two."""
    names = [PurePosixPath(name) for name in (*listing.files, *listing.temporary)]
    return sorted(
        {name.parent for name in names if name.suffix == STORAGE_SUFFIX or name.name.startswith(METADATA_NAME)}
    )


def dcp_fault(folder: Path, listing: Listing) -> str | None:
    """The first reason why a folder's DCP parts are not whole; None if they are, or there is none."""
    return first(_fault(folder, part, listing) for part in parts_of(listing))


def holds_item(folder: Path, listing: Listing, item: str) -> bool:
    """Whether the `.metadata` at the top can be read and names `item`, or something of it (`item.…`)."""
    if METADATA_NAME not in listing.files:
        return False
    try:
        return item in _read(folder, METADATA_NAME).items
    except (FormatError, OSError):
        return False


def _fault(folder: Path, part: PurePosixPath, listing: Listing) -> str | None:
    metadata = str(part / METADATA_NAME)
    if metadata not in listing.files:
        if any(PurePosixPath(name).match(str(part / "__*.metadata")) for name in listing.files):
            return f"`{metadata}` missing: every rank wrote its own, and nothing says how many ranks there were"
        return f"`{metadata}` missing"
    if f"{metadata}.tmp" in listing.temporary:
        return f"`{metadata}.tmp` is there: the checkpoint is being written again"
    try:
        needs = _read(folder, metadata).needs
    except (FormatError, OSError) as error:
        return f"`{metadata}` unreadable: {error}"
    return first(_file_fault(folder, str(part / name), needed, listing) for name, needed in sorted(needs.items()))


def _file_fault(folder: Path, file: str, needed: int, listing: Listing) -> str | None:
    try:
        size = (folder / file).stat().st_size if file in listing.files else None
    except FileNotFoundError:
        size = None
    if size is None:
        return f"`{file}` missing"
    return f"`{file}` has {size} of {needed} bytes" if size < needed else None


@dataclass(frozen=True, slots=True)
class _Metadata:
    needs: Mapping[str, int]
    items: frozenset[str]
    """The first parts of the items' names."""


def _read(folder: Path, metadata: str) -> _Metadata:
    status = (folder / metadata).stat()
    return _read_version(folder, metadata, (status.st_ino, status.st_size, status.st_mtime_ns))


@lru_cache(maxsize=256)
def _read_version(folder: Path, metadata: str, _version: tuple[int, int, int]) -> _Metadata:
    """A watcher asks again and again about checkpoints that do not change."""
    with open_source(folder, metadata) as source:
        read = read_metadata(source)
    return _Metadata(read.needs(), frozenset(item.name.split(".")[0] for item in read.items))
