"""SIGKILL of the real replicator process at random moments: nothing torn is seen, nothing committed is lost.

A replicator that falls behind passes over all but the newest few checkpoints that wait; those few must arrive.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from replicator.repository.verify import check_decoded
from tests.replicator.service.test_service import config, repository, save, steps

KILLS = 12
SEED = int(os.environ.get("DRSTACK_SEED", "7"))


@pytest.mark.slow
def test_killed_again_and_again_the_replicator_ships_every_checkpoint_exactly_once(tmp_path):
    for name in ("east", "west"):
        repository(tmp_path / "stores" / name, name)
    (tmp_path / "east").mkdir()
    settings = tmp_path / "config.json"
    settings.write_text(config(tmp_path).model_dump_json())
    dice = random.Random(SEED)
    saved = []
    seen = {"east": set(), "west": set()}
    for n in range(1, KILLS + 1):
        process = subprocess.Popen(
            [sys.executable, "-m", "replicator", "run", "--config", str(settings)], stderr=subprocess.DEVNULL
        )
        save(tmp_path, n * 10)
        saved.append(n * 10)
        time.sleep(dice.uniform(0.3, 2.5))
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        for name in ("east", "west"):
            there = repository(tmp_path / "stores" / name, name)
            for accepted in there.log("gpt").view().in_order():
                assert check_decoded(there, accepted).ok, f"torn after kill {n}, seed {SEED}"
                seen[name].add(accepted.what.step)
    process = subprocess.Popen(
        [sys.executable, "-m", "replicator", "run", "--config", str(settings)], stderr=subprocess.DEVNULL
    )
    try:
        ends = time.monotonic() + 60
        while time.monotonic() < ends and (steps(tmp_path, "west")[-1:] != saved[-1:]):
            time.sleep(0.2)
        time.sleep(1)
    finally:
        process.terminate()
        process.wait(20)
    for name in ("east", "west"):
        found = steps(tmp_path, name)
        assert len(found) == len(set(found)), f"shipped twice, seed {SEED}"
        assert set(saved[-4:]) <= set(found), f"the newest did not arrive, seed {SEED}"
        assert seen[name] <= set(found), f"committed and lost, seed {SEED}"
    assert seen["east"] | seen["west"], f"no kill came after a commit: the test shows nothing, seed {SEED}"
