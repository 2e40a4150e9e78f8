"""What is kept with a checkpoint and is no file of it: its versions, a patch, the dump of a database at its step.

It lies in the same packs and the same manifest, so that it is complete or absent with its checkpoint, and a signature
over *what* covers it (`What.beside`). A restore of the checkpoint does not write it among the trainer's files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from blake3 import blake3

from replicator.errors import DataCorrupt
from replicator.repository import manifest as manifests
from replicator.repository.reading import read_block
from replicator.repository.snapshot import take_snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from replicator.log.replay import Accepted
    from replicator.repository.manifest import File, Manifest
    from replicator.repository.repository import Repository
    from replicator.repository.snapshot import Snapshot

FOLDER = "beside"
"""Its name below a folder of the spool."""
_MAX_READ_BYTES = 64 << 20


def write_beside(making: Path, files: Mapping[str, bytes]) -> None:
    """Add small files to what lies beside the checkpoint that is being pinned in `making`."""
    for name, body in files.items():
        path = making / FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)


def take_beside(making: Path) -> Snapshot | None:
    """What lies beside the checkpoint in `making`, read once; None if nothing does."""
    folder = making / FOLDER
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return take_snapshot(folder, names) if names else None


def require_beside(manifest: Manifest, accepted: Accepted) -> None:
    """DataCorrupt unless the manifest lists exactly what the commit vouches for."""
    listed = manifests.root(manifest.beside) if manifest.beside else None
    if listed != accepted.what.beside:
        raise DataCorrupt("the manifest lists other files beside the checkpoint than its commit")


def names_beside(repository: Repository, accepted: Accepted) -> tuple[str, ...]:
    manifest = repository.manifest(accepted.where.manifest)
    require_beside(manifest, accepted)
    return tuple(file.path for file in manifest.beside)


def read_beside(repository: Repository, accepted: Accepted, name: str) -> bytes | None:
    """A file kept beside the checkpoint, checked; None if there is none of that name. DataCorrupt."""
    if accepted.what.beside is None:
        return None
    manifest = repository.manifest(accepted.where.manifest)
    require_beside(manifest, accepted)
    for file in manifest.beside:
        if file.path != name:
            continue
        if file.size_bytes > _MAX_READ_BYTES:
            raise DataCorrupt(f"{name} is {file.size_bytes} bytes, more than anything of its kind")
        return b"".join(read_pieces(repository, manifest, file))
    return None


def read_pieces(repository: Repository, manifest: Manifest, file: File) -> Iterator[bytes]:
    """The blocks of a file that is kept beside, in order. DataCorrupt at the end if they do not make it."""
    whole = blake3()
    for index in file.blocks:
        plain = read_block(repository, manifest, manifest.blocks[index])
        whole.update(plain)
        yield plain
    if whole.hexdigest() != file.digest:
        raise DataCorrupt(f"{file.path}, kept beside the checkpoint, is not what its commit says")
