"""SIGKILL of the real replicator at random moments, before stores that put writes off, reorder them and lose answers.

What was under way when it died may take effect seconds later, after a seal too. A seed is a site that is killed ten
times (five in CI), with promotions between. What waits in the spool when its term ends is refused by design: it is of no term
that is open; what was committed stands.
"""

from __future__ import annotations

import random
import time

import pytest

from tests.faults.site import NAMES, Reader, Site, is_sound, until
from tests.faults.storm import storm
from tests.faults.weather import Weather
from tools.cases import at_length

KILLS = 10 if at_length() else 5


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.faults("kills", 1, 20)
def test_nothing_torn_is_ever_seen_and_nothing_committed_is_lost(tmp_path, cases):
    killed = late = before_commit = 0
    for seed in cases.seeds():
        root = tmp_path / str(seed)
        root.mkdir()
        with storm(root / "stores") as sky:
            site = Site(root, sky).prepare()
            late += kills(site, random.Random(seed), seed)
            killed += KILLS
            before_commit += sky.counts().lost
    assert late > 0, "no write outlived its sender: the test shows less than it says"
    cases.found(
        f"{killed} SIGKILLs; {late} writes took effect after their sender had died; {before_commit} answers lost"
    )


def kills(site, dice, seed):
    reader, term, of_this_term = Reader(site), 1, list[int]()
    with reader.reading():
        for n in range(1, KILLS + 1):
            site.storm.weather(
                Weather(seed=seed * 1000 + n, delayed=0.5, longest_s=dice.choice([0.05, 0.2, 0.2, 1.5]), lost=0.15)
            )
            site.start()
            site.save(n * 10)
            of_this_term.append(n * 10)
            assert dice.random() < 0.1 or until(site.is_up, 240)
            time.sleep(dice.uniform(0.0, 3.0))
            site.kill()
            if dice.random() < 0.25:
                term += 1
                site.begin_term(term)
                of_this_term = []
        if not of_this_term:
            site.save((KILLS + 1) * 10)
            of_this_term.append((KILLS + 1) * 10)
        site.storm.calm()
        site.start()
        arrived = until(lambda: all(site.steps(name)[-1:] == site.saved[-1:] for name in NAMES), 60)
        emptied = until(lambda: not site.waiting(), 30)
    site.kill()
    said = f"DRSTACK_SEED={seed}, log {site.root / 'stderr'}"
    assert is_sound(site, reader) == [], said
    assert arrived, f"the newest did not arrive: {[site.steps(name) for name in NAMES]}, {said}"
    assert emptied, f"the spool keeps {site.waiting()}, {said}"
    for name in NAMES:
        assert set(of_this_term[-4:]) <= set(site.steps(name)), said
    assert reader.looks > KILLS
    return site.storm.counts().late
