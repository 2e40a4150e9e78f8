"""Reading files once, with several threads: their blocks with digests, their own digest, what admission needs of tensors.

Blocks are read and hashed ahead, and gone through in order. Memory is bounded by the blocks that are ahead: `_AHEAD` for
each thread. A file that changes while it is read is noticed (SourceChanged).
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from itertools import islice, takewhile
from queue import SimpleQueue
from typing import TYPE_CHECKING, NamedTuple

from blake3 import blake3

from replicator.errors import SourceChanged
from replicator.repository import blocks as cutting
from replicator.repository.gauge import Gauge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future
    from pathlib import Path

    from replicator.formats.tensors import TensorRange
    from replicator.repository.gauge import Again
    from replicator.repository.known import Following, Known
    from replicator.repository.manifest import TensorEntry

    Job = Callable[[], tuple["Piece", bytearray | None]]

_MOST_THREADS = 4
_AHEAD = 2


class Piece(NamedTuple):
    """A block that was read. `data` is good until the next one is asked for."""

    data: memoryview
    digest: str


class Block(NamedTuple):
    offset: int
    size_bytes: int
    digest: str


class Scanned(NamedTuple):
    blocks: list[Block]
    digest: str
    tensors: list[TensorEntry]


def threads_here() -> int:
    """How many threads may work on blocks: as many as this process has processors, and no more than a few."""
    return max(1, min(_MOST_THREADS, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1))


class Scanner:
    """For one thread at a time; its own are gone after `close`."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._ahead = _AHEAD * threads_here()
        self._pool = ThreadPoolExecutor(threads_here(), thread_name_prefix="scan")
        self._buffers = _Buffers(self._ahead, cutting.BLOCK_BYTES)

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    def scan(self, descriptor: int, path: Path, size_bytes: int, tensors: list[TensorRange]) -> Scanned:
        """The file that is open as `descriptor`. `path` names it in errors."""
        source = _Source(descriptor, path)
        blocks: list[Block] = []

        def again(offset: int, length: int) -> Iterator[memoryview]:
            return self._again(source, blocks, offset, length)

        gauge, whole = Gauge(tensors, self._known, again), _Whole(self._known, again)
        offset = 0
        for piece in self._pieces(source, size_bytes, tensors):
            name = self._known.name(piece.digest)
            blocks.append(Block(offset, len(piece.data), piece.digest))
            whole.take(offset, piece.data, name)
            gauge.feed(offset, piece.data, name)
            offset += len(piece.data)
        return Scanned(blocks, whole.digest(offset), gauge.finish())

    def _again(self, source: _Source, blocks: list[Block], offset: int, length: int) -> Iterator[memoryview]:
        """A range of blocks that were read before, a second time. SourceChanged unless they are as they were then."""
        end = offset + length
        first = max(0, bisect_right(blocks, offset, key=lambda block: block.offset) - 1)
        wanted = list(takewhile(lambda block: block.offset < end, islice(blocks, first, None)))
        buffers = _Buffers(self._ahead, max((block.size_bytes for block in wanted), default=0))
        jobs = (_reading(source, block.offset, block.size_bytes, buffers) for block in wanted)
        for block, piece in zip(wanted, self._in_order(jobs, buffers), strict=True):
            if piece.digest != block.digest:
                raise source.changed()
            yield piece.data[max(0, offset - block.offset) : end - block.offset]

    def _pieces(self, source: _Source, size_bytes: int, tensors: list[TensorRange]) -> Iterator[Piece]:
        return self._in_order(self._jobs(source, size_bytes, tensors), self._buffers)

    def _in_order(self, jobs: Iterator[Job], buffers: _Buffers) -> Iterator[Piece]:
        coming: deque[Future[tuple[Piece, bytearray | None]]] = deque()
        try:
            while True:
                while len(coming) < self._ahead and (job := next(jobs, None)) is not None:
                    coming.append(self._pool.submit(job))
                if not coming:
                    return
                piece, buffer = coming.popleft().result()
                yield piece
                if buffer is not None:
                    buffers.give_back(buffer)
        finally:
            for each in coming:
                each.cancel()

    def _jobs(self, source: _Source, size_bytes: int, tensors: list[TensorRange]) -> Iterator[Job]:
        block_bytes = cutting.BLOCK_BYTES
        for region in cutting.regions(size_bytes, [(t.offset, t.length) for t in tensors]):
            if region.by_content:
                for data in cutting.blocks(source.reader(region.offset), region):
                    yield _hashing(data)
                continue
            for at in range(region.offset, region.offset + region.length, block_bytes):
                length = min(block_bytes, region.offset + region.length - at)
                yield _reading(source, at, length, self._buffers)


class _Buffers:
    """No more are made than can be ahead, and one that is being looked at."""

    def __init__(self, ahead: int, size_bytes: int) -> None:
        self._left = ahead + 1
        self._size_bytes = size_bytes
        self._free: SimpleQueue[bytearray] = SimpleQueue()

    def take(self) -> bytearray:
        if self._left:
            self._left -= 1
            return bytearray(self._size_bytes)
        return self._free.get_nowait()

    def give_back(self, buffer: bytearray) -> None:
        self._free.put(buffer)


def _reading(source: _Source, offset: int, length: int, buffers: _Buffers) -> Job:
    buffer = buffers.take()

    def job() -> tuple[Piece, bytearray | None]:
        view = memoryview(buffer)[:length]
        source.fill(view, offset)
        return Piece(view, blake3(view).hexdigest()), buffer

    return job


def _hashing(data: bytes) -> Job:
    return lambda: (Piece(memoryview(data), blake3(data).hexdigest()), None)


class _Source:
    def __init__(self, descriptor: int, path: Path) -> None:
        self._descriptor = descriptor
        self._path = path

    def changed(self) -> SourceChanged:
        return SourceChanged(f"{self._path} changed while it was being read")

    def fill(self, view: memoryview, offset: int) -> None:
        while view:
            count = os.preadv(self._descriptor, [view], offset)
            if not count:
                raise SourceChanged(f"{self._path} became shorter while it was being read")
            view, offset = view[count:], offset + count

    def reader(self, offset: int) -> Callable[[int], bytes]:
        """Gives the bytes from there on, each time exactly as many as are asked for."""
        at = offset

        def read(length: int) -> bytes:
            nonlocal at
            data = os.pread(self._descriptor, length, at)
            if len(data) < length:
                rest = bytearray(length - len(data))
                self.fill(memoryview(rest), at + len(data))
                data += rest
            at += length
            return data

        return read


class _Whole:
    """The file's own digest: taken from what is known for as long as every block is, else computed."""

    def __init__(self, known: Known, again: Again) -> None:
        self._known = known
        self._again = again
        self._follows: Following[str] | None = None
        self._hash: blake3 | None = None

    def take(self, offset: int, data: memoryview, name: str) -> None:
        if offset == 0:
            self._follows = self._known.file(name)
        if self._follows is not None and self._follows.goes_on(name):
            return
        self._follows = None
        if self._hash is None:
            self._hash = self._hashed(offset)
        self._hash.update(data)

    def digest(self, size_bytes: int) -> str:
        told = None if self._follows is None else self._follows.end()
        if told is not None:
            return told
        return (self._hash or self._hashed(size_bytes)).hexdigest()

    def _hashed(self, size_bytes: int) -> blake3:
        whole = blake3()
        for piece in self._again(0, size_bytes):
            whole.update(piece)
        return whole
