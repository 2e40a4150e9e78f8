"""SIGKILL of the real replicator process at random moments: nothing torn is seen, nothing committed is lost.

A replicator that falls behind passes over all but the newest few checkpoints that wait; those few must arrive.
"""

from __future__ import annotations

import random
import time

import pytest

from tests.faults.site import NAMES, Reader, Site, is_sound, until
from tools.cases import at_length

KILLS = 20 if at_length() else 6


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.faults("kills", 1, 5)
def test_killed_again_and_again_the_replicator_ships_every_checkpoint_exactly_once(tmp_path, cases):
    killed = 0
    for seed in cases.seeds():
        dice, root = random.Random(seed), tmp_path / str(seed)
        root.mkdir()
        site = Site(root).prepare()
        reader = Reader(site)
        with reader.reading():
            for n in range(1, KILLS + 1):
                site.start()
                site.save(n * 10)
                assert dice.random() < 0.1 or until(site.is_up, 240)
                time.sleep(dice.uniform(0.0, 0.7))
                site.kill()
                killed += 1
            site.start()
            arrived = until(lambda site=site: all(site.steps(name)[-1:] == site.saved[-1:] for name in NAMES), 60)
            emptied = until(lambda site=site: not site.waiting(), 30)
        site.kill()
        assert is_sound(site, reader) == [], f"seed {seed}"
        assert arrived, f"seed {seed}: {[site.steps(name) for name in NAMES]}"
        assert emptied, f"seed {seed}: the spool keeps {site.waiting()}"
        for name in NAMES:
            assert set(site.saved[-4:]) <= set(site.steps(name)), f"seed {seed}: the newest did not arrive"
    cases.found(f"{killed} SIGKILLs, folders as stores")
