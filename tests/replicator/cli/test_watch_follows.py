"""`replicator watch` as people start it, without --json: it says each commit, and goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest


@pytest.mark.slow
def test_says_each_commit_and_goes_on_to_the_next(tmp_path):
    folder = tmp_path / "ck"
    log = tmp_path / "said"
    with log.open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "replicator", "watch", str(folder), "--repo", (tmp_path / "repo").as_uri(), "--quiet", "0",
             "--workload", "gpt"],
            stdout=said, stderr=subprocess.STDOUT, env={**os.environ, "HOME": str(tmp_path / "home")},
        )  # fmt: skip
    try:
        for step in (10, 20):
            made = folder / f"step-{step}"
            made.mkdir(parents=True)
            (made / "model.bin").write_bytes(os.urandom(1000))
            until = time.monotonic() + 60
            while f"has step {step} (1." not in log.read_text():
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < until, log.read_text()
                time.sleep(0.2)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    assert "Traceback" not in log.read_text()
