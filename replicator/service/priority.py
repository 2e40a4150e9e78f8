"""Giving way to the training on the same machine: the idle class of the scheduler, and that of the disk.

Threads that begin afterwards inherit both. Where the kernel knows no such class, that is said and nothing changes.
"""

from __future__ import annotations

import ctypes
import os
import platform
from pathlib import Path

_IOPRIO_SET = {"x86_64": 251, "aarch64": 30, "riscv64": 30, "ppc64le": 273, "s390x": 282}
_WHO_PROCESS = 1
_CLASS_IDLE = 3 << 13


_AUTOGROUP = Path("/proc/self/autogroup")
_LEAST = "19"


def become_idle() -> list[str]:
    """Make this thread, and all that it starts, run when nothing else wants to. What could not be done, in words."""
    trouble: list[str] = []
    try:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    except (AttributeError, OSError) as error:
        trouble.append(f"the scheduler's idle class: {error}")
    trouble += _whole_session_gives_way()
    number = _IOPRIO_SET.get(platform.machine())
    if number is None:
        return [*trouble, f"the disk's idle class: not known on {platform.machine()}"]
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(number, _WHO_PROCESS, 0, _CLASS_IDLE):
        trouble.append(f"the disk's idle class: {os.strerror(ctypes.get_errno())}")
    return trouble


def _whole_session_gives_way() -> list[str]:
    """Where the kernel shares out by session, a thread's own class counts within its session only.

    Done in a session of our own alone: another one is somebody's shell.
    """
    if os.getsid(0) != os.getpid() or not _AUTOGROUP.exists():
        return []
    try:
        _AUTOGROUP.write_text(_LEAST)
    except OSError as error:
        return [f"the session's share: {error}"]
    return []
