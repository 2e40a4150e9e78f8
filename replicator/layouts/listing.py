"""The files of a checkpoint folder.

Invariant: a listing names regular files only, never leads out of the folder, and what a trainer has not finished or
does not mean as content (dotfiles but `.metadata`, `*.tmp`) is left out by the same rule everywhere.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from replicator.formats.errors import PathRefused
from replicator.formats.source import check_relative

METADATA_NAME = ".metadata"
METADATA_TEMPORARY = ".metadata.tmp"


@dataclass(frozen=True, slots=True)
class Listing:
    files: tuple[str, ...]
    temporary: tuple[str, ...]
    """Left out, but telling: `.metadata.tmp`."""
    fault: str | None
    """The first thing that cannot be replicated: a link that leads out, a socket, a name that is no plain text."""


def is_content(name: str) -> bool:
    return not name.endswith(".tmp") and (name == METADATA_NAME or not name.startswith("."))


def list_files(folder: Path) -> Listing:
    """All files below `folder`. A folder that cannot be read, or vanishes meanwhile, is a fault, not an exception."""
    files: list[str] = []
    temporary: list[str] = []
    faults: list[str] = []
    inside = folder.resolve()

    def unreadable(error: OSError) -> None:
        faults.append(f"`{error.filename}` cannot be read: {error.strerror}")

    for place, folders, names in os.walk(folder, onerror=unreadable):
        folders[:] = sorted(name for name in folders if is_content(name))
        here = Path(place)
        faults.extend(f"`{_relative(here / name, folder)}` is a link" for name in folders if (here / name).is_symlink())
        for name in sorted(names):
            relative = _relative(here / name, folder)
            if name == METADATA_TEMPORARY:
                temporary.append(relative)
            if not is_content(name):
                continue
            fault = _file_fault(here / name, relative, inside)
            if fault is None:
                files.append(relative)
            else:
                faults.append(fault)
    return Listing(tuple(sorted(files)), tuple(sorted(temporary)), min(faults, default=None))


def _relative(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _file_fault(path: Path, relative: str, inside: Path) -> str | None:
    try:
        check_relative(relative)
        resolved = path.resolve(strict=True)
        mode = resolved.stat().st_mode
    except PathRefused as error:
        return str(error)
    except (OSError, RuntimeError):
        return f"`{relative}` leads nowhere" if path.is_symlink() else f"`{relative}` vanished"
    if not resolved.is_relative_to(inside):
        return f"`{relative}` is a link that leads out of the checkpoint"
    return None if stat.S_ISREG(mode) else f"`{relative}` is not a regular file"
