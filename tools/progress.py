"""One line that says what is being waited for, shown once the wait is longer than two seconds."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable

SILENT_S = 2.0
ON_TERMINAL_EVERY_S = 0.5
IN_A_FILE_EVERY_S = 15.0
LINE_CHARACTERS = 100


class Progress:
    """On a terminal the line is rewritten in place; in a log file a new line comes now and then."""

    def __init__(self, label: str, *, out: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._label = label
        self._out = sys.stderr if out is None else out
        self._clock = clock
        self._started = clock()
        self._next = self._started + SILENT_S
        self._in_place = self._out.isatty()
        self._dirty = False

    def elapsed_s(self) -> float:
        return self._clock() - self._started

    def tick(self, detail: str = "") -> None:
        if self._clock() < self._next:
            return
        self._next = self._clock() + (ON_TERMINAL_EVERY_S if self._in_place else IN_A_FILE_EVERY_S)
        line = f"{self._label}: {self.elapsed_s():.0f} s"
        if detail:
            line = f"{line}, {detail}"[:LINE_CHARACTERS]
        if self._in_place:
            self._out.write(f"\r\x1b[K{line}")
            self._dirty = True
        else:
            self._out.write(f"{line}\n")
        self._out.flush()

    def close(self) -> None:
        if self._dirty:
            self._out.write("\r\x1b[K")
            self._out.flush()
            self._dirty = False
