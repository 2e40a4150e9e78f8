"""Where a file is cut: at tensor boundaries, and by content between them.

A tensor that did not change is found again wherever it moves, and so is what lies around bytes that were inserted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from replicator.repository.chunks import chunks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

BLOCK_BYTES = 4 * 1024 * 1024
OWN_BLOCK_BYTES = 64 * 1024


class Region(NamedTuple):
    """Bytes of a file that are cut in one way: every BLOCK_BYTES, or by their content."""

    offset: int
    length: int
    by_content: bool


def regions(size_bytes: int, tensors: Iterable[tuple[int, int]]) -> list[Region]:
    """The regions of a file, in order, covering it without gap or overlap.

    `tensors` are (offset, length) within the file, disjoint. One of at least OWN_BLOCK_BYTES is a region of its own;
    smaller ones and what lies between tensors are pooled, and cut by content.
    """
    own = sorted((offset, length) for offset, length in tensors if length >= OWN_BLOCK_BYTES and offset < size_bytes)
    found: list[Region] = []
    end = 0
    for offset, length in own:
        if offset > end:
            found.append(Region(end, offset - end, by_content=True))
        found.append(Region(offset, min(length, size_bytes - offset), by_content=False))
        end = offset + length
    if end < size_bytes:
        found.append(Region(end, size_bytes - end, by_content=True))
    return found


def blocks(read: Callable[[int], bytes], region: Region) -> Iterator[bytes]:
    """The blocks of a region, none longer than BLOCK_BYTES. `read` gives the file's next bytes, exactly as many."""
    if region.by_content:
        yield from chunks(read, region.length)
        return
    for at in range(0, region.length, BLOCK_BYTES):
        yield read(min(BLOCK_BYTES, region.length - at))
