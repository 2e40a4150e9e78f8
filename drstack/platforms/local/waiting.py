"""Waiting with an end: time that is left of a deadline, and polling until something holds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Deadline:
    def __init__(self, seconds: float) -> None:
        self._ends_at = time.monotonic() + seconds

    def left_s(self, at_most: float = 1e9) -> float:
        """Seconds that are left, never less than a little, so that a last look is possible."""
        return max(0.05, min(at_most, self._ends_at - time.monotonic()))

    @property
    def passed(self) -> bool:
        return time.monotonic() >= self._ends_at

    def until(self, holds: Callable[[], bool], poll_s: float = 0.05) -> bool:
        """Whether it held before the deadline."""
        while not holds():
            if self.passed:
                return False
            time.sleep(poll_s)
        return True
