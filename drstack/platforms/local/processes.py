"""Which processes of this machine belong to a site, and ending them.

Every process of a site carries `DRSTACK_SITE=<folder>` in its environment; only those are ever killed. Others that
work in the folder, or name it, are told apart: they keep a fence from being proven.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from drstack.platforms.local.waiting import Deadline

if TYPE_CHECKING:
    from collections.abc import Iterable

    from drstack.platforms.local.folder import SiteFolder

MARKER = "DRSTACK_SITE"
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Seen:
    pid: int
    ours: bool
    """Whether it carries the site's mark."""
    command: str

    def __str__(self) -> str:
        return f"{self.pid} ({self.command[:80]})"


def can_look() -> bool:
    return (_PROC / "self" / "environ").exists()


def of_site(folder: SiteFolder, *, spare_family: bool = True) -> list[Seen]:
    """Processes of the site, without this one and, with `spare_family`, those that it descends from."""
    mark = f"{MARKER}={folder.path}".encode()
    name = os.fsencode(folder.path)
    family = _ancestry(os.getpid()) if spare_family else {os.getpid()}
    found: list[Seen] = []
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and int(entry.name) not in family:
            seen = _look(entry, mark, name)
            if seen is not None:
                found.append(seen)
    return found


def _look(entry: Path, mark: bytes, name: bytes) -> Seen | None:
    command = _read(entry / "cmdline").split(b"\0")
    try:
        place = os.fsencode((entry / "cwd").readlink())
    except OSError:
        place = b""
    ours = mark in _read(entry / "environ").split(b"\0")
    inside = any(_within(each, name) for each in (place, *command))
    if not (ours or inside):
        return None
    return Seen(int(entry.name), ours, b" ".join(command).decode(errors="replace").strip())


def _within(word: bytes, name: bytes) -> bool:
    return word == name or word.startswith(name + b"/") or f"={name.decode(errors='replace')}".encode() in word


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _ancestry(pid: int) -> set[int]:
    family: set[int] = set()
    while pid > 1 and pid not in family:
        family.add(pid)
        fields = _read(_PROC / str(pid) / "stat").rpartition(b")")[2].split()
        pid = int(fields[1]) if len(fields) > 1 else 0
    return family


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and was not yet reaped does not."""
    fields = _read(_PROC / str(pid) / "stat").rpartition(b")")[2].split()
    if fields:
        return fields[0] not in (b"Z", b"X")
    if can_look():
        return False
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def runs_for(folder: SiteFolder, pid: int) -> bool:
    """Whether the process runs and is the site's: its number may have been given to another since."""
    return alive(pid) and (not can_look() or _marked(pid, folder))


def _marked(pid: int, folder: SiteFolder) -> bool:
    return f"{MARKER}={folder.path}".encode() in _read(_PROC / str(pid) / "environ").split(b"\0")


def end(folder: SiteFolder, *, deadline_s: float, spare_family: bool = True) -> list[Seen]:
    """Kill every process that carries the site's mark. Returns those of the site that are left."""
    deadline = Deadline(deadline_s)
    while can_look():
        marked = [seen.pid for seen in of_site(folder, spare_family=spare_family) if seen.ours]
        if not marked or deadline.passed:
            break
        kill(marked, folder, within_s=deadline.left_s(2.0))
    return of_site(folder, spare_family=spare_family) if can_look() else []


def kill(pids: Iterable[int], folder: SiteFolder, *, within_s: float = 2.0) -> None:
    """Kill those that carry the site's mark, the oldest first, and wait for their end together."""
    deadline = Deadline(within_s)
    with contextlib.ExitStack() as held:
        killed = [handle for pid in sorted(pids) if (handle := _killed(pid, folder, held)) is not None]
        for handle in killed:
            select.select([handle], [], [], deadline.left_s())


def _killed(pid: int, folder: SiteFolder, held: contextlib.ExitStack) -> int | None:
    """A descriptor that turns readable at its end; None where it was not killed."""
    try:
        handle = os.pidfd_open(pid)
        held.callback(os.close, handle)
        # The number may have been given to another process since it was seen.
        if not _marked(pid, folder):
            return None
        signal.pidfd_send_signal(handle, signal.SIGKILL)
    except OSError:
        return None
    return handle
