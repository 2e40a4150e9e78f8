"""Records of engine runs under way, so that what a killed one left behind can be found again.

Decides what is remembered: the run id that all its processes carry. Invariant: the record is on disk before the
engine starts, and goes only after the engine has ended; one that stays is of a run whose caller died.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import time
import uuid
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from drstack.errors import EngineFailed
from drstack.reconcile.processes import look

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

FOLDER = "runs"
RECORD = "run.json"


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the engine; `began` in unix seconds, the caller by its process id and start (`processes.Process`)."""

    run_id: str
    stack: str
    operation: str
    began: float
    caller: int
    caller_started: int

    @property
    def caller_lives(self) -> bool:
        process = look(self.caller)
        return process is not None and process.started == self.caller_started


def new_run(stack: str, operation: str) -> Run:
    """A run of this process that begins now."""
    own = look(os.getpid())
    return Run(uuid.uuid4().hex, stack, operation, time.time(), os.getpid(), own.started if own else 0)


@contextlib.contextmanager
def recorded(local_root: Path, run: Run) -> Generator[Path]:
    """Keep the run's record while the engine runs. Yields a folder that only its owner can read.

    The engine's event log goes there: it holds what the engine said in debugging, which may include secrets.
    """
    folder = local_root / FOLDER / run.run_id
    folder.mkdir(mode=0o700, parents=True)
    try:
        (folder / RECORD).write_text(json.dumps(asdict(run)))
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def runs_of(local_root: Path, stack: str) -> list[Run]:
    """Runs on this stack that have a record."""
    found: list[Run] = []
    for file in sorted((local_root / FOLDER).glob(f"*/{RECORD}")):
        with contextlib.suppress(OSError, ValueError, TypeError):
            run = Run(**json.loads(file.read_bytes()))
            if run.stack == stack:
                found.append(run)
    return found


def forget(local_root: Path, run: Run) -> None:
    """Remove the record of a run of which nothing is left."""
    shutil.rmtree(local_root / FOLDER / run.run_id, ignore_errors=True)


@contextlib.contextmanager
def alone(local_root: Path, stack: str) -> Generator[None]:
    """Hold the stack for one caller on this machine: a repair must not meet another's update halfway.

    The hold ends with the process. Raises EngineFailed if another has it.
    """
    folder = local_root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{stack}.hold").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise EngineFailed(
                f"process {file.read().strip() or '?'} works on stack {stack}",
                hint="Wait until it has ended, then run the command again.",
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
