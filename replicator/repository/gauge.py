"""The tensors of one file, summed up as its blocks stream by; those that an earlier checkpoint had are not counted again."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from replicator.admission import Summariser
from replicator.repository.known import Place
from replicator.repository.manifest import TensorEntry
from replicator.repository.names import to_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from replicator.admission import TensorSummary
    from replicator.formats.tensors import TensorRange
    from replicator.repository.known import Following, Known

    Again = Callable[[int, int], Iterator[memoryview]]


@dataclass(slots=True)
class _Open:
    """A tensor that has begun and not ended: it follows one that is known, or is summed up."""

    tensor: TensorRange
    follows: Following[TensorEntry] | None
    summariser: Summariser | None = None


class Gauge:
    """`again` reads a range of the file once more: for a tensor that began like a known one, and then did not go on so."""

    def __init__(self, tensors: list[TensorRange], known: Known, again: Again) -> None:
        self._waiting = deque(sorted(tensors, key=lambda t: t.offset))
        self._known = known
        self._again = again
        self._open: list[_Open] = []
        self._done: list[TensorEntry] = []

    def feed(self, offset: int, data: memoryview, name: str) -> None:
        """The next block: where it begins, its bytes, and the id that it has in manifests."""
        end = offset + len(data)
        while self._waiting and self._waiting[0].offset < end:
            tensor = self._waiting.popleft()
            place = Place(name, tensor.offset - offset, tensor.length, tensor.dtype)
            self._open.append(_Open(tensor, self._known.tensor(place)))
        still: list[_Open] = []
        for each in self._open:
            self._take(each, offset, data, name)
            if each.tensor.offset + each.tensor.length <= end:
                self._done.append(self._entry(each))
            else:
                still.append(each)
        self._open = still

    def finish(self) -> list[TensorEntry]:
        """Of all tensors of the file; those without bytes come last."""
        for tensor in self._waiting:
            self._done.append(_summed(tensor, Summariser(tensor.dtype)))
        return self._done

    def _take(self, each: _Open, offset: int, data: memoryview, name: str) -> None:
        tensor = each.tensor
        if each.follows is not None:
            if each.follows.goes_on(name):
                return
            each.follows = None
        if each.summariser is None:
            each.summariser = Summariser(tensor.dtype)
            for piece in self._again(tensor.offset, max(0, offset - tensor.offset)):
                each.summariser.update(piece)
        start, stop = max(tensor.offset, offset), min(tensor.offset + tensor.length, offset + len(data))
        if start < stop:
            each.summariser.update(data[start - offset : stop - offset])

    def _entry(self, each: _Open) -> TensorEntry:
        tensor = each.tensor
        told = None if each.follows is None else each.follows.end()
        if told is not None:
            return told.model_copy(
                update={
                    "name": tensor.name, "file": to_text(tensor.file), "offset": tensor.offset, "shape": tensor.shape,
                    "global_shape": tensor.global_shape, "offsets": tensor.offsets,
                }
            )  # fmt: skip
        summariser = each.summariser
        if summariser is None:
            summariser = Summariser(tensor.dtype)
            for piece in self._again(tensor.offset, tensor.length):
                summariser.update(piece)
        return _summed(tensor, summariser)


def _summed(tensor: TensorRange, summariser: Summariser) -> TensorEntry:
    summary: TensorSummary = summariser.finish(name=tensor.name, shape=tensor.shape)
    return TensorEntry(
        name=tensor.name, file=to_text(tensor.file), offset=tensor.offset, length=tensor.length, dtype=tensor.dtype,
        shape=tensor.shape, global_shape=tensor.global_shape, offsets=tensor.offsets, digest=summary.digest,
        nan_count=summary.nan_count, inf_count=summary.inf_count, zero_fraction=summary.zero_fraction,
        sum_squares=summary.sum_squares if math.isfinite(summary.sum_squares) else None,
    )  # fmt: skip
