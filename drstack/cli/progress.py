"""The progress tree of an operation, on stderr."""

from __future__ import annotations

import sys


class Tree:
    """One line a phase, as it ends. With a terminal, the phase that runs is shown too."""

    def __init__(self, title: str) -> None:
        self._live = sys.stderr.isatty()
        sys.stderr.write(f"{title}\n")

    def begin(self, phase: str) -> None:
        if self._live:
            sys.stderr.write(f"├── {phase:<10} …\r")
            sys.stderr.flush()

    def end(self, phase: str, seconds: float, detail: str) -> None:
        sys.stderr.write(f"├── {phase:<10} {seconds:7.2f} s  {detail}\n")
        sys.stderr.flush()
