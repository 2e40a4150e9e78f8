"""Summing up one tensor while its bytes pass by.

Invariant: the summary depends on the bytes alone, not on how they were cut into chunks: they are measured in blocks
of the same elements whatever the chunks. Memory is one block.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import blake3

from replicator.admission.summary import TensorSummary
from replicator.formats.dtypes import ITEM_BYTES
from replicator.formats.errors import MetadataInvalid

if TYPE_CHECKING:
    from collections.abc import Callable

    from replicator.admission.elements import Measured

BLOCK_ELEMENTS = 65536
"""Small enough, as float32, for the second-level cache; large enough that Python's share of the time is small."""

BYTES = "bytes"
"""The dtype of an item that is not a tensor: only its digest is of interest."""


class Summariser:
    """Feed all bytes of one tensor, or of one shard, in order; then `finish` once."""

    def __init__(self, dtype: str) -> None:
        """Raises MetadataInvalid for a dtype that is neither in `ITEM_BYTES` nor "bytes"."""
        if dtype != BYTES and dtype not in ITEM_BYTES:
            raise MetadataInvalid(f"elements of {dtype} have no byte length of their own")
        self.dtype = dtype
        self._item_bytes = ITEM_BYTES.get(dtype, 1)
        self._measured = None if dtype == BYTES else _measuring(dtype)
        self._block_bytes = BLOCK_ELEMENTS * self._item_bytes
        self._digest = blake3.blake3()
        self._carry = bytearray()
        self._nan = self._inf = self._zero = 0
        self._sum_squares = 0.0
        self._length = 0

    def update(self, chunk: bytes | bytearray | memoryview) -> None:
        view = memoryview(chunk).cast("B")
        self._digest.update(view)
        self._length += len(view)
        if self._measured is None:
            return
        if self._carry:
            wanted = self._block_bytes - len(self._carry)
            self._carry += view[:wanted]
            view = view[wanted:]
            if len(self._carry) < self._block_bytes:
                return
            self._measure(memoryview(self._carry))
            self._carry = bytearray()
        whole = len(view) - len(view) % self._block_bytes
        self._measure(view[:whole])
        self._carry += view[whole:]

    def finish(self, name: str = "", shape: tuple[int, ...] | None = None) -> TensorSummary:
        """`shape` of the whole tensor where it is known. Raises MetadataInvalid if the last element is cut off."""
        if self._length % self._item_bytes:
            raise MetadataInvalid(f"{name!r}: {self._length} bytes are no whole number of {self.dtype}")
        self._measure(memoryview(self._carry))
        size = self._length // self._item_bytes
        parts = size * (2 if self.dtype.startswith("complex") else 1)
        return TensorSummary(
            name=name,
            dtype=self.dtype,
            shape=(size,) if shape is None else shape,
            digest=self._digest.hexdigest(),
            nan_count=self._nan,
            inf_count=self._inf,
            zero_fraction=self._zero / parts if parts else 0.0,
            sum_squares=self._sum_squares,
            size=size,
        )

    def _measure(self, view: memoryview) -> None:
        if self._measured is None:
            return
        for start in range(0, len(view), self._block_bytes):
            more = self._measured(view[start : start + self._block_bytes])
            self._nan, self._inf, self._zero = self._nan + more.nan, self._inf + more.inf, self._zero + more.zero
            self._sum_squares += more.sum_squares


def _measuring(dtype: str) -> Callable[[memoryview], Measured]:
    from replicator.admission.elements import measuring  # noqa: PLC0415 - numpy takes long, and known tensors need none

    return measuring(dtype)
