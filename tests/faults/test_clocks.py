"""Clocks that jump by days, forwards and backwards: the replicator's own while it runs, and the trainer's.

What is newest is never decided by a clock: nothing is lost, passed over or brought into another order.
"""

from __future__ import annotations

import os
import random

import pytest

from tests.faults.site import NAMES, Reader, Site, is_sound, until
from tests.faults.skewed import VARIABLE
from tests.faults.tensors import write_tensors

DAY = 86400.0


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.faults("clocks", 1, 20)
def test_checkpoints_arrive_in_their_order_whatever_clocks_say(tmp_path, cases, monkeypatch):
    jumps = 0
    for seed in cases.seeds():
        dice, root = random.Random(seed), tmp_path / str(seed)
        root.mkdir()
        clock = root / "clock"
        clock.write_text("0")
        monkeypatch.setenv(VARIABLE, str(clock))
        site = Site(root).prepare(drop_grace_s=60.0)
        reader = Reader(site)
        site.start("-m", "tests.faults.skewed")
        assert until(site.is_up, 240)
        with reader.reading():
            for step in range(10, 70, 10):
                clock.write_text(str(dice.choice([0, 1, -1]) * dice.uniform(0, 30) * DAY))
                jumps += 1
                saved_at(root, step, dice.uniform(-30, 30) * DAY)
                if step == 30:
                    site.kill()
                    site.start("-m", "tests.faults.skewed")
                assert until(lambda step=step, site=site: all(step in site.steps(n) for n in NAMES), 60), (
                    f"seed {seed}: step {step}: {site.status()}"
                )
        site.kill()
        assert is_sound(site, reader) == [], f"seed {seed}"
        for name in NAMES:
            assert site.steps(name) == list(range(10, 70, 10)), f"seed {seed}"
    cases.found(f"{jumps} jumps of up to 30 days")


def saved_at(root, step, later_s):
    """A checkpoint whose trainer's clock is that much ahead."""
    folder = root / "east" / "ck" / ".new"
    write_tensors(folder / "model.safetensors", 200_000, seed=step)
    now = (folder / "model.safetensors").stat().st_mtime + later_s
    os.utime(folder / "model.safetensors", (now, now))
    folder.rename(folder.with_name(f"step-{step:08d}"))
