"""A safetensors header: tensors, and how long the whole must be.

Invariant: tensors lie behind one another from byte 0 of the buffer without a gap, as the format demands, so the
header alone says the file's exact length.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from replicator.formats.dtypes import ITEM_BYTES, SAFETENSORS
from replicator.formats.errors import HeaderInvalid, MetadataInvalid
from replicator.formats.pickle_values import as_dict, as_sizes, as_text
from replicator.formats.tensors import byte_length
from replicator.json_text import parse_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from replicator.formats.source import Source

MAX_HEADER_BYTES = 100_000_000
LENGTH_BYTES = 8


@dataclass(frozen=True, slots=True)
class Entry:
    name: str
    dtype: str
    """torch's name, or the format's own where torch has no whole-byte type for it."""
    shape: tuple[int, ...]
    begin: int
    end: int
    """From the start of the buffer."""


@dataclass(frozen=True, slots=True)
class Header:
    entries: tuple[Entry, ...]
    buffer_start: int
    """From the start of the safetensors data."""
    metadata: Mapping[str, str]

    @property
    def total_bytes(self) -> int:
        return self.buffer_start + (self.entries[-1].end if self.entries else 0)


def read_header(source: Source, start: int = 0) -> Header:
    """The header of the safetensors data at `start`. Raises HeaderInvalid, or SourceUnreadable where it is cut off."""
    length = int.from_bytes(source.read(start, LENGTH_BYTES), "little")
    if length > MAX_HEADER_BYTES:
        raise HeaderInvalid(f"`{source.name}`: a header of {length} bytes")
    raw = source.read(start + LENGTH_BYTES, length)
    if not raw.startswith(b"{"):
        raise HeaderInvalid(f"`{source.name}`: the header is not a JSON object")
    try:
        document = as_dict(parse_json(raw))
        metadata = {as_text(key): as_text(value) for key, value in as_dict(document.get("__metadata__") or {}).items()}
        entries = sorted(
            (_entry(as_text(name), as_dict(value)) for name, value in document.items() if name != "__metadata__"),
            key=lambda entry: (entry.begin, entry.end),
        )
    except (ValueError, RecursionError, MetadataInvalid) as error:
        raise HeaderInvalid(f"`{source.name}`: {error}") from error
    end = 0
    for entry in entries:
        if entry.begin != end:
            raise HeaderInvalid(f"`{source.name}`: {entry.name!r} begins at byte {entry.begin}, not {end}")
        end = entry.end
    return Header(tuple(entries), LENGTH_BYTES + length, metadata)


def _entry(name: str, fields: Mapping[object, object]) -> Entry:
    if set(fields) != {"dtype", "shape", "data_offsets"}:
        raise MetadataInvalid(f"{name!r} has other fields than dtype, shape and data_offsets")
    written_as = as_text(fields["dtype"])
    dtype = SAFETENSORS.get(written_as, written_as)
    shape = as_sizes(fields["shape"])
    offsets = as_sizes(fields["data_offsets"])
    if len(offsets) != 2 or offsets[0] > offsets[1]:  # noqa: PLR2004  begin and end
        raise MetadataInvalid(f"{name!r} has data_offsets {offsets}")
    begin, end = offsets
    if dtype in ITEM_BYTES and end - begin != byte_length(dtype, shape):
        raise MetadataInvalid(f"{name!r} has {end - begin} bytes, which is not what {dtype}{shape} needs")
    return Entry(name, dtype, shape, begin, end)
