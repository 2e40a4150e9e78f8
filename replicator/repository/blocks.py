"""Where a file is cut: at tensor boundaries, so that a tensor that did not change is found again wherever it moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

BLOCK_BYTES = 4 * 1024 * 1024
OWN_BLOCK_BYTES = 64 * 1024


def cut(size_bytes: int, tensors: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """(offset, length) of each block of a file, in order, covering it without gap or overlap.

    `tensors` are (offset, length) within the file, disjoint. One of at least OWN_BLOCK_BYTES begins and ends a
    block; smaller ones and what lies between tensors are pooled; no block is longer than BLOCK_BYTES.
    """
    edges = {0, size_bytes}
    for offset, length in tensors:
        if length >= OWN_BLOCK_BYTES:
            edges.update((offset, offset + length))
    ordered = sorted(edge for edge in edges if 0 <= edge <= size_bytes)
    blocks: list[tuple[int, int]] = []
    for start, end in zip(ordered, ordered[1:], strict=False):
        blocks.extend((at, min(BLOCK_BYTES, end - at)) for at in range(start, end, BLOCK_BYTES))
    return blocks
