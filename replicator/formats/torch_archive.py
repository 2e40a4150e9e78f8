"""One tensor inside a `torch.save` archive: the byte range of its elements in the file that holds the archive.

Invariant: the range lies in the archive before its central directory, belongs to one stored (uncompressed) entry,
and its elements are dense: either row-major, or with strides that are a permutation of it.
"""

from __future__ import annotations

import math
import struct
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from replicator.formats.dcp_classes import allowed_in_archive
from replicator.formats.dtypes import ITEM_BYTES, LEGACY_STORAGES, canonical
from replicator.formats.errors import ArchiveInvalid, MetadataInvalid
from replicator.formats.pickle_machine import PERSISTENT, Record, Symbol
from replicator.formats.pickle_reader import read_pickle
from replicator.formats.pickle_values import as_int, as_sequence, as_sizes

if TYPE_CHECKING:
    from replicator.formats.source import Window

MAX_PICKLE_BYTES = 1 << 20
DIRECTORY_BUDGET_BYTES = 4 << 20
"""What a window over an archive of one tensor should allow to be read of it."""
REBUILT = frozenset({"_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_parameter"})
LOCAL_HEADER = struct.Struct("<4s5H3I2H")
ENCRYPTED = 0x1


@dataclass(frozen=True, slots=True)
class ArchivedTensor:
    offset: int
    """From the start of the file that holds the archive."""
    length: int
    dtype: str
    shape: tuple[int, ...]
    strides: tuple[int, ...] | None
    """In elements; None for row-major."""


@dataclass(frozen=True, slots=True)
class Directory:
    """The entries of an archive by name, and where they must end: at its central directory."""

    entries: dict[str, zipfile.ZipInfo]
    end: int

    @property
    def prefix(self) -> str | None:
        """What every name of this archive begins with; None where it is none of `torch.save`."""
        return next((name.removesuffix("data.pkl") for name in self.entries if name.endswith("/data.pkl")), None)


def open_archive(window: Window) -> Directory:
    """Raises ArchiveInvalid or SourceUnreadable."""
    try:
        archive = zipfile.ZipFile(window)
    except (zipfile.BadZipFile, NotImplementedError, struct.error, ValueError, OSError, OverflowError) as error:
        raise ArchiveInvalid(f"no archive of torch.save: {error}") from error
    with archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        if len(entries) != len(archive.infolist()):
            raise ArchiveInvalid("the archive has two entries of one name")
        return Directory(entries, archive.start_dir)


def find_tensor(window: Window) -> ArchivedTensor:
    """Raises ArchiveInvalid, MetadataInvalid, PickleRefused (UnknownClass) or SourceUnreadable."""
    directory = open_archive(window)
    prefix, entries = directory.prefix, directory.entries
    if prefix is None:
        raise ArchiveInvalid("the archive has no data.pkl")
    if read_small(window, entries.get(f"{prefix}byteorder"), directory.end, b"little") != b"little":
        raise ArchiveInvalid("the archive is not little-endian")
    pickle = read_small(window, entries[f"{prefix}data.pkl"], directory.end)
    tensor = describe(read_pickle(pickle, allowed_in_archive))
    if not tensor.dense:
        raise ArchiveInvalid("the tensor's elements are not dense in its storage")
    data = entries.get(f"{prefix}data/{tensor.key}")
    if data is None:
        raise ArchiveInvalid("the archive does not hold the tensor's storage")
    start = data_start(window, data, directory.end)
    item_bytes = ITEM_BYTES[tensor.dtype]
    length = math.prod(tensor.shape) * item_bytes
    if tensor.first * item_bytes + length > data.file_size:
        raise ArchiveInvalid(f"the tensor needs {tensor.first * item_bytes + length} of {data.file_size} bytes")
    offset = window.start + start + tensor.first * item_bytes
    return ArchivedTensor(offset, length, tensor.dtype, tensor.shape, tensor.strides)


@dataclass(frozen=True, slots=True)
class Described:
    """A tensor as a pickle rebuilds it: `first` element of the storage `key`, in elements."""

    key: str
    first: int
    dtype: str
    shape: tuple[int, ...]
    strides: tuple[int, ...] | None
    dense: bool


def describe(value: object) -> Described:
    """Undo `torch._utils._rebuild_tensor_v2` and `_v3`, and the `_rebuild_parameter` around them.

    Raises ArchiveInvalid or MetadataInvalid.
    """
    match value:
        case Record(symbol=Symbol(name="_rebuild_parameter"), args=(inner, _, _)):
            return _describe_tensor(inner)
        case _:
            return _describe_tensor(value)


def _describe_tensor(value: object) -> Described:
    match value:
        case Record(symbol=Symbol(name="_rebuild_tensor_v2"), args=(storage, first, shape, strides, _, _, *rest)):
            key, held_as = _storage(storage)
            dtype = LEGACY_STORAGES.get(held_as, held_as)
        case Record(
            symbol=Symbol(name="_rebuild_tensor_v3"),
            args=(storage, first, shape, strides, _, _, Symbol(module="torch", name=name), *rest),
        ):
            key, _ = _storage(storage)
            dtype = canonical(name)
        case _:
            raise ArchiveInvalid("the item is not one plain tensor")
    if any(rest):
        raise ArchiveInvalid("the tensor has properties that its bytes do not show (conjugate or negative view)")
    if dtype not in ITEM_BYTES:
        raise ArchiveInvalid(f"elements of {dtype} have no byte length of their own")
    sizes = as_sizes(shape)
    steps = as_sizes(strides)
    dense = is_dense(sizes, steps)
    return Described(key, as_int(first), dtype, sizes, dense_strides(sizes, steps) if dense else None, dense)


def _storage(value: object) -> tuple[str, str]:
    if not isinstance(value, Record) or value.symbol != PERSISTENT:
        raise ArchiveInvalid("the tensor has no storage of its own")
    match as_sequence(value.args[0]):
        case ("storage", Symbol(name=held_as), str(key), _, _):
            return key, held_as
        case _:
            raise ArchiveInvalid("the tensor's storage is not described as torch does")


def is_dense(shape: tuple[int, ...], strides: tuple[int, ...]) -> bool:
    """Whether elements neither overlap nor gape. Raises MetadataInvalid where the two do not fit together."""
    if len(shape) != len(strides):
        raise MetadataInvalid("a tensor has other strides than dimensions")
    if 0 in shape:
        return True
    expected = 1
    for stride, size in sorted((stride, size) for stride, size in zip(strides, shape, strict=True) if size != 1):
        if stride != expected:
            return False
        expected *= size
    return True


def dense_strides(shape: tuple[int, ...], strides: tuple[int, ...]) -> tuple[int, ...] | None:
    """None for row-major, `strides` for another dense order."""
    if 0 in shape:
        return None
    real = [(stride, size) for stride, size in zip(strides, shape, strict=True) if size != 1]
    return None if real == sorted(real, reverse=True) else strides


def read_small(
    window: Window,
    entry: zipfile.ZipInfo | None,
    directory: int,
    default: bytes | None = None,
    *,
    limit_bytes: int = MAX_PICKLE_BYTES,
) -> bytes:
    """The bytes of an entry of at most `limit_bytes`. Raises ArchiveInvalid or SourceUnreadable."""
    if entry is None:
        if default is None:
            raise ArchiveInvalid("the archive lacks an entry")
        return default
    if entry.file_size > limit_bytes:
        raise ArchiveInvalid(f"{entry.filename!r} has {entry.file_size} bytes")
    window.seek(data_start(window, entry, directory))
    return window.read(entry.file_size)


def data_start(window: Window, entry: zipfile.ZipInfo, directory: int) -> int:
    """Where an entry's bytes begin in the window. All of them lie before the central directory."""
    if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
        raise ArchiveInvalid(f"{entry.filename!r} is compressed")
    if entry.flag_bits & ENCRYPTED:
        raise ArchiveInvalid(f"{entry.filename!r} is encrypted")
    if entry.header_offset < 0 or entry.header_offset + LOCAL_HEADER.size > directory:
        raise ArchiveInvalid(f"{entry.filename!r} begins outside the archive")
    window.seek(entry.header_offset)
    header = LOCAL_HEADER.unpack(window.read(LOCAL_HEADER.size))
    name_length, extra_length = header[-2:]
    start = entry.header_offset + LOCAL_HEADER.size + name_length + extra_length
    if header[0] != b"PK\x03\x04" or start + entry.file_size > directory:
        raise ArchiveInvalid(f"{entry.filename!r} reaches out of the archive")
    return start
