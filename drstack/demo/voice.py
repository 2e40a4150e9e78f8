"""How a demo tells what it is doing: short lines on stderr, and the phases of the promotion as they end."""

from __future__ import annotations

import sys
import time


class Voice:
    """Seconds since the demo began stand before every line. `edges` keeps when each phase began and ended."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self.edges: dict[str, tuple[float, float]] = {}
        self._open: dict[str, float] = {}

    def say(self, line: str) -> None:
        sys.stderr.write(f"[{time.monotonic() - self._began:6.1f} s] {line}\n")
        sys.stderr.flush()

    def begin(self, phase: str) -> None:
        self._open[phase] = time.time()

    def end(self, phase: str, seconds: float, detail: str) -> None:
        self.edges[phase] = (self._open.get(phase, time.time()), time.time())
        self.say(f"  {phase:<10} {seconds:7.2f} s  {detail}")
