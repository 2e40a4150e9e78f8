"""A command on a leash: run, watched, and ended when its time is over or the caller is interrupted.

Decides when a command is ended. Invariant: whoever leaves `run_leashed`, by whatever way, leaves no process behind;
a caller that is killed is noticed by the leash, since the pipe that it watches then reaches its end.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from drstack.reconcile.leash import ORPHAN_PATIENCE_S, PATIENCE_S, STRAGGLER_S
from drstack.reconcile.processes import KILL_S, RUN_ID, TERM_S, end, members
from drstack.reconcile.processes import command as arguments
from drstack.reconcile.survivors import is_engine

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

POLL_S = 0.1
ENDING_S = TERM_S + KILL_S + STRAGGLER_S + 2.0
"""What a leash takes beyond its patience."""


@dataclass(frozen=True, slots=True)
class Finished:
    """How a command ended. `code` is None if its time was over and it was ended."""

    code: int | None
    printed: str
    complained: str


def run_leashed(
    command: Sequence[str], *, cwd: Path, environ: Mapping[str, str], timeout_s: float, tick: Callable[[], None]
) -> Finished:
    """Run `command`, calling `tick` ten times a second. Whatever `tick` raises ends the command first."""
    with contextlib.ExitStack() as held:
        printed, complained = (held.enter_context(tempfile.TemporaryFile()) for _ in range(2))
        read, write = os.pipe()
        held.callback(os.close, write)
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", "drstack.reconcile.leash", "--watch-fd", str(read), "--", *command],
                cwd=cwd,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=complained,
                pass_fds=(read,),
                start_new_session=True,
            )
        finally:
            os.close(read)
        try:
            code = _follow(process, time.monotonic() + timeout_s, tick)
        finally:
            _stop(process)
            _end_unleashed(environ.get(RUN_ID))
        return Finished(code, _text(printed), _text(complained))


def _follow(process: subprocess.Popen[bytes], deadline: float, tick: Callable[[], None]) -> int | None:
    while True:
        code = process.poll()
        tick()
        if code is not None:
            return code
        if time.monotonic() > deadline:
            return None
        time.sleep(POLL_S)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """SIGINT first, so that the engine writes down what it did; a second interrupt shortens the wait."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGINT)
    try:
        process.wait(PATIENCE_S + ENDING_S)
    except (KeyboardInterrupt, subprocess.TimeoutExpired):
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(ORPHAN_PATIENCE_S + ENDING_S)


def _end_unleashed(run_id: str | None) -> None:
    """End a run whose leash was killed: the engine before its plugins, for the reason that `leash` gives."""
    if run_id is None:
        return
    end(lambda: [process for process in members(run_id) if is_engine(arguments(process.pid))], first=signal.SIGKILL)
    end(lambda: members(run_id))


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")
