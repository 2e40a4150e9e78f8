"""A torch DCP folder: `.metadata` says where each item lies, each item says where its tensor's elements lie.

Invariant: an item becomes a tensor only where the two agree on dtype and shape; every other one stays opaque, with a
note, and takes no other item with it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from replicator.formats.dcp_metadata import read_metadata
from replicator.formats.errors import ArchiveInvalid, FormatError, HeaderInvalid, SourceUnreadable
from replicator.formats.safetensors import read_header
from replicator.formats.source import open_source
from replicator.formats.tensors import ObjectRange, TensorRange
from replicator.formats.torch_archive import DIRECTORY_BUDGET_BYTES, find_tensor

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from replicator.formats.dcp_metadata import Piece, StoredItem
    from replicator.formats.safetensors import Entry
    from replicator.formats.source import Source

METADATA_NAME = ".metadata"
ARCHIVE_MAGIC = b"PK\x03\x04"


@dataclass(slots=True)
class Found:
    """What a reader has gathered so far, before overlaps are judged."""

    tensors: list[TensorRange] = field(default_factory=list[TensorRange])
    objects: list[ObjectRange] = field(default_factory=list[ObjectRange])
    notes: list[str] = field(default_factory=list[str])


def read_dcp(root: Path, metadata_file: str, files: Collection[str], found: Found) -> None:
    """Add the tensors of the DCP checkpoint whose `.metadata` is `metadata_file`, one of `files`."""
    folder = PurePosixPath(metadata_file).parent
    by_file: defaultdict[str, list[StoredItem]] = defaultdict(list)
    try:
        with open_source(root, metadata_file) as source:
            for item in read_metadata(source).items:
                by_file[str(folder / item.file)].append(item)
    except FormatError as error:
        found.notes.append(f"`{metadata_file}`: {error}")
        return
    for file, items in sorted(by_file.items()):
        if file not in files:
            found.notes.append(f"`{metadata_file}` names `{file}`, which is not part of the checkpoint")
            continue
        try:
            with open_source(root, file) as source:
                _StorageFile(source, items).read(found)
        except FormatError as error:
            found.notes.append(f"`{file}`: {error}")


class _StorageFile:
    def __init__(self, source: Source, items: list[StoredItem]) -> None:
        self.source = source
        self.items = sorted(items, key=lambda item: (item.offset, item.length))
        self.shards_of = Counter(item.name for item in items if item.piece is not None)
        self.bodies: dict[int, tuple[int, dict[str, Entry]]] = {}

    def read(self, found: Found) -> None:
        shared = self._shared_bytes()
        if shared is not None:
            found.notes.append(f"`{self.source.name}`: {shared}")
            return
        for item in self.items:
            if item.piece is None:
                self._read_object(item, found)
                continue
            try:
                found.tensors.append(self._tensor(item, item.piece))
            except FormatError as error:
                found.notes.append(f"`{self.source.name}`: {item.name!r}: {error}")

    def _shared_bytes(self) -> str | None:
        """Items may share bytes only where torch wrote one safetensors body for all tensors of the file."""
        end, before = 0, ""
        for item in self.items:
            if item.length and item.offset < end and not self._is_safetensors(item):
                return f"{item.name!r} overlaps {before!r}"
            if item.offset + item.length > end:
                end, before = item.offset + item.length, item.name
        return None

    def _is_safetensors(self, item: StoredItem) -> bool:
        return item.piece is not None and not self._begins_archive(item)

    def _begins_archive(self, item: StoredItem) -> bool:
        size = len(ARCHIVE_MAGIC)
        inside = item.offset + size <= self.source.size_bytes
        return inside and self.source.read(item.offset, size) == ARCHIVE_MAGIC

    def _read_object(self, item: StoredItem, found: Found) -> None:
        if item.offset + item.length > self.source.size_bytes:
            raise SourceUnreadable(
                f"`{self.source.name}` has {self.source.size_bytes} of {item.offset + item.length} bytes"
            )
        found.objects.append(ObjectRange(item.name, self.source.name, item.offset, item.length))

    def _tensor(self, item: StoredItem, piece: Piece) -> TensorRange:
        if item.transformed:
            raise ArchiveInvalid("its bytes went through a stream extension")
        if not self._begins_archive(item):
            return self._tensor_in_safetensors(item, piece)
        window = self.source.window(item.offset, item.length, budget_bytes=DIRECTORY_BUDGET_BYTES)
        inner = find_tensor(window)
        if (inner.dtype, inner.shape) != (piece.dtype, piece.shape):
            raise ArchiveInvalid(f"{inner.dtype}{inner.shape} is stored, `.metadata` says {piece.dtype}{piece.shape}")
        return self._range(item, piece, inner.offset, inner.length, inner.strides)

    def _tensor_in_safetensors(self, item: StoredItem, piece: Piece) -> TensorRange:
        """`FileSystemWriter(serialization_format=SAFETENSORS)`: one body at the offset that all tensors name."""
        if self.shards_of[item.name] != 1:
            raise HeaderInvalid("several shards of one tensor cannot be told apart in one safetensors body")
        if item.offset not in self.bodies:
            header = read_header(self.source, item.offset)
            self.bodies[item.offset] = header.buffer_start, {entry.name: entry for entry in header.entries}
        buffer_start, entries = self.bodies[item.offset]
        entry = entries.get(item.name)
        if entry is None or (entry.dtype, entry.shape) != (piece.dtype, piece.shape):
            raise HeaderInvalid(f"the safetensors body does not hold it as {piece.dtype}{piece.shape}")
        start = item.offset + buffer_start + entry.begin
        return self._range(item, piece, start, entry.end - entry.begin, None)

    def _range(
        self, item: StoredItem, piece: Piece, offset: int, length: int, strides: tuple[int, ...] | None
    ) -> TensorRange:
        return TensorRange(
            name=item.name,
            file=self.source.name,
            offset=offset,
            length=length,
            dtype=piece.dtype,
            shape=piece.shape,
            global_shape=piece.global_shape,
            offsets=piece.offsets,
            strides=strides,
        )
