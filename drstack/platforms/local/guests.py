"""Processes that run on the idle part of a site without being of it: a drill's. A real promotion ends them first.

A drill marks all of its processes with the drill's folder and with the site whose idle part they use, in their
environment. Invariant: only processes with the mark that is asked for are ever killed, and who wants the site needs
nobody's consent, nor the drill's operator to be alive.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from drstack.platforms.local.processes import alive, can_look
from drstack.platforms.local.waiting import Deadline

if TYPE_CHECKING:
    from drstack.platforms.local.folder import SiteFolder

HOST = "DRSTACK_DRILL_AT"
"""In the environment of a guest: the folder of the site whose idle part it uses."""
DRILL = "DRSTACK_DRILL"
"""In the environment of a guest: the folder of its drill."""
END_S = 2.0
_PROC = Path("/proc")


def marks(host: SiteFolder, drill: Path) -> dict[str, str]:
    """What every process of a drill carries in its environment."""
    return {HOST: str(host.path), DRILL: str(drill)}


def end_guests(host: SiteFolder, *, within_s: float = END_S) -> list[int]:
    """Kill whatever uses the idle part of the site. Returns what is left, by process id."""
    return end_marked(HOST, host.path, within_s=within_s)


def end_drill(drill: Path, *, within_s: float = END_S) -> list[int]:
    """Kill every process of the drill in this folder. Returns what is left, by process id."""
    return end_marked(DRILL, drill, within_s=within_s)


def forget_drill(drill: Path) -> None:
    """Remove the folder of a drill that has ended, and the sockets that its supervisords left. OSError if it stays.

    Several may do so at a time: what one does not find any more, another has removed.
    """
    for note in drill.glob("sites/*/run/socket"):
        with contextlib.suppress(OSError):
            Path(note.read_text().strip()).unlink(missing_ok=True)
    shutil.rmtree(drill, ignore_errors=True)
    if drill.exists():
        shutil.rmtree(drill)  # says why it stays


def end_marked(name: str, value: Path, *, within_s: float) -> list[int]:
    """Until none is seen any more: one that was starting another is followed by it."""
    deadline = Deadline(within_s)
    while (found := marked(name, value)) and not deadline.passed:
        for pid in found:
            _kill(pid, name, value)
        deadline.until(lambda: not any(map(alive, found)), 0.01)
    return found


def marked(name: str, value: Path) -> list[int]:
    """Processes of this machine with the mark, without this one; none where a machine does not show its processes."""
    if not can_look():
        return []
    pids = (int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit())
    return [pid for pid in pids if pid != os.getpid() and _carries(pid, name, value) and alive(pid)]


def _kill(pid: int, name: str, value: Path) -> None:
    with contextlib.suppress(OSError):
        handle = os.pidfd_open(pid)
        try:
            if _carries(pid, name, value):  # the number may have been given to another process since it was seen
                signal.pidfd_send_signal(handle, signal.SIGKILL)
        finally:
            os.close(handle)


def _carries(pid: int, name: str, value: Path) -> bool:
    try:
        return os.fsencode(f"{name}={value}") in (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return False
