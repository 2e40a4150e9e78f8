"""Run a command that cannot outlive its caller: `python -m drstack.reconcile.leash --watch-fd N -- COMMAND`.

The Pulumi engine leaves its language hosts and plugins behind when it is killed, and itself when its caller is. The
leash holds the command in a session of its own and ends all of it (SIGINT to the command, wait, SIGKILL to it, then
SIGTERM and SIGKILL to what is left of the run) when the pipe at fd N reaches its end, since only the caller holds the
other end; when the FIFO named by DRSTACK_LEASH does; or when the leash is signalled. Invariant: when the leash has
exited, no process of the run is left (`processes` says who belongs to a run); its exit code is the command's, 128 + n
for signal n.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import select
import signal
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from drstack.reconcile.processes import POLL_S, RUN_ID, end, members, send_to_group

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

FIFO = "DRSTACK_LEASH"
PATIENCE_S = 20.0
ORPHAN_PATIENCE_S = 5.0
"""With the waits of `processes.end`, an orphan's engine is gone within ten seconds."""
STRAGGLER_S = 1.0
CALLER_IS_GONE = 125
NOT_RUNNABLE = 126
NOT_FOUND = 127
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)


@dataclass
class Leash:
    """One command under watch, and the descriptors whose end means that its caller is gone."""

    command: Sequence[str]
    watched: list[int]
    run_id: str
    patience_s: float = PATIENCE_S
    orphan_patience_s: float = ORPHAN_PATIENCE_S
    _wakeup: int = field(default=-1, init=False)

    def run(self) -> int:
        """Exit code of the command."""
        self._wakeup = _listen()
        if self._caller_is_gone(timeout_s=0):
            return CALLER_IS_GONE
        try:
            child = subprocess.Popen(
                self.command, env=os.environ | {RUN_ID: self.run_id}, stdin=subprocess.DEVNULL, start_new_session=True
            )
        except OSError as error:
            sys.stderr.write(f"{self.command[0]}: {error.strerror}\n")
            return NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_RUNNABLE
        self._watch(child)
        self._end_all(child)
        code = child.wait()
        return 128 - code if code < 0 else code

    def _watch(self, child: subprocess.Popen[bytes]) -> None:
        deadline = float("inf")
        while child.poll() is None and (left_s := deadline - time.monotonic()) > 0:
            gone = self._caller_is_gone(timeout_s=None if deadline == float("inf") else left_s)
            asked = _received(self._wakeup)
            if asked or (gone and deadline == float("inf")):
                # Pulumi takes a second SIGINT as "at once": the end of the pipe after a signal does not send one.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child.pid, signal.SIGINT)
            if asked or gone:
                deadline = min(deadline, time.monotonic() + (self.orphan_patience_s if gone else self.patience_s))

    def _caller_is_gone(self, *, timeout_s: float | None) -> bool:
        """Waits for a signal or a watched descriptor; True once for each descriptor that reached its end."""
        ready = select.select([self._wakeup, *self.watched], [], [], timeout_s)[0]
        ended = [fd for fd in self.watched if fd in ready and _at_end(fd)]
        self.watched = [fd for fd in self.watched if fd not in ended]
        return bool(ended)

    def _end_all(self, child: subprocess.Popen[bytes]) -> None:
        by_itself = child.poll() is not None
        if not by_itself:
            # Before its plugins: an engine that sees a plugin die in a create takes that for a create that failed,
            # and drops from the state the operation by which a repair would look for what was made.
            child.kill()
            child.wait()
        deadline = time.monotonic() + (STRAGGLER_S if by_itself else 0)
        while members(self.run_id, child.pid) and time.monotonic() < deadline:
            time.sleep(POLL_S)
        end(lambda: members(self.run_id, child.pid))
        if not by_itself:  # what /proc does not tell, on a machine without it
            send_to_group(child.pid, signal.SIGKILL)


def _listen() -> int:
    """A descriptor that turns readable with each signal."""
    read, write = os.pipe()
    os.set_blocking(read, False)
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    for number in _SIGNALS:
        signal.signal(number, _heard)
    return read


def _heard(number: int, frame: FrameType | None) -> None:
    """Nothing to do: the wake-up descriptor has told it already."""
    del number, frame


def _received(wakeup: int) -> bool:
    """Whether a signal other than that of an ended child came."""
    with contextlib.suppress(BlockingIOError):
        return bool(set(os.read(wakeup, 1024)) - {signal.SIGCHLD})
    return False


def _at_end(descriptor: int) -> bool:
    try:
        return os.read(descriptor, 4096) == b""
    except BlockingIOError:
        return False


def open_fifo(path: str) -> int | None:
    """The FIFO's read end; None if there is no FIFO any more, which is the end of who held it."""
    with contextlib.suppress(OSError):
        return os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    return None


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m drstack.reconcile.leash", description="Run a command on a leash.")
    parser.add_argument("--watch-fd", type=int, metavar="N", help="end the command when this pipe reaches its end")
    parser.add_argument(
        "--patience", type=float, default=PATIENCE_S, metavar="S", help="wait after SIGINT, if signalled"
    )
    parser.add_argument(
        "--orphan-patience", type=float, default=ORPHAN_PATIENCE_S, metavar="S", help="the same, if the caller is gone"
    )
    parser.add_argument("command", nargs="+", metavar="COMMAND")
    given = parser.parse_args(arguments)
    watched: list[int] = []
    if given.watch_fd is not None:
        os.set_blocking(given.watch_fd, False)
        os.set_inheritable(given.watch_fd, False)
        watched.append(given.watch_fd)
    if fifo := os.environ.get(FIFO):
        descriptor = open_fifo(fifo)
        if descriptor is None or _at_end(descriptor):
            return CALLER_IS_GONE
        watched.append(descriptor)
    run_id = os.environ.get(RUN_ID) or uuid.uuid4().hex
    return Leash(given.command, watched, run_id, given.patience, given.orphan_patience).run()


if __name__ == "__main__":
    sys.exit(main())
