"""`*.index.json`: which tensor lies in which shard, as Hugging Face writes it.

Invariant: what is read here is a claim. Whether the shards bear it out is judged by `replicator.admission.shards`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from replicator.formats.errors import FormatError, MetadataInvalid
from replicator.formats.pickle_values import as_dict, as_text
from replicator.formats.source import check_relative, open_source
from replicator.json_text import parse_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SUFFIXES = (".safetensors.index.json", ".bin.index.json")
MAX_INDEX_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class ShardIndex:
    file: str
    shard_of: Mapping[str, str]
    """Per tensor the file that should hold it, relative to the checkpoint's root."""


def is_index(name: str) -> bool:
    return name.endswith(SUFFIXES)


def read_index(root: Path, name: str) -> ShardIndex:
    """Raises FormatError (MetadataInvalid, PathRefused, SourceUnreadable)."""
    folder = PurePosixPath(name).parent
    with open_source(root, name) as source:
        if source.size_bytes > MAX_INDEX_BYTES:
            raise MetadataInvalid(f"`{name}` has {source.size_bytes} bytes, which is no index")
        body = source.read(0, source.size_bytes)
    try:
        document = as_dict(parse_json(body))
        weights = as_dict(document.get("weight_map"))
        shards = {as_text(each): str(folder / check_relative(as_text(shard))) for each, shard in weights.items()}
    except FormatError:
        raise
    except (ValueError, RecursionError) as error:
        raise MetadataInvalid(f"`{name}`: {error}") from error
    return ShardIndex(name, shards)
