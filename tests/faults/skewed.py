"""python -m tests.faults.skewed ARGUMENTS: the replicator on a clock that jumps, by as many seconds as a file says."""

from __future__ import annotations

import os
import runpy
import time
from pathlib import Path

VARIABLE = "DRSTACK_TEST_CLOCK"

if __name__ == "__main__":
    told, right = Path(os.environ[VARIABLE]), time.time
    time.time = lambda: right() + float(told.read_text() or 0)
    runpy.run_module("replicator", run_name="__main__", alter_sys=True)
