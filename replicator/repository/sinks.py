"""Where the bytes of a restored file go: past the page cache where the file is large and its file system allows it.

A checkpoint is larger than what a page cache keeps well, and is synced at once anyway: written through the cache it is
copied twice, and waits at the end for the disk. Invariant: zeros become holes either way, and what was put is in the file
once `finish` returns; only a sync makes it last.
"""

from __future__ import annotations

import errno
import mmap
import os
from typing import TYPE_CHECKING, Protocol

from replicator.repository.placing import HOLE_BYTES, is_hole, write_sparse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Executor, Future
    from pathlib import Path

ALIGNED_BYTES = 4096
"""Address, length and offset of a direct write are multiples of it: what logical blocks of disks divide."""
BUFFER_BYTES = 4 * 1024 * 1024
DIRECT_BYTES = 8 * 1024 * 1024
"""From this size on a file is written past the page cache."""
_FLUSH_BYTES = 32 * 1024 * 1024
"""After so many bytes in the page cache the disk is made to begin writing them."""

_sync_data = getattr(os, "fdatasync", os.fsync)


class Sink(Protocol):
    """One file, from some offset on, in order. OSError of a write may come with a later call."""

    def put(self, plain: bytes) -> None: ...

    def finish(self) -> None:
        """Everything is in the file, which may be longer than it shall be, or end before its last hole."""
        ...

    def close(self) -> None:
        """Wait for what is under way, and let go. Never raises."""
        ...


def sink(path: Path, descriptor: int, at: int, size_bytes: int, beside: Executor) -> Sink:
    """For the rest of a file of `size_bytes`, open for reading and writing, that ends at `at`. `beside` does the writing."""
    if size_bytes - at >= DIRECT_BYTES:
        try:
            direct = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_DIRECT)
        except (AttributeError, OSError):  # another system, or a file system that has only its cache
            return Buffered(descriptor, beside)
        return Direct(direct, descriptor, at, beside)
    return Buffered(descriptor, beside)


class Buffered:
    """Through the page cache, at the descriptor's own place; the disk writes while the rest is fetched."""

    def __init__(self, descriptor: int, beside: Executor) -> None:
        self._descriptor = descriptor
        self._beside = beside
        self._flushing: Future[None] | None = None
        self._unflushed = 0

    def put(self, plain: bytes) -> None:
        write_sparse(self._descriptor, plain)
        self._unflushed += len(plain)
        if self._unflushed < _FLUSH_BYTES or (self._flushing is not None and not self._flushing.done()):
            return
        if self._flushing is not None:
            self._flushing.result()
        self._flushing = self._beside.submit(_sync_data, self._descriptor)
        self._unflushed = 0

    def finish(self) -> None:
        if self._flushing is not None:
            self._flushing.result()

    def close(self) -> None:
        if self._flushing is not None:
            self._flushing.exception()


class Direct:
    """Past the page cache, from two aligned buffers: one is filled while the other is written."""

    def __init__(self, direct: int, descriptor: int, at: int, beside: Executor) -> None:
        """Owns `direct`, which is open with O_DIRECT; `descriptor` is the same file through the cache."""
        self._direct = direct
        self._descriptor = descriptor
        self._beside = beside
        self._free = [mmap.mmap(-1, BUFFER_BYTES), mmap.mmap(-1, BUFFER_BYTES)]
        self._writing: Future[None] | None = None
        self._buffer = self._free.pop()
        self._base = at - at % ALIGNED_BYTES
        self._held = at - self._base
        self._buffer[: self._held] = os.pread(descriptor, self._held, self._base)

    def put(self, plain: bytes) -> None:
        view = memoryview(plain)
        while view:
            count = min(len(view), BUFFER_BYTES - self._held)
            self._buffer[self._held : self._held + count] = view[:count]
            self._held += count
            view = view[count:]
            if self._held == BUFFER_BYTES:
                self._send()

    def finish(self) -> None:
        over = -self._held % ALIGNED_BYTES
        self._buffer[self._held : self._held + over] = bytes(over)
        self._held += over
        self._send()
        self._settle()

    def close(self) -> None:
        if self._writing is not None:
            self._writing.exception()
        os.close(self._direct)

    def _send(self) -> None:
        self._settle()
        buffer, base, held = self._buffer, self._base, self._held
        self._buffer = self._free.pop()
        self._writing = self._beside.submit(self._write, buffer, base, held)
        self._free.insert(0, buffer)  # taken again only after `_settle`
        self._base, self._held = base + held, 0

    def _settle(self) -> None:
        if self._writing is not None:
            writing, self._writing = self._writing, None
            writing.result()

    def _write(self, buffer: mmap.mmap, base: int, held: int) -> None:
        with memoryview(buffer) as whole:
            for start, end in _runs(whole[:held]):
                at = start
                while at < end:
                    with whole[at:end] as piece:
                        at += self._pwrite(piece, base + at)

    def _pwrite(self, piece: memoryview, offset: int) -> int:
        try:
            return os.pwrite(self._direct, piece, offset)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
        return os.pwrite(self._descriptor, piece, offset)  # its alignment is another one: through the cache


def _runs(view: memoryview) -> Iterator[tuple[int, int]]:
    """What is to be written of a buffer: all but runs of zeros."""
    begins = 0
    for start in range(0, len(view), HOLE_BYTES):
        piece = view[start : start + HOLE_BYTES]
        if is_hole(piece):
            if start > begins:
                yield begins, start
            begins = start + len(piece)
    if len(view) > begins:
        yield begins, len(view)
