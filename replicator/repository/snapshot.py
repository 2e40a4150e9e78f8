"""A checkpoint's files as they were read once: blocks and their digests, tensors and what admission needs of them.

Memory is bounded by one block. Files that change while they are read are noticed (SourceChanged).
"""

from __future__ import annotations

import math
import os
import stat
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from blake3 import blake3

from replicator.admission import Summariser
from replicator.errors import CheckpointTorn, SourceChanged
from replicator.formats.parse import parse
from replicator.formats.tensors import TensorRange
from replicator.repository.blocks import cut
from replicator.repository.manifest import File, TensorEntry

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from replicator.admission import TensorSummary
    from replicator.formats.tensors import ParsedCheckpoint


_BYTES = "bytes"


class SourceBlock(NamedTuple):
    offset: int
    size_bytes: int
    digest: str


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file of the checkpoint; `file` is its manifest entry but for the blocks' places."""

    file: File
    blocks: tuple[SourceBlock, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    root: Path
    files: tuple[SourceFile, ...]
    tensors: tuple[TensorEntry, ...]
    notes: tuple[str, ...]
    beside: Snapshot | None = None
    """What is kept with the checkpoint and is no file of it, below a folder of its own."""

    @property
    def entries(self) -> tuple[File, ...]:
        """The files as manifest entries, without their blocks."""
        return tuple(source.file for source in self.files)

    @property
    def size_bytes(self) -> int:
        return sum(source.file.size_bytes for source in self.files)

    @property
    def saved_at(self) -> float:
        """Unix seconds at which the newest file was last written."""
        return max((source.file.mtime_ns for source in self.files), default=0) / 1e9

    def read(self, source: SourceFile, block: SourceBlock) -> bytes:
        """The block's bytes, as they were when the snapshot was taken. SourceChanged otherwise."""
        with (self.root / source.file.path).open("rb") as file:
            file.seek(block.offset)
            data = file.read(block.size_bytes)
        if blake3(data).hexdigest() != block.digest:
            raise SourceChanged(f"{self.root / source.file.path} changed while it was being shipped")
        return data


def take_snapshot(root: Path, files: Sequence[str]) -> Snapshot:
    """Read every file of the checkpoint in `root` once.

    CheckpointTorn if one is gone or there is none, SourceChanged if one changes.
    """
    if root.is_file():
        root, files = root.parent, [root.name]
    if not files:
        raise CheckpointTorn(f"{root} has no file")
    parsed = parse(root, files)
    by_file = _by_file(parsed)
    sources: list[SourceFile] = []
    tensors: list[TensorEntry] = []
    for path in sorted(files):
        source, entries = _read_file(root, path, by_file.get(path, []))
        sources.append(source)
        tensors.extend(entries)
    return Snapshot(root, tuple(sources), tuple(tensors), parsed.notes)


def _by_file(parsed: ParsedCheckpoint) -> dict[str, list[TensorRange]]:
    """Tensors of each file, and with them items that are no tensors, as tensors of bytes: admission judges both."""
    found: dict[str, list[TensorRange]] = {}
    for tensor in parsed.tensors:
        found.setdefault(tensor.file, []).append(tensor)
    for each in parsed.objects:
        item = TensorRange(each.name, each.file, each.offset, each.length, _BYTES, (each.length,))
        found.setdefault(each.file, []).append(item)
    return found


def _read_file(root: Path, path: str, tensors: list[TensorRange]) -> tuple[SourceFile, list[TensorEntry]]:
    try:
        with (root / path).open("rb") as file:
            before = os.fstat(file.fileno())
            whole = blake3()
            blocks: list[SourceBlock] = []
            gauge = _Gauge(tensors)
            for offset, length in cut(before.st_size, [(t.offset, t.length) for t in tensors]):
                data = file.read(length)
                if len(data) != length:
                    raise SourceChanged(f"{root / path} became shorter while it was being read")
                whole.update(data)
                blocks.append(SourceBlock(offset, length, blake3(data).hexdigest()))
                gauge.feed(offset, data)
            after = os.fstat(file.fileno())
    except FileNotFoundError as error:
        raise CheckpointTorn(f"{root / path} is gone") from error
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise SourceChanged(f"{root / path} changed while it was being read")
    entry = File(
        path=path, mode=stat.S_IMODE(before.st_mode), mtime_ns=before.st_mtime_ns, size_bytes=before.st_size,
        digest=whole.hexdigest(), blocks=(),
    )  # fmt: skip
    return SourceFile(entry, tuple(blocks)), gauge.finish()


class _Gauge:
    """Feeds each tensor's bytes to its summariser as the file streams by."""

    def __init__(self, tensors: list[TensorRange]) -> None:
        self._waiting = deque(sorted(tensors, key=lambda t: t.offset))
        self._open: list[tuple[TensorRange, Summariser]] = []
        self._done: list[TensorEntry] = []

    def feed(self, offset: int, data: bytes) -> None:
        end = offset + len(data)
        view = memoryview(data)
        while self._waiting and self._waiting[0].offset < end:
            tensor = self._waiting.popleft()
            self._open.append((tensor, Summariser(tensor.dtype)))
        still: list[tuple[TensorRange, Summariser]] = []
        for tensor, summariser in self._open:
            start, stop = max(tensor.offset, offset), min(tensor.offset + tensor.length, end)
            if start < stop:
                summariser.update(view[start - offset : stop - offset])
            if tensor.offset + tensor.length <= end:
                self._done.append(_entry(tensor, summariser.finish(name=tensor.name, shape=tensor.shape)))
            else:
                still.append((tensor, summariser))
        self._open = still

    def finish(self) -> list[TensorEntry]:
        for tensor in self._waiting:
            self._done.append(_entry(tensor, Summariser(tensor.dtype).finish(name=tensor.name, shape=tensor.shape)))
        return self._done


def _entry(tensor: TensorRange, summary: TensorSummary) -> TensorEntry:
    return TensorEntry(
        name=tensor.name, file=tensor.file, offset=tensor.offset, length=tensor.length, dtype=tensor.dtype,
        shape=tensor.shape, global_shape=tensor.global_shape, offsets=tensor.offsets, digest=summary.digest,
        nan_count=summary.nan_count, inf_count=summary.inf_count, zero_fraction=summary.zero_fraction,
        sum_squares=summary.sum_squares if math.isfinite(summary.sum_squares) else None,
    )  # fmt: skip
