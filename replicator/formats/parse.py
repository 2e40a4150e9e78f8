"""One checkpoint folder or file, parsed into tensors at byte ranges.

Invariant: `parse` reads headers and directories only, raises nothing for any content, and leaves opaque, with a note,
whatever it cannot vouch for. Opaque files are replicated all the same.
"""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, cast

from replicator.formats.dcp import METADATA_NAME, Found, read_dcp
from replicator.formats.dtypes import ITEM_BYTES
from replicator.formats.errors import FormatError, HeaderInvalid, MetadataInvalid, PathRefused
from replicator.formats.pickle_values import as_dict, as_sizes
from replicator.formats.safetensors import read_header
from replicator.formats.shard_index import ShardIndex, is_index, read_index
from replicator.formats.source import open_source
from replicator.formats.tensors import ObjectRange, ParsedCheckpoint, TensorRange, keep_sound
from replicator.formats.torch_file import may_be_torch, read_torch_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from replicator.formats.safetensors import Header

MAX_NOTES = 50
MAX_NOTE_CHARS = 300
SHARDING_KEY = "DCP_SHARDING_INFO"
"""Where torch's HuggingFace writer says at which offsets of the whole tensor a shard lies."""


def parse(root: Path, files: Sequence[str]) -> ParsedCheckpoint:
    """`root` is the checkpoint's folder, or its one file (then `files` is that file's name); `files` are its files."""
    folder = root.parent if root.is_file() else root
    names = frozenset(files)
    found = Found()
    for name in sorted(names):
        if PurePosixPath(name).name == METADATA_NAME:
            read_dcp(folder, name, names, found)
    claimed = {each.file for each in (*found.tensors, *found.objects)}
    indices: list[ShardIndex] = []
    for name in sorted(names - claimed):
        if name.endswith(".safetensors"):
            _read_safetensors(folder, name, found)
        elif is_index(name):
            _read_index(folder, name, found, indices)
        elif not name.endswith(".distcp"):
            _read_torch(folder, name, found)
    sizes = _sizes(folder, {tensor.file for tensor in found.tensors})
    tensors, faults = keep_sound(found.tensors, sizes)
    return ParsedCheckpoint(tensors, _bounded((*found.notes, *faults)), _ordered(found.objects), tuple(indices))


def _read_safetensors(folder: Path, name: str, found: Found) -> None:
    try:
        with open_source(folder, name) as source:
            header = read_header(source)
            if header.total_bytes != source.size_bytes:
                raise HeaderInvalid(f"it has {source.size_bytes} of {header.total_bytes} bytes")
    except FormatError as error:
        found.notes.append(f"`{name}`: {error}")
        return
    offsets = _saved_offsets(header)
    for entry in header.entries:
        if entry.dtype not in ITEM_BYTES:
            found.notes.append(f"`{name}`: {entry.name!r}: elements of {entry.dtype} have no byte length of their own")
            start = header.buffer_start + entry.begin
            found.objects.append(ObjectRange(entry.name, name, start, entry.end - entry.begin))
            continue
        found.tensors.append(
            TensorRange(
                name=entry.name,
                file=name,
                offset=header.buffer_start + entry.begin,
                length=entry.end - entry.begin,
                dtype=entry.dtype,
                shape=entry.shape,
                offsets=offsets.get(entry.name),
            )
        )


def _read_torch(folder: Path, name: str, found: Found) -> None:
    try:
        with open_source(folder, name) as source:
            read = read_torch_file(source)
    except PathRefused:
        return
    except FormatError as error:
        if may_be_torch(name):
            found.notes.append(f"`{name}`: {error}")
        return
    found.tensors.extend(read.tensors)
    found.objects.extend(read.objects)
    found.notes.extend(f"`{name}`: {note}" for note in read.notes)


def _read_index(folder: Path, name: str, found: Found, indices: list[ShardIndex]) -> None:
    try:
        indices.append(read_index(folder, name))
    except FormatError as error:
        found.notes.append(f"`{name}`: {error}")


def _saved_offsets(header: Header) -> Mapping[str, tuple[int, ...]]:
    """Offsets of the shards of this file; none at all where the writer's note about them is not to be trusted."""
    ranks = {entry.name: len(entry.shape) for entry in header.entries}
    try:
        said = as_dict(cast("object", json.loads(header.metadata.get(SHARDING_KEY, "{}"))))
        offsets = {
            name: as_sizes(as_dict(value).get("saved_offsets"))
            for name, value in said.items()
            if isinstance(name, str) and name in ranks
        }
    except (ValueError, RecursionError, MetadataInvalid):
        return {}
    return {name: value for name, value in offsets.items() if len(value) == ranks[name]}


def _sizes(folder: Path, names: Iterable[str]) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for name in names:
        try:
            sizes[name] = (folder / name).stat().st_size
        except OSError:
            sizes[name] = 0
    return sizes


def _ordered(objects: Iterable[ObjectRange]) -> tuple[ObjectRange, ...]:
    return tuple(sorted(objects, key=lambda item: (item.file, item.offset, item.name)))


def _bounded(notes: Sequence[str]) -> tuple[str, ...]:
    kept = tuple(note[:MAX_NOTE_CHARS] for note in notes[:MAX_NOTES])
    return kept if len(notes) <= MAX_NOTES else (*kept, f"and {len(notes) - MAX_NOTES} more notes")
