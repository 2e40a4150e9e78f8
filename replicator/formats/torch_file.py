"""A whole file of `torch.save`: every tensor that its pickle describes, as a byte range of the file.

The pickle may name any class: it is read by a machine that can call none (`pickle_machine`), and what it does not
describe as a plain tensor is passed by. Invariant: no byte belongs to two ranges. A storage that tensors share otherwise
than as equals or as neighbours is one range; a storage that nothing describes is an item of bytes.
"""

from __future__ import annotations

import contextlib
import math
from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from replicator.formats.dtypes import ITEM_BYTES
from replicator.formats.errors import ArchiveInvalid, MetadataInvalid, PickleRefused
from replicator.formats.pickle_machine import PERSISTENT, Record
from replicator.formats.pickle_reader import read_pickle
from replicator.formats.tensors import ObjectRange, TensorRange
from replicator.formats.torch_archive import (
    REBUILT,
    Described,
    data_start,
    describe,
    open_archive,
    read_small,
)

if TYPE_CHECKING:
    import zipfile
    from collections.abc import Iterator

    from replicator.formats.source import Source, Window

ZIP_MAGIC = b"PK\x03\x04"
LEGACY_MAGIC = bytes.fromhex("80028a0a6cfc9c46f9206aa85019")
"""How a file of torch before 1.6 begins: the pickle of a magic number."""
TAR_MAGIC = b"ustar"
TAR_MAGIC_AT = 257
MAX_DIRECTORY_BYTES = 20 << 20
MAX_PICKLE_BYTES = 32 << 20
MAX_OBJECTS = 2_000_000
MAX_DEPTH = 64
WHOLE = "tensor"
"""The name of a tensor that was saved by itself."""
MAX_NAME_CHARS = 1024
SUFFIXES = (".pt", ".pth", ".bin", ".ckpt")


@dataclass(frozen=True, slots=True)
class TorchFile:
    tensors: tuple[TensorRange, ...]
    objects: tuple[ObjectRange, ...]
    notes: tuple[str, ...]


_CONTAINERS = (dict, list, tuple, Record)
NOTHING = TorchFile((), (), ())


def read_torch_file(source: Source) -> TorchFile:
    """Empty, without a note, where the file is nothing of torch's. Raises FormatError where it only seems to be."""
    head = source.read(0, min(source.size_bytes, TAR_MAGIC_AT + len(TAR_MAGIC)))
    if head.startswith(LEGACY_MAGIC):
        return TorchFile((), (), ("a file of torch before 1.6 (or saved as if): its bytes are taken as they are",))
    if source.name.endswith(SUFFIXES) and head[TAR_MAGIC_AT:] == TAR_MAGIC:
        return TorchFile((), (), ("a tar archive, as torch 0.1 saved: its bytes are taken as they are",))
    if not head.startswith(ZIP_MAGIC):
        return NOTHING
    return _Reader(source).read()


def may_be_torch(name: str) -> bool:
    return name.endswith(SUFFIXES)


class _Reader:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.notes: list[str] = []

    def read(self) -> TorchFile:
        directory = open_archive(self.source.window(0, self.source.size_bytes, budget_bytes=MAX_DIRECTORY_BYTES))
        if directory.prefix is None:
            if may_be_torch(self.source.name):
                raise ArchiveInvalid("the archive has no data.pkl")
            return NOTHING
        if min(entry.header_offset for entry in directory.entries.values()):
            raise ArchiveInvalid("something lies before the archive")
        window = self.source.window(0, self.source.size_bytes, budget_bytes=MAX_DIRECTORY_BYTES + MAX_PICKLE_BYTES)
        places = self._places(window, directory.entries, directory.end, f"{directory.prefix}data/")
        tensors: list[TensorRange] = []
        order = read_small(window, directory.entries.get(f"{directory.prefix}byteorder"), directory.end, b"little")
        if order != b"little":
            self.notes.append("the archive is not little-endian: its storages are taken as bytes")
        else:
            pickle = directory.entries[f"{directory.prefix}data.pkl"]
            data = read_small(window, pickle, directory.end, limit_bytes=MAX_PICKLE_BYTES)
            try:
                value = read_pickle(data, lambda _: True, max_objects=MAX_OBJECTS)
                tensors = self._ranges(self._tensors(value), places)
            except PickleRefused as error:
                self.notes.append(f"its storages are taken as bytes: {error}")
        covered = sorted((tensor.offset, tensor.length) for tensor in tensors)
        objects = [
            ObjectRange(f"storage {key}", self.source.name, start, length)
            for key, (start, length) in places.items()
            if length and not _touches(covered, start, length)
        ]
        if objects and not self.notes:
            self.notes.append(f"{len(objects)} storages hold no plain tensor: they are taken as bytes")
        return TorchFile(tuple(tensors), tuple(objects), tuple(self.notes))

    def _places(
        self, window: Window, entries: dict[str, zipfile.ZipInfo], end: int, folder: str
    ) -> dict[str, tuple[int, int]]:
        """Offset and length of every storage in the file."""
        places = {
            name.removeprefix(folder): (data_start(window, entry, end), entry.file_size)
            for name, entry in entries.items()
            if name.startswith(folder)
        }
        at, before = 0, ""
        for start, length, key in sorted((start, length, key) for key, (start, length) in places.items()):
            if length and start < at:
                raise ArchiveInvalid(f"storage {key!r} overlaps {before!r}")
            at, before = max(at, start + length), key
        return places

    def _tensors(self, value: object) -> list[tuple[str, Described]]:
        """Every plain tensor in the value with the path that leads to it, in the order of the pickle.

        Of what is no plain tensor the storage is left over, and `read` says so.
        """
        found: list[tuple[str, Described]] = []
        seen: set[int] = set()
        walk = [iter([("", value)])]
        while walk:
            path, each = next(walk[-1], ("", None))
            if each is None:
                walk.pop()
                continue
            if id(each) in seen:
                continue
            seen.add(id(each))
            if isinstance(each, Record) and each.symbol.module == "torch._utils" and each.symbol.name in REBUILT:
                with contextlib.suppress(ArchiveInvalid, MetadataInvalid):
                    found.append((path or WHOLE, describe(each)))
            elif len(walk) < MAX_DEPTH:
                walk.append(_children(path, each))
        return found

    def _ranges(self, described: list[tuple[str, Described]], places: dict[str, tuple[int, int]]) -> list[TensorRange]:
        by_key: defaultdict[str, list[tuple[str, Described]]] = defaultdict(list)
        for name, each in described:
            by_key[each.key].append((name, each))
        ranges: list[TensorRange] = []
        for key, views in by_key.items():
            if key not in places:
                self.notes.append(f"{views[0][0]!r}: the archive does not hold its storage")
                continue
            ranges.extend(self._in_storage(views, *places[key]))
        return ranges

    def _in_storage(self, views: list[tuple[str, Described]], start: int, length: int) -> list[TensorRange]:
        """The tensors that share a storage: each by itself where they are disjoint, else all of it as one."""
        distinct: dict[tuple[int, int], tuple[str, Described]] = {}
        for name, each in views:
            item = ITEM_BYTES[each.dtype]
            size = math.prod(each.shape) * item
            if each.first * item + size > length:
                self.notes.append(f"{name!r} needs {each.first * item + size} of {length} bytes")
                return []
            distinct.setdefault((each.first * item, size), (name, each))
        end = 0
        apart = all(each.dense for _, each in distinct.values())
        for offset, size in sorted(distinct):
            apart = apart and (size == 0 or offset >= end)
            end = max(end, offset + size)
        if apart:
            return [
                TensorRange(name, self.source.name, start + at, size, each.dtype, each.shape, strides=each.strides)
                for (at, size), (name, each) in distinct.items()
            ]
        name, first = views[0]
        item = ITEM_BYTES[first.dtype]
        if length % item or any(each.dtype != first.dtype for _, each in views):
            return []
        return [TensorRange(name, self.source.name, start, length, first.dtype, (length // item,))]


def _children(path: str, value: object) -> Iterator[tuple[str, object]]:
    """What may hold tensors in a container, or in what an unknown class was given, with the path to it."""
    if isinstance(value, Record):
        if value.symbol != PERSISTENT:
            yield from ((path, each) for each in (value.args, value.state) if isinstance(each, _CONTAINERS))
        return
    if not isinstance(value, _CONTAINERS):
        return
    pairs = (
        cast("dict[object, object]", value).items()
        if isinstance(value, dict)
        else enumerate(cast("list[object] | tuple[object, ...]", value))
    )
    for key, child in pairs:
        if isinstance(child, _CONTAINERS):
            yield f"{path}.{_key(key)}"[:MAX_NAME_CHARS] if path else _key(key), child


def _key(key: object) -> str:
    if isinstance(key, str):
        return key.encode("utf-8", "replace").decode()
    return key.symbol.name if isinstance(key, Record) else str(key)


def _touches(covered: list[tuple[int, int]], start: int, length: int) -> bool:
    at = bisect_left(covered, (start, 0))
    return at < len(covered) and covered[at][0] < start + length
