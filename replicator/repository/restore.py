"""Bringing a checkpoint back: every byte checked against the commit before the folder appears under its name.

Files are written beside the destination and checked block by block and as a whole; only then is the folder renamed
into place, so that a trainer's loader never sees anything that no digest vouches for (DESIGN, rule 13).
"""

from __future__ import annotations

import os
import secrets
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blake3 import blake3

from replicator.codec.plain import decode
from replicator.errors import DataCorrupt, DestinationOccupied, KeyMissing, ReplicatorError
from replicator.repository import manifest as manifests
from replicator.repository.packs import pack_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from replicator.log.replay import Accepted
    from replicator.repository.manifest import Block, File, Manifest
    from replicator.repository.repository import Repository

_THREADS = 4


@dataclass(frozen=True, slots=True)
class Restored:
    """`already` says that the destination held these very files and nothing was read."""

    path: Path
    size_bytes: int
    files: int
    already: bool


def restore(
    repository: Repository,
    accepted: Accepted,
    destination: Path,
    *,
    progress: Callable[[int], None] | None = None,
) -> Restored:
    """Write the checkpoint's files to `destination`, which must be absent, empty, or these same files already.

    `progress` gets the bytes written since it was last called, from several threads. DataCorrupt,
    DestinationOccupied.
    """
    manifest = repository.manifest(accepted.where.manifest)
    if manifests.root(manifest.files) != accepted.what.root:
        raise DataCorrupt(f"the manifest of {accepted.what.id()} lists other files than its commit")
    return write_files(repository, manifest, destination, progress=progress)


def write_files(
    repository: Repository, manifest: Manifest, destination: Path, *, progress: Callable[[int], None] | None = None
) -> Restored:
    """Write the files that a manifest lists, as `restore` does; whether a commit vouches for them, the caller knows."""
    size = sum(file.size_bytes for file in manifest.files)
    if holds(destination, manifest):
        return Restored(destination, size, len(manifest.files), already=True)
    if destination.exists() and (not destination.is_dir() or any(destination.iterdir())):
        raise DestinationOccupied(f"{destination} holds something else")
    staging = destination.parent / f".{destination.name}.{secrets.token_hex(6)}.restoring"
    try:
        staging.mkdir(parents=True)
        with ThreadPoolExecutor(_THREADS) as pool:
            jobs = [pool.submit(_write_file, repository, manifest, f, staging, progress) for f in manifest.files]
            for job in jobs:
                job.result()
        _place(staging, destination, manifest)
    except OSError as error:
        raise ReplicatorError(
            f"{destination}: {error.strerror or error}", hint="Free space, or use another --to."
        ) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return Restored(destination, size, len(manifest.files), already=False)


def holds(destination: Path, manifest: Manifest) -> bool:
    """Whether `destination` has exactly the manifest's files, byte for byte."""
    if not destination.is_dir():
        return False
    there = {path.relative_to(destination).as_posix() for path in destination.rglob("*") if path.is_file()}
    if there != {file.path for file in manifest.files}:
        return False
    return all(_digest_of(destination / file.path) == file.digest for file in manifest.files)


def read_block(repository: Repository, manifest: Manifest, block: Block) -> bytes:
    """A block's plaintext, checked. DataCorrupt names the pack."""
    pack = manifest.packs[block.pack].digest
    try:
        stored = repository.store.get_range(pack_key(pack), block.offset, block.stored_bytes)
    except KeyMissing as error:
        raise DataCorrupt(f"{repository.store.url}: pack {pack} is missing") from error
    try:
        if len(stored) != block.stored_bytes:
            raise DataCorrupt("it ends early")
        plain = decode(block.coder, stored, block.size_bytes)
        if blake3(plain).hexdigest() != block.digest:
            raise DataCorrupt("a block is not what its digest says")
    except DataCorrupt as error:
        raise DataCorrupt(f"{repository.store.url}: pack {pack}, byte {block.offset}: {error}") from error
    return plain


def _write_file(
    repository: Repository, manifest: Manifest, file: File, folder: Path, progress: Callable[[int], None] | None
) -> None:
    path = folder / file.path
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = blake3()
    with path.open("xb") as out:
        for index in file.blocks:
            plain = read_block(repository, manifest, manifest.blocks[index])
            whole.update(plain)
            out.write(plain)
            if progress is not None:
                progress(len(plain))
        if whole.hexdigest() != file.digest:
            raise DataCorrupt(f"{file.path} is not what its commit says")
        out.flush()
        os.fsync(out.fileno())
    path.chmod(file.mode)
    os.utime(path, ns=(file.mtime_ns, file.mtime_ns))


def _place(staging: Path, destination: Path, manifest: Manifest) -> None:
    try:
        staging.rename(destination)
    except OSError as error:
        if holds(destination, manifest):
            return
        raise DestinationOccupied(f"{destination} appeared while it was being restored") from error


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        whole = blake3()
        while chunk := file.read(1 << 22):
            whole.update(chunk)
    return whole.hexdigest()
