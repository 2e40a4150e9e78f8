"""All that can be had of a damaged checkpoint: files that are whole, tensors of others, and an exact list of the rest.

Never a wrong byte: a file is kept whole or not at all, a tensor only where every byte that says what and where it is
was checked. What is written never looks like a checkpoint: it is `files/` and `tensors/` beside `SALVAGED.json`.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from blake3 import blake3

from replicator.errors import DataCorrupt, DestinationOccupied, NothingToRestore
from replicator.formats.dcp import METADATA_NAME
from replicator.formats.parse import parse
from replicator.formats.safetensors_writer import WRITABLE, Piece, gather
from replicator.repository.names import to_disk
from replicator.repository.staging import place, require_room, staging

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from replicator.formats.tensors import TensorRange
    from replicator.repository.ladder import Ladder
    from replicator.repository.manifest import File, TensorEntry

REPORT = "SALVAGED.json"


@dataclass(slots=True)
class Damaged:
    """A file that is not whole. `lost`: its byte ranges that nobody has, first and last byte."""

    path: str
    size_bytes: int
    lost: list[tuple[int, int]]
    tensors: list[str] = field(default_factory=list[str])
    """Those of its tensors that were had."""
    lost_tensors: list[str] = field(default_factory=list[str])


@dataclass(slots=True)
class Salvaged:
    commit: str
    root: str
    files: list[str] = field(default_factory=list[str])
    damaged: list[Damaged] = field(default_factory=list[Damaged])

    @property
    def tensors(self) -> list[str]:
        return [name for each in self.damaged for name in each.tensors]

    def document(self) -> dict[str, object]:
        return {
            "commit": self.commit, "root": self.root, "complete": not self.damaged, "files": self.files,
            "damaged": [
                {
                    "path": each.path, "size_bytes": each.size_bytes, "lost": each.lost, "tensors": each.tensors,
                    "lost_tensors": each.lost_tensors,
                }
                for each in self.damaged
            ],
        }  # fmt: skip


def salvage(ladder: Ladder, folder: Path, *, progress: Callable[[int], None] | None = None) -> Salvaged:
    """Write what can be had to `folder`, absent or empty. DestinationOccupied, StoreUnavailable, NothingToRestore."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DestinationOccupied(f"{folder} holds something else")
    if folder.name == ladder.what.name:
        raise DestinationOccupied(
            f"{folder} is called like the checkpoint itself", hint="Give the salvage another name: it is not whole."
        )
    require_room(folder, ladder.what.size_bytes)
    told = Salvaged(str(ladder.what.id()), ladder.what.root)
    with staging(folder, f"salvage-{ladder.what.root[:16]}") as staged:
        for old in staged.iterdir():
            shutil.rmtree(old, ignore_errors=True)
        there = staged / "there"
        for file in ladder.manifest.files:
            lost = _fetch(ladder, file, there / to_disk(file.path), progress)
            if lost:
                told.damaged.append(Damaged(file.path, file.size_bytes, lost))
            else:
                told.files.append(file.path)
        found = _parsed(there, told)
        for each in told.damaged:
            _tensors_of(ladder, each, there, staged / "tensors", found)
        for each in told.damaged:
            (there / to_disk(each.path)).unlink()
        if not told.files and not told.tensors:
            shutil.rmtree(staged)
            raise NothingToRestore(f"{told.commit}: no file and no tensor of it can be had whole")
        there.rename(staged / "files")
        (staged / REPORT).write_text(json.dumps(told.document(), indent=1))
        place(staged, folder, lambda: False)
    return told


def _parsed(there: Path, told: Salvaged) -> dict[tuple[str, str, int], TensorRange]:
    """Tensors by name, file and offset, as the files themselves say: by what is whole, and by their own headers."""
    files = [path for path in told.files if PurePosixPath(path).name == METADATA_NAME]
    files += [each.path for each in told.damaged if PurePosixPath(each.path).name != METADATA_NAME]
    return {(tensor.name, tensor.file, tensor.offset): tensor for tensor in parse(there, files).tensors}


def _fetch(ladder: Ladder, file: File, path: Path, progress: Callable[[int], None] | None) -> list[tuple[int, int]]:
    """Write what can be read, with holes for what cannot; the holes, joined where they touch."""
    lost: list[tuple[int, int]] = []
    whole = blake3()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as out:
        for unit in ladder.singles(file):
            end = unit.offset + ladder.size(unit)
            try:
                plain = ladder.read(unit)
            except DataCorrupt:
                first = lost.pop()[0] if lost and lost[-1][1] + 1 == unit.offset else unit.offset
                lost.append((first, end - 1))
            else:
                out.seek(unit.offset)
                out.write(plain)
                whole.update(plain)
            if progress is not None:
                progress(end - unit.offset)
        out.truncate(file.size_bytes)
    if not lost and whole.hexdigest() != file.digest:
        lost.append((0, file.size_bytes - 1))
    if not lost:
        path.chmod(file.mode)
        os.utime(path, ns=(file.mtime_ns, file.mtime_ns))
    return lost


def _tensors_of(
    ladder: Ladder, damaged: Damaged, there: Path, into: Path, found: dict[tuple[str, str, int], TensorRange]
) -> None:
    entries = [tensor for tensor in ladder.manifest.tensors if tensor.file == damaged.path]
    sound: list[Piece] = []
    for entry in entries:
        piece = _piece(entry, entries, damaged, there, found)
        if piece is None:
            damaged.lost_tensors.append(entry.name)
        else:
            sound.append(piece)
            damaged.tensors.append(piece.name)
    if sound:
        target = into / f"{damaged.path}.safetensors"
        target.parent.mkdir(parents=True, exist_ok=True)
        gather(target, sound)


def _piece(
    entry: TensorEntry,
    entries: list[TensorEntry],
    damaged: Damaged,
    there: Path,
    found: dict[tuple[str, str, int], TensorRange],
) -> Piece | None:
    """The tensor, if all bytes that it is made of were checked, and so were those that say how its elements lie."""
    if entry.dtype not in WRITABLE:
        return None
    begin, end, strides = entry.offset, entry.offset + entry.length, None
    if not entry.file.endswith(".safetensors"):
        tensor = found.get((entry.name, entry.file, entry.offset))
        if tensor is None or (tensor.length, tensor.dtype, tensor.shape) != (entry.length, entry.dtype, entry.shape):
            return None
        begin = max((each.offset + each.length for each in entries if each.offset < entry.offset), default=0)
        end = min((each.offset for each in entries if each.offset > entry.offset), default=damaged.size_bytes)
        strides = tensor.strides
    if any(first < end and last >= begin for first, last in damaged.lost):
        return None
    name = entry.name if entry.offsets is None else f"{entry.name}@{'_'.join(map(str, entry.offsets))}"
    origin = (0,) * len(entry.shape)
    return Piece(name, there / entry.file, entry.offset, entry.dtype, entry.shape, entry.shape, origin, strides)
