"""A file of a checkpoint, fetched as far as it is needed; the rest of it is holes.

Invariant: bytes that `bring` was asked for lay in blocks that matched their digests; a file that is there as a whole
matched its own.
"""

from __future__ import annotations

import os
import threading
from bisect import bisect_left, bisect_right
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple, cast

from blake3 import blake3

from replicator.errors import DataCorrupt, ReplicatorError
from replicator.formats.source import Source

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from replicator.repository.ladder import Ladder, Unit
    from replicator.repository.manifest import File

_READ_BYTES = 1 << 22


class Missing(NamedTuple):
    """Blocks of the file that follow each other, and that one thread has to read; `first` is the position of the first."""

    first: int
    unit: Unit


class SparseFile:
    """`file` of the ladder's checkpoint at `path`. For any thread; `close` it."""

    def __init__(self, ladder: Ladder, file: File, path: Path) -> None:
        self._ladder = ladder
        self._file = file
        blocks = ladder.manifest.blocks
        self._starts = list(accumulate((blocks[index].size_bytes for index in file.blocks), initial=0))
        self._there: list[Future[None] | None] = [None] * len(file.blocks)
        """For each block: done where it is there, pending while a thread fetches it."""
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
        os.ftruncate(self._fd, file.size_bytes)

    @property
    def source(self) -> Source:
        """The file for parsers: what they read of it is brought first."""
        return _Fetching(self._fd, self._file.path, self._file.size_bytes, self)

    def claim(self, ranges: Iterable[tuple[int, int]]) -> tuple[list[Missing], list[Future[None]]]:
        """What the caller has to `read` so that these bytes (offset, length) are there, and what other threads bring."""
        wanted: set[int] = set()
        for offset, length in ranges:
            first = max(0, bisect_right(self._starts, offset) - 1)
            wanted.update(range(first, bisect_left(self._starts, offset + length)))
        with self._lock:
            coming = [future for position in sorted(wanted) if (future := self._there[position]) is not None]
            mine = sorted(position for position in wanted if self._there[position] is None)
            for position in mine:
                self._there[position] = Future()
        found: list[Missing] = []
        for first, end in _runs(mine):
            position = first
            for unit in self._ladder.units(self._file, first=first, end=end):
                found.append(Missing(position, unit))
                position += len(unit.blocks)
        return found, coming

    def read(self, missing: Missing) -> None:
        """Fetch and keep what `claim` gave. DataCorrupt, StoreUnavailable; others who wait for it get that too."""
        first, unit = missing
        futures = [cast("Future[None]", future) for future in self._there[first : first + len(unit.blocks)]]
        try:
            plain = memoryview(self._ladder.read(unit))
            written = 0
            while written < len(plain):
                written += os.pwrite(self._fd, plain[written:], unit.offset + written)
        except BaseException as error:
            for future in futures:
                future.set_exception(error)
            raise
        for future in futures:
            future.set_result(None)

    def bring(self, offset: int, length: int) -> None:
        """Have these bytes there. DataCorrupt, StoreUnavailable."""
        mine, coming = self.claim([(offset, length)])
        failed: list[ReplicatorError | OSError] = []
        for missing in mine:
            try:
                self.read(missing)
            except (ReplicatorError, OSError) as error:
                failed.append(error)  # the rest is claimed, and somebody may wait for it
        for error in failed:
            raise error
        for future in coming:
            future.result()

    def check(self) -> None:
        """DataCorrupt if all of it is there and is not what its commit says."""
        if not all(future is not None and future.done() for future in self._there):
            return
        whole, offset = blake3(), 0
        while piece := os.pread(self._fd, _READ_BYTES, offset):
            whole.update(piece)
            offset += len(piece)
        if whole.hexdigest() != self._file.digest:
            raise DataCorrupt(f"{self._file.path} is not what its commit says")

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


@dataclass(frozen=True, slots=True)
class _Fetching(Source):
    file: SparseFile

    def read(self, offset: int, length: int) -> bytes:
        self.file.bring(offset, length)
        return Source.read(self, offset, length)


def _runs(positions: list[int]) -> list[tuple[int, int]]:
    """Positions in order as (first, end) of those that follow each other."""
    found: list[tuple[int, int]] = []
    for position in positions:
        if found and found[-1][1] == position:
            found[-1] = (found[-1][0], position + 1)
        else:
            found.append((position, position + 1))
    return found
