"""Runs another program under a limit on its time, showing that it still works.

A program that outlives `timeout_s` is asked to end by SIGINT and killed soon after; so is one whose wait was
interrupted. Nothing here waits without end.
"""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
import tempfile
from typing import IO, TYPE_CHECKING

from tools.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

POLL_S = 0.05
GRACE_S = 5.0
TAIL_BYTES = 4096


class CommandFailed(Exception):
    """`reason` is one line; `output` is the end of what the program wrote to stderr."""

    def __init__(self, argv: Sequence[str], reason: str, output: str = "") -> None:
        self.reason = reason
        self.output = output.strip()
        last = self.output.splitlines()[-1:]
        super().__init__(": ".join([f"`{shlex.join(argv)}` {reason}", *last]))


def run(
    argv: Sequence[str],
    *,
    label: str,
    timeout_s: float,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str = "",
    passthrough: bool = False,
) -> str:
    """Return what the program wrote to stdout.

    With `passthrough` the program writes to our own stdout and stderr, and shows its own progress where
    stderr is a terminal. Raises CommandFailed when it cannot start, takes too long or exits non-zero.
    """
    with (
        tempfile.TemporaryFile() as stdin_file,
        tempfile.TemporaryFile() as stdout,
        tempfile.TemporaryFile() as stderr,
    ):
        stdin_file.write(stdin.encode())
        stdin_file.seek(0)
        try:
            process = subprocess.Popen(
                argv,
                cwd=cwd,
                env=None if env is None else dict(env),
                stdin=stdin_file,
                stdout=None if passthrough else stdout,
                stderr=None if passthrough else stderr,
            )
        except OSError as error:
            raise CommandFailed(argv, f"did not start ({error.strerror})") from error
        try:
            ended = _wait(process, label, timeout_s, None if passthrough else stderr)
        finally:
            _stop(process)
        if not ended:
            raise CommandFailed(argv, f"did not end within {timeout_s:.0f} s", _tail(stderr))
        if process.returncode != 0:
            raise CommandFailed(argv, f"exited {process.returncode}", _tail(stderr))
        stdout.seek(0)
        return stdout.read().decode(errors="replace")


def _wait(process: subprocess.Popen[bytes], label: str, timeout_s: float, stderr: IO[bytes] | None) -> bool:
    """Whether it ended in time. `stderr` is None where the program writes to ours, and so shows itself."""
    progress = Progress(label)
    silent = stderr is None and sys.stderr.isatty()
    try:
        while progress.elapsed_s() < timeout_s:
            try:
                process.wait(POLL_S)
            except subprocess.TimeoutExpired:
                if not silent:
                    progress.tick("" if stderr is None else _last_line(stderr))
            else:
                return True
        return False
    finally:
        progress.close()


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGINT)
    try:
        process.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(GRACE_S)


def _tail(file: IO[bytes]) -> str:
    size = file.seek(0, 2)
    file.seek(max(0, size - TAIL_BYTES))
    return file.read().decode(errors="replace")


def _last_line(file: IO[bytes]) -> str:
    return next(iter(reversed(_tail(file).split("\n")[:-1])), "")
