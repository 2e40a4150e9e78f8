"""Runs a program on a leash: `python -S -E tied.py LEASH_FD WORD_FD SECONDS PROGRAM ARGS…`.

Invariant: when the time is up, or whoever holds the other end of the leash is gone, however it died, neither the
program nor any that it began, is left. How it ended is one line on WORD_FD: exit N, signal N, timeout, orphan, or absent and why.
Standard library alone, and imported by nobody: it must start in no time.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

GRACE_S = 3.0
LOOK_S = 0.02
PR_SET_CHILD_SUBREAPER = 36


def main(arguments: list[str]) -> None:
    leash, word, seconds = int(arguments[0]), int(arguments[1]), float(arguments[2])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the leash says when to end
    _keep_orphans()
    ends = time.monotonic() + seconds
    try:
        program = subprocess.Popen(arguments[3:], preexec_fn=_alone, close_fds=True)  # noqa: PLW1509 - no thread runs here
    except OSError as error:
        os.write(word, f"absent {error.strerror or error}".encode())
        return
    told = _watch(program, leash, ends)
    if told is not None:
        _end(program)
    else:
        told = f"exit {program.returncode}" if program.returncode >= 0 else f"signal {-program.returncode}"
    with contextlib.suppress(BrokenPipeError):  # the operator died: nobody listens
        os.write(word, told.encode())


def _alone() -> None:
    os.setpgid(0, 0)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def _watch(program: subprocess.Popen[bytes], leash: int, ends: float) -> str | None:
    """None once it has ended; else why it is to be ended."""
    wait_s = 0.001
    while program.poll() is None:
        if time.monotonic() > ends:
            return "timeout"
        if select.select([leash], [], [], wait_s)[0]:
            return "orphan"
        wait_s = min(LOOK_S, wait_s * 2)
    return None


def _end(program: subprocess.Popen[bytes]) -> None:
    _signal(program.pid, signal.SIGTERM)
    until = time.monotonic() + GRACE_S
    while time.monotonic() < until and (program.poll() is None or _left()):
        time.sleep(LOOK_S)
    until = time.monotonic() + GRACE_S
    while time.monotonic() < until:
        _signal(program.pid, signal.SIGKILL)
        if program.poll() is not None and not _left():
            return
        time.sleep(LOOK_S)


def _signal(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
    for process in _left():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(process, number)


def _left() -> list[int]:
    """Processes that live and descend from this one, whatever session they made for themselves. None where /proc is not."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            if state not in "ZX":
                parents[int(entry.name)] = int(parent)
    found: set[int] = {os.getpid()}
    while more := {each for each, parent in parents.items() if parent in found} - found:
        found |= more
    return sorted(found - {os.getpid()})


def _keep_orphans() -> None:
    """Have what the program's children leave behind become children of this process, where the kernel can."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


if __name__ == "__main__":
    main(sys.argv[1:])
