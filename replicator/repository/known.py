"""What an earlier checkpoint says of runs of blocks, so that what did not change is read once and not summed up again.

Invariant: an answer is given only for the very bytes that it was made of, which the digests of all blocks say. Bytes
are always read: no file is passed over because its times are as they were.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from replicator.repository.manifest import File, Manifest, TensorEntry

T = TypeVar("T")
Names = tuple[str, ...]


class Place(NamedTuple):
    """Where a tensor begins: in which block, how far behind that block's beginning, and what it is."""

    block: str
    behind: int
    length: int
    dtype: str


class Following(Generic[T]):
    """Goes along the runs that began as ours did, for as long as one does."""

    def __init__(self, runs: Mapping[Names, T]) -> None:
        self._runs = runs
        self._at = 0

    def goes_on(self, name: str) -> bool:
        """Whether any run has this block next."""
        at = self._at
        self._runs = {names: told for names, told in self._runs.items() if len(names) > at and names[at] == name}
        self._at += 1
        return bool(self._runs)

    def end(self) -> T | None:
        """What is known of the blocks that came; None if no run is exactly these."""
        return next((told for names, told in self._runs.items() if len(names) == self._at), None)


class Known:
    """Of one checkpoint, or of none. `name` makes the id that its blocks have of the digest of a block's plaintext."""

    def __init__(self, base: Manifest | None = None) -> None:
        self.name: Callable[[str], str] = str if base is None else base.block_name
        self._files: dict[str, dict[Names, str]] = {}
        self._tensors: dict[Place, dict[Names, TensorEntry]] = {}
        if base is not None:
            self._learn(base)

    def file(self, first: str) -> Following[str]:
        """Digests of files whose first block is this."""
        return Following(self._files.get(first, {}))

    def tensor(self, place: Place) -> Following[TensorEntry]:
        return Following(self._tensors.get(place, {}))

    def _learn(self, manifest: Manifest) -> None:
        tensors: dict[str, list[TensorEntry]] = {}
        for each in manifest.tensors:
            tensors.setdefault(each.file, []).append(each)
        for file in manifest.files:
            names = tuple(manifest.blocks[index].digest for index in file.blocks)
            if not names:
                continue
            self._files.setdefault(names[0], {})[names] = file.digest
            starts = list(accumulate((manifest.blocks[index].size_bytes for index in file.blocks), initial=0))
            for tensor in tensors.get(file.path, ()):
                self._learn_tensor(tensor, file, names, starts)

    def _learn_tensor(self, tensor: TensorEntry, file: File, names: Names, starts: list[int]) -> None:
        end = tensor.offset + tensor.length
        if not tensor.length or end > file.size_bytes:
            return
        first = bisect_right(starts, tensor.offset) - 1
        last = bisect_right(starts, end - 1) - 1
        place = Place(names[first], tensor.offset - starts[first], tensor.length, tensor.dtype)
        self._tensors.setdefault(place, {})[names[first : last + 1]] = tensor
