"""python skewed.py SECONDS ARGUMENTS: drstack on a machine whose clock is that much ahead (negative: behind)."""

from __future__ import annotations

import runpy
import sys
import time

if __name__ == "__main__":
    right, ahead_s = time.time, float(sys.argv.pop(1))
    time.time = lambda: right() + ahead_s
    runpy.run_module("drstack", run_name="__main__", alter_sys=True)
