"""The record of a run: one JSON object a line, appended and never rewritten.

A killed run's lines stand beside those of the run that resumed it, with the same steps where it went back.
Invariant: a line is written by one write; a torn last line is closed before anything is added.
"""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path


class Metrics:
    """Appends events to a file, or to stdout; silent on ranks other than 0. Safe from several threads."""

    def __init__(self, path: Path | None, *, speaks: bool) -> None:
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        if not speaks:
            return
        if path is None:
            self._descriptor = sys.stdout.fileno()
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        size = os.fstat(self._descriptor).st_size
        if size and os.pread(self._descriptor, 1, size - 1) != b"\n":
            os.write(self._descriptor, b"\n")

    def event(self, name: str, **values: object) -> None:
        """Write one line: the event's name, its values, and the Unix time as `at`."""
        if self._descriptor is None:
            return
        line = json.dumps({"event": name, **values, "at": time.time()}) + "\n"
        with self._lock:
            os.write(self._descriptor, line.encode())


def source_revision() -> str | None:
    """The commit that this file was checked out from, None outside of git."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() if found.returncode == 0 else None
