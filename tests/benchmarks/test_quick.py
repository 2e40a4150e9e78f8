"""`make bench ARGS=--quick` goes through everything that can be measured without training."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_a_quick_run_makes_a_whole_report_and_leaves_nothing(tmp_path):
    report = tmp_path / "report.md"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "--to", str(report)], cwd=ROOT, timeout=280, check=False,
        capture_output=True, text=True, env={**os.environ, "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    page = report.read_text()
    for heading in ("## What must be reached", "## Push", "## Restore", "## Bytes stored", "## Memory"):
        assert heading in page
    assert "| unchanged, saved again |" in page
    assert "| load (1, 5, 15 min) |" in page
    assert list(tmp_path.iterdir()) == [report]
