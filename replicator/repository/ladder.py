"""One checkpoint out of several repositories: every byte range from the first that has it, checked against one plan.

The plan is a manifest whose root is the commit's, so that it does not matter which repository said it, nor how another
one cut, encoded or packed the same files. A rung that keeps failing is given up; what came from where is counted.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from blake3 import blake3

from replicator.errors import DataCorrupt, PackDamaged, StoreError, StoreUnavailable
from replicator.repository import manifest as manifests
from replicator.repository.reading import PackReader

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from replicator.log.replay import Accepted
    from replicator.repository.edge import EdgeCache
    from replicator.repository.manifest import Block, File, Manifest
    from replicator.repository.repository import Repository

UNIT_BYTES = 4 * 1024 * 1024
_TRIES = 2
"""For each repository and range: a store that answered wrong once is asked once more."""
_FAILURES = 3
"""A repository that did not answer so often one after another is given up."""


class Unit(NamedTuple):
    """Consecutive blocks of a file, by their indices in the plan; `offset` is where the first begins in the file."""

    file: File
    offset: int
    blocks: tuple[int, ...]


@dataclass(slots=True)
class Rung:
    """One repository's copy. `gave_up` says why it is asked no more."""

    repository: Repository
    accepted: Accepted
    reader: PackReader | None = None
    gave_up: str | None = None
    read_bytes: int = 0
    damaged: dict[str, str] = field(default_factory=dict[str, str])
    """By pack (or manifest) digest, what is wrong with it there."""
    failures: int = 0
    _starts: dict[str, tuple[File, list[int]]] = field(default_factory=dict[str, "tuple[File, list[int]]"])

    def at(self, path: str, offset: int, length: int) -> bytes:
        """These bytes of a file, from this repository's packs, each block checked by its manifest."""
        if self.reader is None:
            raise DataCorrupt(f"{self.repository.store.url}: its manifest cannot be read")
        manifest = self.reader.manifest
        if path not in self._starts:
            file = next((each for each in manifest.files if each.path == path), None)
            if file is None:
                raise DataCorrupt(f"{self.repository.store.url}: its manifest does not list {path}")
            ends = list(accumulate((manifest.blocks[i].size_bytes for i in file.blocks), initial=0))
            self._starts[path] = file, ends
        file, starts = self._starts[path]
        first = bisect_right(starts, offset, hi=len(file.blocks)) - 1
        last = first
        while starts[last + 1] < offset + length:
            last += 1
        plain = b"".join(self.reader.blocks([manifest.blocks[i] for i in file.blocks[first : last + 1]]))
        return plain[offset - starts[first] : offset - starts[first] + length]


class Ladder:
    """The rungs, best first; all of them hold the same contents (`what.root`). For any thread."""

    def __init__(self, rungs: Sequence[tuple[Repository, Accepted]], *, cache: EdgeCache | None = None) -> None:
        """DataCorrupt if none of them has a readable manifest of these contents; StoreUnavailable if none answers."""
        self.rungs = [Rung(repository, accepted) for repository, accepted in rungs]
        self.what = self.rungs[0].accepted.what
        self._lock = threading.Lock()
        self._cache = cache
        plans = [plan for plan in map(self._open, self.rungs) if plan is not None]
        if not plans:
            raise self._nothing("no manifest can be read")
        self.manifest = plans[0]

    def units(self, file: File, *, first: int = 0, end: int | None = None) -> Iterator[Unit]:
        """The file's blocks from the `first` up to before the `end`, gathered up to UNIT_BYTES."""
        blocks = self.manifest.blocks
        offset = sum(blocks[index].size_bytes for index in file.blocks[:first])
        held: list[int] = []
        size = 0
        for index in file.blocks[first:end]:
            if held and size + blocks[index].size_bytes > UNIT_BYTES:
                yield Unit(file, offset, tuple(held))
                offset, held, size = offset + size, [], 0
            held.append(index)
            size += blocks[index].size_bytes
        if held:
            yield Unit(file, offset, tuple(held))

    def singles(self, file: File) -> Iterator[Unit]:
        """Each block of the file by itself."""
        offset = 0
        for index in file.blocks:
            yield Unit(file, offset, (index,))
            offset += self.manifest.blocks[index].size_bytes

    def size(self, unit: Unit) -> int:
        return sum(self.manifest.blocks[index].size_bytes for index in unit.blocks)

    def range(self, path: str, offset: int, length: int) -> Iterator[bytes]:
        """These bytes of a file, in pieces, fetching the blocks that hold them only."""
        file = next(each for each in self.manifest.files if each.path == path)
        starts = list(accumulate((self.manifest.blocks[i].size_bytes for i in file.blocks), initial=0))
        first, end = max(0, bisect_right(starts, offset) - 1), bisect_left(starts, offset + length)
        for unit in self.units(file, first=first, end=end):
            plain = self.read(unit)
            yield plain[max(0, offset - unit.offset) : offset + length - unit.offset]

    def read(self, unit: Unit) -> bytes:
        """The unit's bytes, every block checked. DataCorrupt names file and range; StoreUnavailable if one is away."""
        whole = self._from_rungs(unit)
        if whole is not None:
            return whole
        if len(unit.blocks) == 1:
            raise self._nothing(_range_of(unit, self.manifest.blocks))
        offset = unit.offset
        pieces: list[bytes] = []
        for index in unit.blocks:
            single = Unit(unit.file, offset, (index,))
            piece = self._from_rungs(single)
            if piece is None:
                raise self._nothing(_range_of(single, self.manifest.blocks))
            pieces.append(piece)
            offset += len(piece)
        return b"".join(pieces)

    def _from_rungs(self, unit: Unit) -> bytes | None:
        for rung in self.rungs:
            for _ in range(_TRIES):
                if rung.gave_up is not None or rung.reader is None:
                    break
                plain = self._from(rung, unit)
                if plain is not None:
                    return plain
        return None

    def _from(self, rung: Rung, unit: Unit) -> bytes | None:
        blocks = [self.manifest.blocks[index] for index in unit.blocks]
        length = sum(block.size_bytes for block in blocks)
        try:
            plain = rung.at(unit.file.path, unit.offset, length)
            if rung.reader is not None and rung.reader.manifest is not self.manifest:
                _check(plain, self.manifest, blocks, rung)
        except PackDamaged as error:
            with self._lock:
                rung.failures = 0
                rung.damaged.setdefault(error.pack, str(error))
            return None
        except DataCorrupt as error:
            with self._lock:
                rung.damaged.setdefault(rung.accepted.where.manifest.digest, str(error))
            return None
        except StoreError as error:
            self._failed(rung, str(error))
            return None
        with self._lock:
            rung.failures = 0
            rung.read_bytes += length
        return plain

    def _failed(self, rung: Rung, why: str) -> None:
        with self._lock:
            rung.failures += 1
            if rung.failures >= _FAILURES:
                rung.gave_up = why

    def _open(self, rung: Rung) -> Manifest | None:
        try:
            manifest = rung.repository.manifest(rung.accepted.where.manifest)
            if manifests.root_of(manifest) != self.what.root:
                raise DataCorrupt(f"the manifest of {self.what.id()} lists other files than its commit")
        except DataCorrupt as error:
            rung.damaged[rung.accepted.where.manifest.digest] = str(error)
            return None
        except StoreError as error:
            rung.gave_up = str(error)
            return None
        rung.reader = PackReader(rung.repository, manifest, cache=self._cache)
        return manifest

    def _nothing(self, what: str) -> DataCorrupt | StoreUnavailable:
        """The error that says that no rung could give `what`: damage, unless one of them did not answer."""
        away = [rung for rung in self.rungs if rung.gave_up is not None or rung.failures]
        why = [why for rung in self.rungs for why in ([rung.gave_up] if rung.gave_up else rung.damaged.values())]
        text = f"{self.what.workload} {self.what.id()}: {what}: {'; '.join(why) or 'no repository has it'}"
        return StoreUnavailable(text) if away else DataCorrupt(text)


def _check(plain: bytes, plan: Manifest, blocks: Sequence[Block], rung: Rung) -> None:
    """What another manifest cut otherwise is checked against the plan's blocks too."""
    view = memoryview(plain)
    at = 0
    for block in blocks:
        if plan.block_name(blake3(view[at : at + block.size_bytes]).hexdigest()) != block.digest:
            raise DataCorrupt(f"{rung.repository.store.url}: holds other bytes than the commit says")
        at += block.size_bytes


def _range_of(unit: Unit, blocks: Sequence[Block]) -> str:
    end = unit.offset + sum(blocks[index].size_bytes for index in unit.blocks)
    return f"{unit.file.path} bytes {unit.offset}-{end - 1} cannot be read"
