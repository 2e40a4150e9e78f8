"""A checkpoint's manifest: its files, the blocks that they are made of, the packs that hold them, its tensors.

It is canonical JSON under zstandard, named by the BLAKE3 of the stored bytes (docs/format.md). Paths are relative,
normal and inside the checkpoint; every file is covered by its blocks; every block lies inside its pack.
"""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import Any, NamedTuple, cast

import zstandard
from pydantic import Field, ValidationError

from replicator.errors import DataCorrupt
from replicator.log.records import canonical, digest
from replicator.model import Frozen, PackRef

_MAX_BYTES = 1 << 30


class Block(NamedTuple):
    """A run of plaintext bytes: BLAKE3 and size, and where its encoding lies."""

    digest: str
    size_bytes: int
    pack: int
    offset: int
    stored_bytes: int
    coder: str


class File(Frozen):
    path: str
    mode: int
    mtime_ns: int
    size_bytes: int = Field(ge=0)
    digest: str
    blocks: tuple[int, ...]


class TensorEntry(Frozen):
    """A tensor (or a shard of one) at a byte range of a file, with what admission measured of it."""

    name: str
    file: str
    offset: int
    length: int
    dtype: str
    shape: tuple[int, ...]
    global_shape: tuple[int, ...] | None = None
    offsets: tuple[int, ...] | None = None
    digest: str
    nan_count: int
    inf_count: int
    zero_fraction: float
    sum_squares: float | None
    """None where it is not finite."""


class Manifest(Frozen):
    format: int = 1
    push: str
    """Salt of the push, as hex: two pushes of one content have manifests of their own, and letting go of one of them
    takes nothing from the other."""
    files: tuple[File, ...]
    blocks: tuple[Block, ...]
    packs: tuple[PackRef, ...]
    tensors: tuple[TensorEntry, ...] = ()
    notes: tuple[str, ...] = ()
    beside: tuple[File, ...] = Field(default=(), exclude_if=lambda beside: not beside)
    """What is kept with the checkpoint and is no file of it: versions, a patch, a database's dump."""


def root(files: tuple[File, ...]) -> str:
    """The digest of *what*: names, modes, times, sizes and contents of all files, whatever holds them."""
    rows = sorted([file.path, file.mode, file.mtime_ns, file.size_bytes, file.digest] for file in files)
    return digest(canonical(rows))


def encode(manifest: Manifest) -> bytes:
    return zstandard.ZstdCompressor(level=3).compress(canonical(manifest.model_dump(mode="json")))


def decode(stored: bytes, where: str) -> Manifest:
    """DataCorrupt, naming `where`, if it is not a manifest whose parts fit together."""
    try:
        plain = zstandard.ZstdDecompressor().decompress(stored, max_output_size=_MAX_BYTES)
        manifest = Manifest.model_validate(_tuples(json.loads(plain)))
    except (zstandard.ZstdError, ValueError, KeyError, TypeError, ValidationError) as error:
        raise DataCorrupt(f"{where}: not a manifest: {error}") from error
    for fault in _faults(manifest):
        raise DataCorrupt(f"{where}: {fault}")
    return manifest


def safe_path(path: str) -> bool:
    """Whether a file of this name stays inside the folder that it is restored to."""
    pure = PurePosixPath(path)
    return bool(path) and not pure.is_absolute() and ".." not in pure.parts and str(pure) == path and "\0" not in path


def _faults(manifest: Manifest) -> list[str]:
    faults: list[str] = []
    for files in (manifest.files, manifest.beside):
        if len({file.path for file in files}) != len(files):
            faults.append("a file is named twice")
    for block in manifest.blocks:
        if not 0 <= block.pack < len(manifest.packs):
            faults.append(f"a block lies in pack {block.pack} of {len(manifest.packs)}")
        elif block.offset < 0 or block.offset + block.stored_bytes > manifest.packs[block.pack].size_bytes:
            faults.append(f"a block ends past its pack {manifest.packs[block.pack].digest}")
    for file in (*manifest.files, *manifest.beside):
        if not safe_path(file.path):
            faults.append(f"{file.path!r} is not a path inside the checkpoint")
        if any(not 0 <= index < len(manifest.blocks) for index in file.blocks):
            faults.append(f"{file.path} names a block that is not there")
        elif sum(manifest.blocks[index].size_bytes for index in file.blocks) != file.size_bytes:
            faults.append(f"{file.path} is not covered by its blocks")
    return faults


def _tuples(value: object) -> Any:
    if isinstance(value, list):
        return tuple(_tuples(each) for each in cast("list[object]", value))
    if isinstance(value, dict):
        return {key: _tuples(each) for key, each in cast("dict[str, object]", value).items()}
    return value
