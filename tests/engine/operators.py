"""Operators: each command of drstack in a process of its own, forked from one that has everything imported already.

That saves a second or two of processor time for each; what a command does is what `python -m drstack` does.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TIMEOUT_S = 240
CHECKOUT = Path(__file__).parents[2]
READY = "ready"
IMPORTED = (
    "drstack.assembly", "drstack.cli.drill", "drstack.cli.fence", "drstack.cli.main", "drstack.cli.operation",
    "drstack.cli.progress", "drstack.cli.promote", "drstack.cli.switchover", "drstack.reconcile.after",
    "drstack.reconcile.stacks", "drstack.recovery.conduct", "drstack.recovery.control", "drstack.recovery.estimate",
    "drstack.recovery.lifting", "replicator.heap", "tests.engine.dying",
)  # fmt: skip
"""What commands import when they run."""


class Operators:
    """`folder`: where what they print is kept."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder, self._count = folder, 0
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.engine.operators"], cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, bufsize=1,
        )  # fmt: skip
        self._answer()

    def run(
        self, command: Sequence[str], folder: Path, environ: Mapping[str, str], *, death: Sequence[object] | None = None
    ) -> tuple[int, str, str]:
        """(exit code, or minus the signal that ended it; stdout; stderr). `death`: the arguments of `dying.arm`."""
        self._count += 1
        printed, told = (self._folder / f"{self._count}.{name}" for name in ("out", "err"))
        wish = {"command": list(command), "folder": str(folder), "environ": dict(environ), "death": death,
                "out": str(printed), "err": str(told)}  # fmt: skip
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(wish) + "\n")
        code = int(self._answer())
        return code, printed.read_text(), told.read_text()

    def close(self) -> None:
        self._process.kill()
        self._process.wait(10)

    def _answer(self) -> str:
        assert self._process.stdout is not None
        said = self._process.stdout.readline().strip()
        assert said, "the process that operators are forked from has ended"
        return said


def serve() -> None:
    for name in IMPORTED:
        importlib.import_module(name)
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    answers.write(READY + "\n")
    for line in sys.stdin:
        wish = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _become(wish)
        answers.write(f"{_ended(pid)}\n")


def _become(wish: dict[str, Any]) -> None:
    """An operator's process: its own session, folder, environment and output. Never returns."""
    code = 1
    try:
        os.setsid()
        os.chdir(wish["folder"])
        os.environ.clear()
        os.environ.update(wish["environ"])
        quiet = os.open(os.devnull, os.O_RDONLY)
        os.dup2(quiet, 0)
        for number, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(wish[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
        code = _carried_out(wish)
    except BaseException:  # noqa: BLE001 - told where whoever reads the test's failure looks
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _carried_out(wish: dict[str, Any]) -> int:
    from drstack.cli import main
    from tests.engine import dying

    if wish["death"] is not None:
        dying.arm(*wish["death"])
    sys.argv = ["drstack", *wish["command"]]
    try:
        main.run()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(bool(ended.code))
    return 0


def _ended(pid: int) -> int:
    """How it ended; one that takes too long is killed."""
    ends = time.monotonic() + TIMEOUT_S
    while time.monotonic() < ends:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(pid, 15)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    serve()
