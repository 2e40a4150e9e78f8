"""Sending the blocks that a repository lacks: read again, checked and encoded by several threads, placed in order.

Memory is bounded: `_AHEAD` blocks for each thread, with their encodings, beside what the writer of packs holds.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from replicator.codec.plain import encode
from replicator.repository.scan import threads_here

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future

    from replicator.repository.manifest import Block
    from replicator.repository.packs import PackWriter
    from replicator.repository.snapshot import Snapshot, SourceBlock, SourceFile

_AHEAD = 2


class Missing(NamedTuple):
    """A block of a snapshot, and the id under which it is stored."""

    name: str
    snapshot: Snapshot
    source: SourceFile
    block: SourceBlock

    def encoded(self) -> tuple[str, bytes]:
        """SourceChanged if it is not what the snapshot saw."""
        return encode(self.snapshot.read(self.source, self.block))


def send(writer: PackWriter, missing: Sequence[Missing]) -> list[Block]:
    """Their places, in the same order. SourceChanged, StoreError; what was placed before that may be in the store."""
    made: list[Block] = []
    coming: deque[tuple[Missing, Future[tuple[str, bytes]]]] = deque()
    threads = threads_here()

    def take() -> None:
        each, encoding = coming.popleft()
        made.append(writer.add(each.name, each.block.size_bytes, *encoding.result()))

    with ThreadPoolExecutor(threads, thread_name_prefix="encode") as pool:
        try:
            for each in missing:
                coming.append((each, pool.submit(each.encoded)))
                if len(coming) > _AHEAD * threads:
                    take()
            while coming:
                take()
        finally:
            pool.shutdown(cancel_futures=True)
    return made
