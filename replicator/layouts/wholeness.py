"""Whether single files are whole, by what their own format says of their length. Nothing is unpickled.

Invariant: a verdict belongs to one version of a file (inode, size, time); a watcher that asks again and again reads
each version once.
"""

from __future__ import annotations

import itertools
import json
import re
import struct
import zipfile
from collections import defaultdict
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, cast

from replicator.formats.errors import FormatError, MetadataInvalid
from replicator.formats.pickle_values import as_dict, as_text
from replicator.formats.safetensors import read_header
from replicator.formats.source import open_source

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from replicator.layouts.listing import Listing

SAFETENSORS = ".safetensors"
INDEX_SUFFIXES = (".safetensors.index.json", ".bin.index.json")
ARCHIVES = (".pt", ".pth", ".bin", ".ckpt")
MAX_INDEX_BYTES = 64 << 20
MAX_DIRECTORY_BYTES = 64 << 20
SHARD = re.compile(r"(.*-)([0-9]{1,9})-of-([0-9]{1,9})(\.safetensors|\.bin)", re.ASCII | re.DOTALL)
ZIP_MAGIC = b"PK\x03\x04"


def first(faults: Iterable[str | None]) -> str | None:
    return next((fault for fault in faults if fault is not None), None)


def files_fault(folder: Path, listing: Listing) -> str | None:
    """The first fault of any safetensors file, `torch.save` archive, index or set of shards in a folder."""
    names = listing.files
    return first(
        itertools.chain(
            (index_fault(folder, name, listing) for name in names if name.endswith(INDEX_SUFFIXES)),
            missing_shards(listing),
            (safetensors_fault(folder, name) for name in names if name.endswith(SAFETENSORS)),
            (archive_fault(folder, name) for name in names if name.endswith(ARCHIVES)),
        )
    )


def safetensors_fault(folder: Path, name: str) -> str | None:
    """Whether the file is exactly as long as its header says."""
    version = _version(folder / name)
    return f"`{name}` vanished" if version is None else _safetensors_fault(folder, name, version)


def archive_fault(folder: Path, name: str) -> str | None:
    """Whether a `torch.save` archive ends with its directory. Files of torch before 1.6 cannot be judged, and pass."""
    version = _version(folder / name)
    return f"`{name}` vanished" if version is None else _archive_fault(folder, name, version)


def is_archive(folder: Path, name: str) -> bool:
    try:
        with open_source(folder, name) as source:
            return source.read(0, min(len(ZIP_MAGIC), source.size_bytes)) == ZIP_MAGIC
    except FormatError:
        return False


def missing_shards(listing: Listing) -> Iterator[str]:
    """The first missing name of every set `…-00001-of-00003`, which may also count from 0."""
    sets: defaultdict[tuple[str, int, str, str], set[int]] = defaultdict(set)
    for name in listing.files:
        shard = SHARD.fullmatch(name)
        if shard is not None:
            sets[shard[1], len(shard[2]), shard[3], shard[4]].add(int(shard[2]))
    for (prefix, width, count, suffix), numbers in sets.items():
        start = 0 if 0 in numbers else 1
        missing = next(number for number in itertools.count(start) if number not in numbers)
        if missing < start + int(count):
            yield f"`{prefix}{missing:0{width}}-of-{count}{suffix}` missing"


def index_fault(folder: Path, name: str, listing: Listing) -> str | None:
    """Whether every shard that an index names is there."""
    try:
        with open_source(folder, name) as source:
            if source.size_bytes > MAX_INDEX_BYTES:
                return f"`{name}` has {source.size_bytes} bytes, which is no index"
            document = as_dict(cast("object", json.loads(source.read(0, source.size_bytes))))
        shards = {as_text(shard) for shard in as_dict(document.get("weight_map")).values()}
    except (FormatError, MetadataInvalid, ValueError, RecursionError) as error:
        return f"`{name}` unreadable: {error}"
    missing = sorted(str(PurePosixPath(name).parent / shard) for shard in shards)
    return next((f"`{shard}` missing" for shard in missing if shard not in listing.files), None)


@lru_cache(maxsize=8192)
def _safetensors_fault(folder: Path, name: str, _version: tuple[int, int, int]) -> str | None:
    try:
        with open_source(folder, name) as source:
            needed = read_header(source).total_bytes
            return None if source.size_bytes == needed else f"`{name}` has {source.size_bytes} of {needed} bytes"
    except FormatError as error:
        return str(error)


@lru_cache(maxsize=8192)
def _archive_fault(folder: Path, name: str, _version: tuple[int, int, int]) -> str | None:
    try:
        with open_source(folder, name) as source:
            if source.size_bytes == 0:
                return f"`{name}` is empty"
            if source.read(0, min(len(ZIP_MAGIC), source.size_bytes)) != ZIP_MAGIC:
                return None
            window = source.window(0, source.size_bytes, budget_bytes=MAX_DIRECTORY_BYTES)
            zipfile.ZipFile(window).close()
    except (FormatError, zipfile.BadZipFile, NotImplementedError, struct.error, ValueError, OSError) as error:
        return f"`{name}` is no whole archive: {error}"
    return None


def _version(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
