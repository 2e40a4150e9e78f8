"""Only the tensors asked for, as one safetensors file; bytes that hold none of them are not fetched where that is known.

A `.safetensors` file is row-major, so that its tensors' ranges are enough. Other files are fetched whole: how a
tensor's elements lie is said in the file itself, which is read without unpickling once all of it is verified.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from replicator.formats.dcp import METADATA_NAME
from replicator.formats.parse import parse
from replicator.formats.safetensors_writer import NotGatherable, Piece, gather
from replicator.repository.restore import Restored, restore_from

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from replicator.formats.tensors import TensorRange
    from replicator.repository.ladder import Ladder
    from replicator.repository.manifest import TensorEntry

FILE = "tensors.safetensors"
_RANGED = ".safetensors"
_PARTS = ".parts"


def restore_tensors(
    ladder: Ladder, entries: Sequence[TensorEntry], destination: Path, progress: Callable[[int], None] | None = None
) -> Restored:
    """`destination/tensors.safetensors` with these tensors, shards assembled. NotGatherable, DataCorrupt.

    Of what a keeper packed anew, whole files: its word alone, and not the writer's, says which blocks they have.
    """
    ranged = not any(rung.accepted.compacted for rung in ladder.rungs)
    whole = {entry.file for entry in entries if not (ranged and entry.file.endswith(_RANGED))}
    folders = {PurePosixPath(path).parent for path in whole}
    whole |= {
        file.path
        for file in ladder.manifest.files
        if PurePosixPath(file.path).name == METADATA_NAME and PurePosixPath(file.path).parent in folders
    }

    def finish(staged: Path) -> None:
        parts = staged / _PARTS
        parts.mkdir()
        pieces = [
            _fetched(ladder, entry, parts, n, progress) for n, entry in enumerate(entries) if entry.file not in whole
        ]
        pieces += pieces_of([entry for entry in entries if entry.file in whole], staged)
        gather(parts / FILE, named(pieces))
        for path in staged.iterdir():
            if path != parts:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        (parts / FILE).rename(staged / FILE)
        shutil.rmtree(parts)

    return restore_from(ladder, destination, only=whole, finish=finish, progress=progress)


def _fetched(
    ladder: Ladder, entry: TensorEntry, parts: Path, n: int, progress: Callable[[int], None] | None
) -> tuple[TensorEntry, Piece]:
    path = parts / str(n)
    with path.open("wb") as out:
        for chunk in ladder.range(entry.file, entry.offset, entry.length):
            out.write(chunk)
            if progress is not None:
                progress(len(chunk))
    return entry, _piece(entry, path, 0, None)


def pieces_of(entries: Iterable[TensorEntry], folder: Path) -> list[tuple[TensorEntry, Piece]]:
    """The pieces of these tensors in verified files below `folder`. NotGatherable if a file says otherwise."""
    files = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    found = {_identity(tensor): tensor for tensor in parse(folder, files).tensors}
    pieces: list[tuple[TensorEntry, Piece]] = []
    for entry in entries:
        tensor = found.get(_identity(entry))
        if tensor is None:
            raise NotGatherable(f"{entry.file} does not hold tensor {entry.name!r} as its manifest says")
        pieces.append((entry, _piece(entry, folder / entry.file, entry.offset, tensor.strides)))
    return pieces


def named(pieces: Sequence[tuple[TensorEntry, Piece]]) -> list[Piece]:
    """Pieces under names that tell them apart: two tensors of one name that are no shards are named by their files."""
    lonely = {(entry.name, entry.file) for entry, _ in pieces if entry.global_shape is None}
    twice = {name for name, _ in lonely if sum(other == name for other, _ in lonely) > 1}
    made: list[Piece] = []
    for entry, piece in pieces:
        name = f"{entry.file}:{entry.name}" if entry.name in twice else entry.name
        made.append(replace(piece, name=name))
    return made


def _piece(entry: TensorEntry, source: Path, offset: int, strides: tuple[int, ...] | None) -> Piece:
    sharded = entry.global_shape is not None and entry.offsets is not None
    whole = entry.global_shape if sharded and entry.global_shape is not None else entry.shape
    begins = entry.offsets if sharded and entry.offsets is not None else (0,) * len(entry.shape)
    return Piece(entry.name, source, offset, entry.dtype, entry.shape, whole, begins, strides)


def _identity(tensor: TensorEntry | TensorRange) -> tuple[str, str, int, int, str, tuple[int, ...]]:
    return tensor.name, tensor.file, tensor.offset, tensor.length, tensor.dtype, tensor.shape
