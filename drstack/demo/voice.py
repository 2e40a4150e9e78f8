"""How a demo tells what it is doing: short lines on stderr, and the phases of the promotion as they end."""

from __future__ import annotations

import sys
import time


class Voice:
    """Seconds since the demo began stand before every line."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def say(self, line: str) -> None:
        sys.stderr.write(f"[{time.monotonic() - self._began:6.1f} s] {line}\n")
        sys.stderr.flush()

    def begin(self, step: str) -> None:
        del step

    def end(self, step: str, seconds: float, detail: str) -> None:
        self.say(f"  {step:<14} {seconds:7.2f} s  {detail}")
