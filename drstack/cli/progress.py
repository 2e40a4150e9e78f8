"""The progress tree of an operation, on stderr."""

from __future__ import annotations

import sys


class Tree:
    """One line a step, as it ends. With a terminal, the step that began last is shown too. For any thread."""

    def __init__(self, title: str) -> None:
        self._live = sys.stderr.isatty()
        sys.stderr.write(f"{title}\n")

    def begin(self, step: str) -> None:
        if self._live:
            self._write(f"├── {step:<16} …\r")

    def end(self, step: str, seconds: float, detail: str) -> None:
        self._write(f"├── {step:<16} {seconds:7.2f} s  {detail}\n")

    def _write(self, line: str) -> None:
        sys.stderr.write(line)
        sys.stderr.flush()
