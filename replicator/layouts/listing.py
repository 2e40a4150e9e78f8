"""The files of a checkpoint folder.

Invariant: a listing names regular files, and links to what is in the folder, only; and what a trainer has not finished
or does not mean as content (dotfiles but `.metadata`, `*.tmp`) is left out by the same rule everywhere.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from replicator.formats.tree import kept_link

if TYPE_CHECKING:
    from collections.abc import Mapping

METADATA_NAME = ".metadata"
METADATA_TEMPORARY = ".metadata.tmp"


@dataclass(frozen=True, slots=True)
class FileFact:
    size_bytes: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Listing:
    files: tuple[str, ...]
    temporary: tuple[str, ...]
    """Left out, but telling: `.metadata.tmp`."""
    fault: str | None
    """The first thing that cannot be replicated: a link that leads out, a socket."""
    facts: Mapping[str, FileFact] = field(default_factory=dict["str", FileFact])
    """Size and time of each of `files`, as they were when it was listed."""
    folders: tuple[str, ...] = ()
    """Those that hold nothing at all."""


def is_content(name: str) -> bool:
    return not name.endswith(".tmp") and (name == METADATA_NAME or not name.startswith("."))


def list_files(folder: Path) -> Listing:
    """All files below `folder`. A folder that cannot be read, or vanishes meanwhile, is a fault, not an exception."""
    files: list[str] = []
    temporary: list[str] = []
    faults: list[str] = []
    facts: dict[str, FileFact] = {}
    links: list[str] = []
    empty: list[str] = []
    inside = folder.resolve()

    def unreadable(error: OSError) -> None:
        faults.append(f"`{error.filename}` cannot be read: {error.strerror}")

    for place, folders, names in os.walk(folder, onerror=unreadable):
        folders[:] = sorted(name for name in folders if is_content(name))
        here = Path(place)
        links.extend(_relative(here / name, folder) for name in folders if (here / name).is_symlink())
        if not folders and not names and here != folder:
            empty.append(_relative(here, folder))
        for name in sorted(names):
            relative = _relative(here / name, folder)
            if name == METADATA_TEMPORARY:
                temporary.append(relative)
            if not is_content(name):
                continue
            fact = _look(here / name, relative, inside)
            if isinstance(fact, FileFact):
                files.append(relative)
                facts[relative] = fact
            else:
                faults.append(fact)
    known = frozenset((*files, *empty, *links))
    for name in links:
        if kept_link(folder, name, known) is None:
            faults.append(f"`{name}` is a link to a folder that the checkpoint does not hold")
        else:
            facts[name] = FileFact(0, (folder / name).lstat().st_mtime_ns)
            files.append(name)
    return Listing(
        tuple(sorted(files)), tuple(sorted(temporary)), min(faults, default=None), facts, tuple(sorted(empty))
    )


def list_file(path: Path) -> Listing:
    """One file as a listing of its own."""
    fact = _look(path, path.name, path.parent.resolve())
    if isinstance(fact, FileFact):
        return Listing((path.name,), (), None, {path.name: fact})
    return Listing((path.name,), (), fact)


def _relative(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _look(path: Path, relative: str, inside: Path) -> FileFact | str:
    """What a file is, or why it cannot be replicated."""
    try:
        resolved = path.resolve(strict=True)
        status = resolved.stat()
    except (OSError, RuntimeError):
        return f"`{relative}` leads nowhere" if path.is_symlink() else f"`{relative}` vanished"
    if not resolved.is_relative_to(inside):
        return f"`{relative}` is a link that leads out of the checkpoint"
    if not stat.S_ISREG(status.st_mode):
        return f"`{relative}` is not a regular file"
    return FileFact(status.st_size, status.st_mtime_ns)
