"""What a folder holds beside regular files with contents of their own: symbolic links, and folders that are empty.

Invariant: a link is kept as one only where it is relative and leads, by its name and in fact, to what travels with it.
Every other link to a file of the checkpoint travels as that file's contents; the rest is refused.
"""

from __future__ import annotations

import os
import posixpath
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection


def kept_link(root: Path, name: str, names: Collection[str]) -> str | None:
    """The target of the link `name` below `root`, if it is kept as a link among `names`; else None.

    `names`: the files (links too) and empty folders that travel.
    """
    path = root / name
    if not path.is_symlink():
        return None
    target = str(path.readlink())
    goal = posixpath.normpath(posixpath.join(posixpath.dirname(name), target))
    if posixpath.isabs(target) or goal in {".", ".."} or goal.startswith("../") or goal == name:
        return None
    if goal not in names and not any(other.startswith(f"{goal}/") for other in names):
        return None
    try:
        resolved = path.resolve(strict=True)
    except (OSError, RuntimeError):
        return None
    return target if resolved.is_relative_to(root.resolve()) else None


def empty_folders(root: Path) -> tuple[str, ...]:
    """Folders below `root` that hold nothing, as paths relative to it."""
    found: list[str] = []
    for place, folders, names in os.walk(root):
        if not folders and not names and place != str(root):
            found.append(Path(place).relative_to(root).as_posix())
    return tuple(sorted(found))
