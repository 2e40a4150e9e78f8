"""A checkpoint's manifest: its files, the blocks that they are made of, the packs that hold them, its tensors.

It is canonical JSON under zstandard, named by the BLAKE3 of the stored bytes (docs/format.md). Paths are relative,
normal and inside the checkpoint; every file is covered by its blocks; every block lies inside its pack.
"""

from __future__ import annotations

import posixpath
from itertools import chain
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

import zstandard
from blake3 import blake3
from pydantic import Field, ValidationError

from replicator.errors import DataCorrupt, TooNew
from replicator.json_text import parse_json
from replicator.log.records import canonical, digest
from replicator.model import Frozen, PackRef
from replicator.repository.names import is_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

FORMAT = 1
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
    hard_link: str | None = Field(default=None, exclude_if=lambda path: path is None)
    """The path of a file that was the same one under another name; it comes before this one."""


class Link(Frozen):
    """A symbolic link. `target` is relative, and leads to what the checkpoint holds."""

    path: str
    target: str


class Folder(Frozen):
    """A folder that holds nothing."""

    path: str
    mode: int
    mtime_ns: int


class Chunker(Frozen):
    """How a writer cut what has no structure, for the next writer. Readers need it for nothing."""

    name: str
    min_bytes: int
    average_bytes: int
    max_bytes: int


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


class PackKey(NamedTuple):
    """Which key a pack's own is derived from, and its salt, as hex."""

    key: str
    salt: str


class Encryption(Frozen):
    """What recipients need beside their keys. `packs` stand beside those of the manifest."""

    suite: str
    key: str
    """Under which the manifest itself is encrypted."""
    workload: str
    block_key: str
    """Makes block ids of the plaintexts' digests, as hex: it is the writer's."""
    packs: tuple[PackKey, ...]

    def keys(self) -> tuple[str, ...]:
        """Every key that is needed to read the checkpoint."""
        return tuple(sorted({self.key, *(pack.key for pack in self.packs)}))


class Manifest(Frozen):
    format: int = FORMAT
    push: str
    """Salt of the push, as hex: two pushes of one content have manifests of their own, and letting go of one of them
    takes nothing from the other."""
    files: tuple[File, ...]
    blocks: tuple[Block, ...]
    packs: tuple[PackRef, ...]
    tensors: tuple[TensorEntry, ...] = ()
    notes: tuple[str, ...] = ()
    links: tuple[Link, ...] = Field(default=(), exclude_if=lambda links: not links)
    folders: tuple[Folder, ...] = Field(default=(), exclude_if=lambda folders: not folders)
    chunker: Chunker | None = Field(default=None, exclude_if=lambda chunker: chunker is None)
    encryption: Encryption | None = Field(default=None, exclude_if=lambda encryption: encryption is None)
    beside: tuple[File, ...] = Field(default=(), exclude_if=lambda beside: not beside)
    """What is kept with the checkpoint and is no file of it: versions, a patch, a database's dump."""

    def block_name(self, digest: str) -> str:
        """The id of a block here, from the digest of its plaintext."""
        return digest if self.encryption is None else keyed_name(bytes.fromhex(self.encryption.block_key), digest)

    def keys(self) -> tuple[str, ...]:
        return () if self.encryption is None else self.encryption.keys()


def root(files: Iterable[File], links: Iterable[Link] = (), folders: Iterable[Folder] = ()) -> str:
    """The digest of *what*: names, modes, times, sizes and contents of all files, whatever holds them.

    Where there are any: where links go, and which folders are empty.
    """
    rows: list[Sequence[str | int]] = [
        [file.path, file.mode, file.mtime_ns, file.size_bytes, file.digest] for file in files
    ]
    rows.extend([link.path, link.target] for link in links)
    rows.extend([folder.path, folder.mode, folder.mtime_ns] for folder in folders)
    return digest(canonical(sorted(rows, key=lambda row: row[0])))


def root_of(manifest: Manifest) -> str:
    return root(manifest.files, manifest.links, manifest.folders)


def keyed_name(key: bytes, digest: str) -> str:
    """A block's id under a key: keyed BLAKE3 of the digest of its plaintext, 64 hex digits."""
    return blake3(bytes.fromhex(digest), key=key).hexdigest()


def encode(manifest: Manifest) -> bytes:
    return zstandard.ZstdCompressor(level=3).compress(canonical(manifest.model_dump(mode="json")))


def decode(stored: bytes, where: str) -> Manifest:
    """DataCorrupt, naming `where`, if it is not a manifest whose parts fit together; TooNew if it says more than is known.

    What is too new is not damaged: no verifier says a word about it.
    """
    try:
        text = _decompressed(stored)
        manifest = Manifest.model_validate_json(text)
        _once(manifest, text)
        if manifest.format != FORMAT:
            raise TooNew(f"{where}: is of format {manifest.format}; this version reads {FORMAT}")
    except ValidationError as error:
        unknown = [each for each in error.errors() if each["type"] == "extra_forbidden"]
        if unknown and len(unknown) == error.error_count():
            named = ", ".join(".".join(map(str, each["loc"])) for each in unknown[:3])
            raise TooNew(f"{where}: has fields that this version does not know: {named}") from error
        raise DataCorrupt(f"{where}: not a manifest: {error}") from error
    except (zstandard.ZstdError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataCorrupt(f"{where}: not a manifest: {error}") from error
    for fault in _faults(manifest):
        raise DataCorrupt(f"{where}: {fault}")
    return manifest


def _once(manifest: Manifest, text: bytes) -> None:
    """ValueError if a field is there twice. `manifest`: what was read of it.

    In text without escapes, and without a blank after a quotation mark, a quotation mark before a colon ends a field's
    name: there are as many of them as fields that were read. Other text, which no writer makes, is parsed once more.
    """
    rows = (manifest.files, manifest.packs, manifest.tensors, manifest.links, manifest.folders, manifest.beside)
    alone = [each for each in (manifest, manifest.chunker, manifest.encryption) if each is not None]
    fields = sum(len(each.model_fields_set) for each in chain(alone, *rows))
    plain = not any(mark in text for mark in (b"\\", b'" ', b'"\n', b'"\t', b'"\r'))
    if not plain or text.count(b'":') != fields:
        parse_json(text)


def _decompressed(stored: bytes) -> bytes:
    """As it comes: memory is taken for bytes that are there, not for those that a frame announces."""
    with zstandard.ZstdDecompressor().stream_reader(stored) as reader:
        plain = bytearray()
        while piece := reader.read(1 << 20):
            plain += piece
            if len(plain) > _MAX_BYTES:
                raise ValueError(f"it has more than {_MAX_BYTES} bytes")
    return bytes(plain)


def safe_path(path: str) -> bool:
    """Whether a file of this name stays inside the folder that it is restored to."""
    pure = PurePosixPath(path)
    plain = bool(path) and not pure.is_absolute() and ".." not in pure.parts and str(pure) == path and path != "."
    return plain and is_text(path)


def stays_inside(path: str, target: str) -> bool:
    """Whether a link at `path` leads to something below the checkpoint, as far as names show it."""
    goal = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    return bool(target) and is_text(target) and not target.startswith("/") and safe_path(goal)


def _faults(manifest: Manifest) -> list[str]:
    faults = _tree_faults(manifest)
    if len({file.path for file in manifest.beside}) != len(manifest.beside):
        faults.append("a file beside the checkpoint is named twice")
    for block in manifest.blocks:
        if not 0 <= block.pack < len(manifest.packs):
            faults.append(f"a block lies in pack {block.pack} of {len(manifest.packs)}")
        elif block.offset < 0 or block.offset + block.stored_bytes > manifest.packs[block.pack].size_bytes:
            faults.append(f"a block ends past its pack {manifest.packs[block.pack].digest}")
    if manifest.encryption is not None and len(manifest.encryption.packs) != len(manifest.packs):
        faults.append(f"it names keys of {len(manifest.encryption.packs)} packs, and has {len(manifest.packs)}")
    for file in (*manifest.files, *manifest.beside):
        if not safe_path(file.path):
            faults.append(f"{file.path!r} is not a path inside the checkpoint")
        if any(not 0 <= index < len(manifest.blocks) for index in file.blocks):
            faults.append(f"{file.path} names a block that is not there")
        elif sum(manifest.blocks[index].size_bytes for index in file.blocks) != file.size_bytes:
            faults.append(f"{file.path} is not covered by its blocks")
    return faults


def _tree_faults(manifest: Manifest) -> list[str]:
    """What would let files, links and folders get into each other's way, or out of the checkpoint."""
    others = [each.path for each in (*manifest.links, *manifest.folders)]
    names = [*(file.path for file in manifest.files), *others]
    faults = [f"{path!r} is not a path inside the checkpoint" for path in others if not safe_path(path)]
    if len(set(names)) != len(names):
        faults.append("a file is named twice")
    closed = set(names)
    faults += [
        f"{name!r} lies in something that is no folder of files"
        for name in names
        if any(str(parent) in closed for parent in PurePosixPath(name).parents)
    ]
    faults += [
        f"the link {each.path!r} leads out of the checkpoint"
        for each in manifest.links
        if not stays_inside(each.path, each.target)
    ]
    earlier: dict[str, str] = {}
    for file in manifest.files:
        if file.hard_link is not None and earlier.get(file.hard_link) != file.digest:
            faults.append(f"{file.path!r} is said to be {file.hard_link!r}, which is another")
        earlier[file.path] = file.digest
    return faults
