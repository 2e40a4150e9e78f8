"""Runs a program that dies with whoever started it: `python -m drstack.platforms.local.tether PROGRAM ARGS…`.

Invariant: a process of a site never outlives its supervisord. The kernel keeps it (PR_SET_PDEATHSIG); where there is
no such call the program runs untethered.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """Have the kernel send SIGKILL to this process when its parent, which was `parent`, ends."""
    try:
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    except (AttributeError, OSError):
        return
    if os.getppid() != parent:
        os._exit(1)


if __name__ == "__main__":
    die_with(os.getppid())
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606
