"""Hooks before and after: commands or Python functions that quiesce, flush and snapshot what this product does not know.

A command gets DRSTACK_POINT_FOLDER, where it puts what is to be kept. It runs in a process group of its own, which is ended with
all that it started when its time is over. What it prints goes to the log of the process, never into the repository.
"""

from __future__ import annotations

import os
import signal
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from replicator.consistency.system import Kept
from replicator.errors import PointNotMade

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

FOLDER_VARIABLE = "DRSTACK_POINT_FOLDER"
_MARGIN_S = 2.0
"""In which a command that took too long is ended."""


@dataclass(frozen=True, slots=True)
class Commands:
    """A system that is told by commands; a step without one does nothing."""

    name: str
    before: Sequence[str] = ()
    snapshot: Sequence[str] = ()
    after: Sequence[str] = ()
    limit_s: float = 30.0
    """How long each command may take."""
    kind: str = "commands"

    @property
    def timeout_s(self) -> float:
        return self.limit_s + _MARGIN_S

    def quiesce(self) -> None:
        self._run("before", self.before)

    def keep(self, into: Path) -> Kept:
        self._run("snapshot", self.snapshot, {FOLDER_VARIABLE: str(into)})
        files = sum(1 for path in into.rglob("*") if path.is_file())
        return Kept(f"{files} files" if self.snapshot else "nothing to keep")

    def release(self) -> None:
        self._run("after", self.after)

    def _run(self, which: str, argv: Sequence[str], more: Mapping[str, str] | None = None) -> None:
        if argv:
            run(argv, self.limit_s, which, more)


@dataclass(frozen=True, slots=True)
class Functions:
    """A system that is told by functions of the training process; `snapshot` gets the folder to write to."""

    name: str
    before: Callable[[], object] | None = None
    snapshot: Callable[[Path], object] | None = None
    after: Callable[[], object] | None = None
    timeout_s: float = 30.0
    kind: str = "functions"

    def quiesce(self) -> None:
        if self.before is not None:
            self.before()

    def keep(self, into: Path) -> Kept:
        if self.snapshot is not None:
            self.snapshot(into)
        files = sum(1 for path in into.rglob("*") if path.is_file())
        return Kept(f"{files} files" if self.snapshot else "nothing to keep")

    def release(self) -> None:
        if self.after is not None:
            self.after()


def run(argv: Sequence[str], timeout_s: float, which: str, more: Mapping[str, str] | None = None) -> None:
    """Run a command to its end. PointNotMade if it fails or takes longer; then nothing that it started is left."""
    try:
        process = subprocess.Popen(
            list(argv), env={**os.environ, **(more or {})}, stdin=subprocess.DEVNULL, start_new_session=True
        )
    except OSError as error:
        raise PointNotMade(f"the {which} command cannot start: {error.strerror or error}") from error
    try:
        code = process.wait(timeout_s)
    except subprocess.TimeoutExpired as error:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise PointNotMade(f"the {which} command did not end within {timeout_s:g} s and was killed") from error
    if code != 0:
        raise PointNotMade(f"the {which} command ended with {code}")
