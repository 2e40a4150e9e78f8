"""SIGKILL of the real replicator late in a push: what arrived before is not sent again."""

from __future__ import annotations

import re
import signal
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import save_file

from replicator.repository.verify import check_decoded
from replicator.service.config import Destination
from tests.replicator.service.test_service import config, repository, until
from tests.replicator.service.test_telemetry import scrape, values

pytestmark = pytest.mark.slow
TENSORS, BYTES = 32, 250_000


def start(path):
    process = subprocess.Popen(
        [sys.executable, "-m", "replicator", "run", "--config", str(path), "--listen", "127.0.0.1:0"],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while "listening" not in (line := process.stderr.readline()):
        assert process.poll() is None
    return process, int(re.search(r"port (\d+)", line)[1])


def arrived(tmp_path) -> int:
    return sum(path.stat().st_size for path in (tmp_path / "stores" / "west" / "packs").rglob("*") if path.is_file())


def test_a_replicator_killed_at_ninety_percent_sends_a_twentieth_again_at_most(tmp_path):
    for name in ("east", "west"):
        repository(tmp_path / "stores" / name, name)
    folder = tmp_path / "east" / "ck" / "step-00000010"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(1)
    save_file(
        {f"w{n:02}": np.frombuffer(rng.bytes(BYTES), dtype=np.uint8) for n in range(TENSORS)},
        folder / "model.safetensors",
    )
    far = Destination(name="west", url=(tmp_path / "stores" / "west").as_uri(), ceiling_bytes_per_s=4e6)
    settings = config(tmp_path)
    settings = settings.model_copy(update={"destinations": (settings.destinations[0], far)})
    path = tmp_path / "config.json"
    path.write_text(settings.model_dump_json())
    whole = TENSORS * BYTES

    process, _ = start(path)
    try:
        until(lambda: arrived(tmp_path) >= 0.85 * whole)
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        before = arrived(tmp_path)
        there = repository(tmp_path / "stores" / "west", "west")
        assert not there.log("gpt").view().accepted, "the kill came too late to show anything"

        process, port = start(path)
        until(lambda: repository(tmp_path / "stores" / "west", "west").log("gpt").view().accepted)
        until(lambda: values(scrape(port)[1]).get(("replicator_commits_total", "gpt", "west")) == 1)
        sent = values(scrape(port)[1])["replicator_sent_bytes_total", "gpt", "west"]
    finally:
        process.kill()
        process.wait(10)
    assert sent - (whole - before) <= 0.05 * whole
    there = repository(tmp_path / "stores" / "west", "west")
    assert check_decoded(there, there.log("gpt").view().in_order()[0]).ok
