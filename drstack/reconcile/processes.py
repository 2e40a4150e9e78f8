"""Processes of an engine run, found by the run id in their environment.

Decides who belongs to a run: whoever holds its DRSTACK_LEASH_ID, or is in its session. A process that is meant to
outlive the run (a supervisor that a provider started) leaves both: a session of its own, without that variable.
Invariant: nobody is ended by name; a process id is signalled only while it still is the process that was found.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

RUN_ID = "DRSTACK_LEASH_ID"
POLL_S = 0.05
TERM_S = 2.0
KILL_S = 1.0
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Process:
    """One process; `started` (clock ticks since boot) tells it from a later one with the same id."""

    pid: int
    parent: int
    session: int
    started: int


def processes() -> Iterator[Process]:
    """Every process that runs now; zombies are not told. Nothing where there is no /proc."""
    with contextlib.suppress(FileNotFoundError):
        for entry in os.listdir(_PROC):  # noqa: PTH208 - names only, and this runs in a loop
            if entry.isdigit() and (process := look(int(entry))) is not None:
                yield process


def look(pid: int) -> Process | None:
    """The process with this id, unless it ended."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    if fields[0] in {"Z", "X"}:
        return None
    return Process(pid, int(fields[1]), int(fields[3]), int(fields[19]))


def variables(pid: int) -> dict[str, str]:
    """The environment that the process started with; empty if it may not be read."""
    try:
        raw = (_PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return {}
    pairs = (item.partition("=") for item in raw.decode(errors="replace").split("\0") if item)
    return {name: value for name, _, value in pairs}


def command(pid: int) -> list[str]:
    """Arguments of the process; empty if it ended."""
    try:
        return (_PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return []


def started_at(process: Process) -> float | None:
    """Unix time at which the process started, to a second or so."""
    try:
        text = (_PROC / "stat").read_text()
    except OSError:
        return None
    boot = next((float(line.split()[1]) for line in text.splitlines() if line.startswith("btime ")), None)
    return None if boot is None else boot + process.started / os.sysconf("SC_CLK_TCK")


def members(run_id: str, session: int | None = None) -> list[Process]:
    """Processes of a run, by its id or the session of its first process; never the caller."""
    own = os.getpid()
    return [
        process
        for process in processes()
        if process.pid != own
        and ((session is not None and process.session == session) or variables(process.pid).get(RUN_ID) == run_id)
    ]


def end(found: Callable[[], Iterable[Process]], *, first: signal.Signals = signal.SIGTERM) -> list[int]:
    """Signal what `found` tells, wait, kill, wait. Returns the ids of those that were still there at the first look.

    `found` is asked again before each signal, so that what was forked meanwhile is ended too.
    """
    told = [process.pid for process in found()]
    for number, wait_s in ((first, TERM_S), (signal.SIGKILL, KILL_S)):
        deadline = time.monotonic() + wait_s
        seen: set[Process] = set()
        while remaining := set(found()):
            for process in remaining - seen:
                send(process, number)
            seen |= remaining
            if time.monotonic() >= deadline:
                break
            time.sleep(POLL_S)
        else:
            return told
    return told


def send(process: Process, number: signal.Signals) -> None:
    """Signal the process, if it still is that one."""
    now = look(process.pid)
    if now is not None and now.started == process.started:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)


def send_to_group(group: int, number: signal.Signals) -> None:
    """Signal a process group, if there still is one."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)
