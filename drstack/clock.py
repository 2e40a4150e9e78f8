"""The clock of the machine at hand, and by how much it was found to be wrong."""

from __future__ import annotations

import time
from threading import Lock


class Clock:
    """Unix seconds. Whoever is given it sees every correction."""

    def __init__(self) -> None:
        self._offset_s = 0.0
        self._lock = Lock()

    def __call__(self) -> float:
        return time.time() + self._offset_s

    def correct(self, seconds: float) -> None:
        """Have it run that much later."""
        with self._lock:
            self._offset_s += seconds
