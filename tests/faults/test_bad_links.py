"""The real replicator over a network that is cut, slowed, reset, half open or loses answers: its push resumes.

toxiproxy stands between it and a store; what arrives is counted at the store.
"""

from __future__ import annotations

import random
import time

import pytest

from replicator.repository.verify import check_decoded
from replicator.service.config import Destination
from tests.faults.site import Site, until
from tests.faults.storm import storm
from tests.faults.tensors import write_tensors
from tests.replicator.stores.toxics import toxiproxy_server

pytestmark = [pytest.mark.slow, pytest.mark.server, pytest.mark.timeout(7200)]
SIZE = 16 << 20
KINDS = ("cut", "slow", "reset", "lost answers", "half open")
AGAIN = 0.15
"""Of the checkpoint, what may be sent again: the packs that were on their way, in each of a client's own tries."""


@pytest.mark.faults("links", 2, 40)
def test_a_push_goes_on_where_it_was_when_the_link_is_well_again(tmp_path, cases):
    with toxiproxy_server(tmp_path) as toxics:
        for seed in cases.seeds():
            kind, dice, root = KINDS[seed % len(KINDS)], random.Random(seed), tmp_path / str(seed)
            root.mkdir()
            with storm(root / "stores") as sky:
                link = toxics.proxy(sky.endpoint)
                site = Site(root).prepare()
                url = sky.url("west").replace(sky.endpoint, link.endpoint)
                site.redirect("west", Destination(name="west", url=url, ceiling_bytes_per_s=4e6))
                write_tensors(root / "east" / "ck" / "step-00000010" / "model.safetensors", SIZE, seed)
                site.start()
                at = dice.uniform(0.1, 0.8) * SIZE
                assert until(lambda sky=sky, at=at: sky.counts().body_bytes >= at, 120), f"seed {seed}"
                break_it(link, kind)
                time.sleep(dice.uniform(1.0, 4.0))
                mend(link, kind)
                assert until(lambda site=site: site.steps("west") == [10], 240), (
                    f"seed {seed} ({kind}): {site.status()}"
                )
                site.kill()
                again = sky.counts().body_bytes - SIZE
                cases.found(f"{kind} at {at / SIZE:.0%}: {again / SIZE:.2%} sent again")
                assert again <= AGAIN * SIZE, f"seed {seed} ({kind})"
                there = site.here("west")
                assert check_decoded(there, there.log("gpt").view().in_order()[0]).ok


def break_it(link, kind):
    if kind == "cut":
        link.cut()
    elif kind == "slow":
        link.poison("bandwidth", "upstream", rate=50)
    elif kind == "reset":
        link.poison("reset_peer", "upstream", timeout=100)
    elif kind == "lost answers":
        link.poison("reset_peer", "downstream", timeout=0)
    else:
        link.poison("timeout", "upstream", timeout=0)
        link.poison("timeout", "downstream", timeout=0)


def mend(link, kind):
    if kind == "cut":
        link.join()
    else:
        link.heal()
