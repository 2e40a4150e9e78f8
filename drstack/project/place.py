"""Putting a new project's files in place, all or none.

Decides what is in the way. Invariant: no file that exists is ever changed. A new folder comes by one rename; into one
that is there each file is linked, whole, and a run that was killed is taken up by the next, which finds its own files as
they should be.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from drstack.errors import DrstackError

if TYPE_CHECKING:
    from drstack.project.content import Files


class FilesInTheWay(DrstackError):
    exit_code = 39
    hint = "Move them away, or name another folder; nothing was written."


def place(files: Files, folder: Path) -> tuple[str, ...]:
    """Write the files into `folder`. Returns the paths that were made; none if all were there as they should be.

    FilesInTheWay, which names each file that exists with other content.
    """
    goal = folder.absolute()
    made = _judge(files, goal)
    if not made:
        return ()
    try:
        around = goal if goal.exists() else goal.parent
        around.mkdir(parents=True, exist_ok=True)
        staged = Path(tempfile.mkdtemp(dir=around, prefix=f".{goal.name}.", suffix=".new"))
    except OSError as error:
        raise DrstackError(f"{goal}: {error.strerror}", hint="Name a folder that you may write to.") from error
    try:
        _write(files, staged)
        if around == goal or not _by_rename(staged, goal):
            _link_all(staged, goal, made)
    except OSError as error:
        raise DrstackError(f"{goal}: {error}", hint="Run the same command again: what is there is kept.") from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    return made


def _judge(files: Files, goal: Path) -> tuple[str, ...]:
    """The paths to make."""
    made: list[str] = []
    others: list[str] = []
    for path, file in files.items():
        there = goal / path
        if there.is_symlink() or there.exists():
            if not (there.is_file() and there.read_bytes() == file.content):
                others.append(str(path))
        elif blocking := next((up for up in (goal, *there.parents) if up.exists() and not up.is_dir()), None):
            others.append(os.path.relpath(blocking, goal))
        else:
            made.append(str(path))
    if others:
        named = ", ".join(dict.fromkeys(others))
        raise FilesInTheWay(f"{goal} holds other files where the project's would be: {named}")
    return tuple(made)


def _write(files: Files, staged: Path) -> None:
    staged.chmod(0o777 & ~_umask())
    for path, file in files.items():
        goal = staged / path
        goal.parent.mkdir(parents=True, exist_ok=True)
        with goal.open("xb") as out:
            out.write(file.content)
            out.flush()
            os.fsync(out.fileno())
        if file.executable:
            goal.chmod(goal.stat().st_mode | (0o111 & ~_umask()))


def _by_rename(staged: Path, goal: Path) -> bool:
    """Whether the folder is the project now; not if somebody made it since we looked."""
    try:
        staged.rename(goal)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return False
        raise
    return True


def _link_all(staged: Path, goal: Path, made: tuple[str, ...]) -> None:
    """All of them or, if one cannot be, none."""
    linked: list[Path] = []
    try:
        for path in made:
            if _link(staged / path, goal / path):
                linked.append(goal / path)
    except BaseException:
        for path in linked:
            path.unlink(missing_ok=True)
        raise


def _link(source: Path, goal: Path) -> bool:
    """Whether it was made here; else it was there already, the same."""
    goal.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, goal)
        return True  # noqa: TRY300
    except FileExistsError as error:  # somebody made it since we looked
        if goal.read_bytes() != source.read_bytes():
            raise FilesInTheWay(
                f"{goal} was made meanwhile", hint="Look at it, then run the same command again."
            ) from error
        return False


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
