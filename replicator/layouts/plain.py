"""Safetensors: files `<anything><step>.safetensors`, or folders `<anything><step>` that hold some.

Invariant: complete means that every safetensors file is exactly as long as its header says, and that no shard is
missing, neither of those that an index names nor of a set `…-00001-of-00003`. Files of other formats beside them are
taken as they are.
"""

from __future__ import annotations

import itertools
import json
import re
from collections import defaultdict
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, cast

from replicator.formats.errors import FormatError, MetadataInvalid
from replicator.formats.pickle_values import as_dict, as_text
from replicator.formats.safetensors import read_header
from replicator.formats.source import open_source
from replicator.layouts.candidate import Candidate
from replicator.layouts.dcp import is_dcp
from replicator.layouts.folders import by_step, judged, stepped_files, stepped_folders
from replicator.layouts.listing import list_files
from replicator.layouts.steps import step_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from replicator.layouts.listing import Listing

SUFFIX = ".safetensors"
INDEX_SUFFIX = ".safetensors.index.json"
MAX_INDEX_BYTES = 64 << 20
SHARD = re.compile(r"(.*-)([0-9]{1,9})-of-([0-9]{1,9})\.safetensors", re.ASCII | re.DOTALL)


class PlainLayout:
    def find(self, root: Path) -> list[Candidate]:
        listed = ((path, list_files(path)) for path, _ in stepped_folders(root))
        folders = [judge_plain(path, listing) for path, listing in listed if is_plain(listing)]
        return by_step([*folders, *(judge_plain_file(path) for path, _ in stepped_files(root, SUFFIX))])


def is_plain(listing: Listing) -> bool:
    return any(name.endswith((SUFFIX, INDEX_SUFFIX)) for name in listing.files) and not is_dcp(listing)


def judge_plain(folder: Path, listing: Listing) -> Candidate:
    tensors = [name for name in listing.files if name.endswith(SUFFIX)]
    faults = (
        *(_index_fault(folder, name, listing) for name in listing.files if name.endswith(INDEX_SUFFIX)),
        *_missing_shards(listing),
        *(_file_fault(folder, name) for name in tensors),
    )
    fault = next((fault for fault in faults if fault is not None), None)
    return judged(folder, listing, fault, "every safetensors file is as long as its header says")


def judge_plain_file(path: Path) -> Candidate:
    fault = _file_fault(path.parent, path.name)
    return Candidate(
        path, step_of(path.stem), (path.name,), fault is None, fault or "the file is as long as its header says"
    )


def _file_fault(folder: Path, name: str) -> str | None:
    try:
        with open_source(folder, name) as source:
            needed = read_header(source).total_bytes
            return None if source.size_bytes == needed else f"`{name}` has {source.size_bytes} of {needed} bytes"
    except FormatError as error:
        return str(error)


def _missing_shards(listing: Listing) -> Iterator[str]:
    """The first missing name of every set `…-00001-of-00003`, which may also count from 0."""
    sets: defaultdict[tuple[str, int, str], set[int]] = defaultdict(set)
    for name in listing.files:
        shard = SHARD.fullmatch(name)
        if shard is not None:
            sets[shard[1], len(shard[2]), shard[3]].add(int(shard[2]))
    for (prefix, width, count), numbers in sets.items():
        first = 0 if 0 in numbers else 1
        missing = next(number for number in itertools.count(first) if number not in numbers)
        if missing < first + int(count):
            yield f"`{prefix}{missing:0{width}}-of-{count}{SUFFIX}` missing"


def _index_fault(folder: Path, name: str, listing: Listing) -> str | None:
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
