"""A checkpoint's files as they were read once: blocks and their digests, tensors and what admission needs of them.

Memory is bounded by a few blocks. Files that change while they are read are noticed (SourceChanged).
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from blake3 import blake3

from replicator.errors import CheckpointTorn, SourceChanged
from replicator.formats.parse import parse
from replicator.formats.tensors import TensorRange
from replicator.formats.tree import kept_link
from replicator.repository import chunks
from replicator.repository.known import Known
from replicator.repository.manifest import Chunker, File, Folder, Link
from replicator.repository.manifest import root as root_digest
from replicator.repository.names import shown, to_disk, to_text
from replicator.repository.scan import Scanner

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from replicator.formats.shard_index import ShardIndex
    from replicator.formats.tensors import ParsedCheckpoint
    from replicator.repository.manifest import TensorEntry


_BYTES = "bytes"


class SourceBlock(NamedTuple):
    offset: int
    size_bytes: int
    digest: str


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file of the checkpoint; `file` is its manifest entry but for the blocks' places."""

    file: File
    blocks: tuple[SourceBlock, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    root: Path
    files: tuple[SourceFile, ...]
    tensors: tuple[TensorEntry, ...]
    notes: tuple[str, ...]
    links: tuple[Link, ...] = ()
    folders: tuple[Folder, ...] = ()
    indices: tuple[ShardIndex, ...] = ()

    @property
    def digest(self) -> str:
        """The digest of *what* it is, as a commit names it."""
        return root_digest(self.entries, self.links, self.folders)

    @property
    def chunker(self) -> Chunker | None:
        """How opaque bytes were cut; None where there were too few to cut."""
        if all(source.file.size_bytes <= chunks.MIN_BYTES for source in self.files):
            return None
        return Chunker(
            name=chunks.NAME, min_bytes=chunks.MIN_BYTES, average_bytes=chunks.AVERAGE_BYTES, max_bytes=chunks.MAX_BYTES
        )

    beside: Snapshot | None = None
    """What is kept with the checkpoint and is no file of it, below a folder of its own."""

    @property
    def entries(self) -> tuple[File, ...]:
        """The files as manifest entries, without their blocks."""
        return tuple(source.file for source in self.files)

    @property
    def size_bytes(self) -> int:
        return sum(source.file.size_bytes for source in self.files)

    @property
    def saved_at(self) -> float:
        """Unix seconds at which the newest file was last written."""
        return max((source.file.mtime_ns for source in self.files), default=0) / 1e9

    def read(self, source: SourceFile, block: SourceBlock) -> bytes:
        """The block's bytes, as they were when the snapshot was taken. SourceChanged otherwise."""
        path = self.root / to_disk(source.file.path)
        with path.open("rb") as file:
            file.seek(block.offset)
            data = file.read(block.size_bytes)
        if blake3(data).hexdigest() != block.digest:
            raise SourceChanged(f"{path} changed while it was being shipped")
        return data


def take_snapshot(
    root: Path, files: Sequence[str], folders: Sequence[str] = (), *, known: Known | None = None
) -> Snapshot:
    """Read every file of the checkpoint in `root` once. `folders`: those in it that are empty.

    `known`: of an earlier checkpoint; what that had is read all the same, and not counted again.

    CheckpointTorn if one is gone or there is none, SourceChanged if one changes.
    """
    if root.is_file():
        root, files = root.parent, [root.name]
    listed = frozenset((*files, *folders))
    goals = {name: target for name in files if (target := kept_link(root, name, listed)) is not None}
    contents = [name for name in files if name not in goals]
    if not contents:
        raise CheckpointTorn(f"{root} has no file")
    parsed = parse(root, contents)
    by_file = _by_file(parsed)
    sources: list[SourceFile] = []
    tensors: list[TensorEntry] = []
    seen: dict[tuple[int, int], File] = {}
    scanner = Scanner(known or Known())
    try:
        for path in sorted(contents, key=to_text):
            source, entries = _read_file(root, path, by_file.get(path, []), seen, scanner)
            sources.append(source)
            tensors.extend(entries)
    finally:
        scanner.close()
    return Snapshot(
        root, tuple(sources), tuple(tensors), tuple(shown(note) for note in parsed.notes),
        tuple(Link(path=to_text(name), target=to_text(goals[name])) for name in sorted(goals)),
        tuple(_folder(root, name) for name in sorted(folders)), parsed.indices,
    )  # fmt: skip


def _folder(root: Path, name: str) -> Folder:
    try:
        status = (root / name).stat()
    except FileNotFoundError as error:
        raise CheckpointTorn(f"{root / name} is gone") from error
    return Folder(path=to_text(name), mode=stat.S_IMODE(status.st_mode), mtime_ns=status.st_mtime_ns)


def _by_file(parsed: ParsedCheckpoint) -> dict[str, list[TensorRange]]:
    """Tensors of each file, and with them items that are no tensors, as tensors of bytes: admission judges both."""
    found: dict[str, list[TensorRange]] = {}
    for tensor in parsed.tensors:
        found.setdefault(tensor.file, []).append(tensor)
    for each in parsed.objects:
        item = TensorRange(each.name, each.file, each.offset, each.length, _BYTES, (each.length,))
        found.setdefault(each.file, []).append(item)
    return found


def _read_file(
    root: Path, path: str, tensors: list[TensorRange], seen: dict[tuple[int, int], File], scanner: Scanner
) -> tuple[SourceFile, list[TensorEntry]]:
    """`seen`: by device and inode the files that were read so far, for those that have several names."""
    try:
        with (root / path).open("rb", buffering=0) as file:
            before = os.fstat(file.fileno())
            scanned = scanner.scan(file.fileno(), root / path, before.st_size, tensors)
            after = os.fstat(file.fileno())
    except FileNotFoundError as error:
        raise CheckpointTorn(f"{root / path} is gone") from error
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise SourceChanged(f"{root / path} changed while it was being read")
    same = seen.get((before.st_dev, before.st_ino)) if before.st_nlink > 1 else None
    entry = File(
        path=to_text(path), mode=stat.S_IMODE(before.st_mode), mtime_ns=before.st_mtime_ns, size_bytes=before.st_size,
        digest=scanned.digest, blocks=(), hard_link=same.path if same is not None else None,
    )  # fmt: skip
    seen.setdefault((before.st_dev, before.st_ino), entry)
    return SourceFile(entry, tuple(SourceBlock(*block) for block in scanned.blocks)), scanned.tensors
