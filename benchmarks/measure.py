"""One run of a command as a whole process: wall and processor seconds, and its peak memory as the kernel counted it.

The caller stays small: a child's peak counts what its parent held when it forked, so whatever makes data or imports
numpy runs in a process of its own.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

TIMEOUT_S = 900.0
_TAIL_BYTES = 2000


class RunFailed(Exception):
    """A measured command did not end well; the message holds the end of what it wrote."""


@dataclass(frozen=True, slots=True)
class Run:
    wall_s: float
    cpu_s: float
    """User and system seconds of the process and those that it waited for."""
    peak_bytes: int
    stored_bytes: int = 0
    """By how much what it wrote to grew, where that is of interest."""


def run(
    argv: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path | None = None, timeout_s: float = TIMEOUT_S
) -> Run:
    """Run it to its end. RunFailed if it exits otherwise than by 0, or is not over in time."""
    with tempfile.TemporaryFile() as said:
        began = time.perf_counter()
        child = subprocess.Popen(
            argv, env=None if env is None else dict(env), cwd=cwd, stdin=subprocess.DEVNULL, stdout=said,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        late = threading.Timer(timeout_s, os.killpg, (child.pid, signal.SIGKILL))
        late.start()
        try:
            _, status, usage = os.wait4(child.pid, 0)
        finally:
            late.cancel()
        wall_s = time.perf_counter() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            said.seek(max(0, said.seek(0, os.SEEK_END) - _TAIL_BYTES))
            raise RunFailed(f"{' '.join(argv)} exited {child.returncode}: {said.read().decode(errors='replace')}")
    return Run(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)
