"""A run is a whole process: its time, its own peak of memory, and its failure."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from benchmarks.measure import RunFailed, run

CALLER = """
import sys
from benchmarks.measure import run
code = "import time; held = bytearray(b'x' * (300 << 20)); time.sleep(0.3)"
for each in ("pass", code):
    found = run([sys.executable, "-c", each])
    print(found.wall_s, found.peak_bytes)
"""


@pytest.mark.slow
def test_counts_the_time_and_the_peak_of_the_process_itself():
    """From a small caller, as `make bench` is: what the caller holds counts as its child's."""
    done = subprocess.run([sys.executable, "-c", CALLER], capture_output=True, text=True, timeout=60, check=True)
    (_, small), (wall_s, large) = (map(float, line.split()) for line in done.stdout.splitlines())
    assert wall_s > 0.3
    assert large - small > 250 << 20


def test_a_command_that_fails_is_no_figure_and_says_what_it_wrote():
    with pytest.raises(RunFailed, match=r"exited 3: told"):
        run([sys.executable, "-c", "import sys; print('told'); sys.exit(3)"])


def test_a_command_that_does_not_end_is_ended():
    began = time.monotonic()
    with pytest.raises(RunFailed, match="exited -9"):
        run([sys.executable, "-c", "import time; time.sleep(60)"], timeout_s=0.5)
    assert time.monotonic() - began < 30
