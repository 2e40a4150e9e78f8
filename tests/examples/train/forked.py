"""Runs of the training program as processes that have imported torch already: each is a fork of one that did nothing else.

A run of one rank takes four seconds to import what it needs and less than one to train. What is run is the program's entry,
by its name, with a command line and an environment of its own; it ends in the exit code that it gives itself.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerContext
    from multiprocessing.process import BaseProcess

PROGRAM = "examples.train"


def server() -> ForkServerContext:
    """Whose first process imports torch, in the environment of that moment."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([f"{PROGRAM}.train", f"{PROGRAM}.world", f"{PROGRAM}.metrics"])
    return context


def _run(arguments: list[str], environ: dict[str, str], directory: str) -> None:
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(directory)
    sys.argv = [PROGRAM, *arguments]
    runpy.run_module(PROGRAM, run_name="__main__", alter_sys=True)


class Forked:
    """What the tests use of `subprocess.Popen`."""

    def __init__(
        self, context: ForkServerContext, arguments: list[str], environ: dict[str, str], directory: str
    ) -> None:
        self._process: BaseProcess = context.Process(target=_run, args=(arguments, environ, directory))
        self._process.start()

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise TimeoutError(f"process {self._process.pid} did not end within {timeout} s")
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        if self._process.pid is not None:
            os.kill(self._process.pid, number)
